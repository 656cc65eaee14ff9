//! Answers the caller of a synchronous webhook workflow and ends the execution. The job's result is what
//! is answered: `{statusCode, headers, body}` (the documentation page `workflow/nodes/response.md`; the
//! node itself is part of NocoBase's commercial webhook plugin).

use async_trait::async_trait;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome};
use crate::expr::{Template, Thrown, Value};
use crate::field;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status, 200 unless given.
    status_code: Template,
    /// `[{name, value}]`.
    headers: Template,
    /// Text is answered as it is, any other JSON value as JSON; nothing for null or a missing one.
    body: Template,
}

#[async_trait]
impl Node for Response {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let scope = cx.scope()?;
        let or = |value: Value, default: Value| if value.is_undefined() { default } else { value };
        let result = Value::object([
            ("statusCode", or(self.status_code.render(&scope)?, Value::from(200))),
            ("headers", or(self.headers.render(&scope)?, Value::array(Vec::new()))),
            ("body", self.body.render(&scope)?),
        ]);
        // The caller is told 500 then, and the job says why.
        field::configured(&result.member("headers"), &result.member("statusCode"))
            .map_err(|unsendable| Thrown::error(unsendable.to_string()))?;
        cx.run().reply(result.clone());
        let upstream = cx.input();
        cx.save(Draft { status: RESOLVED, result, upstream, ..Draft::default() });
        Ok(Outcome::Exit(RESOLVED))
    }
}

impl NodeType for Response {
    const TYPE: &'static str = "response";
    const ABOUT: &'static str = "Answers the caller of a synchronous workflow.";
    const ANSWERS: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Answers with a status and a JSON body",
                config: r#"{"statusCode": 201, "body": {"id": "{{$context.body.id}}"}}"#,
                context: r#"{"body": {"id": 7}}"#,
                status: RESOLVED,
                result: r#"{"statusCode":201,"headers":[],"body":{"id":7}}"#,
            },
            Example {
                about: "Fails for a header that HTTP cannot carry",
                config: r#"{"headers": [{"name": "X-Name", "value": "{{$context.body.name}}"}]}"#,
                context: r#"{"body": {"name": "✓"}}"#,
                status: ERROR,
                result: r#"{"message":"The header \"X-Name\" of the response cannot be sent: its value has characters beyond ISO 8859-1."}"#,
            },
        ]
    }
}
