//! Runs SQL on NocoBase's database, or another data source (`SQLInstruction.ts` of `plugin-workflow-sql`).

use async_trait::async_trait;
use serde::Deserialize;

use super::data_source::{MAIN, Session, resolve, told};
use super::{Context, Example, Node, NodeType, Outcome, resolved};
use crate::collection::statement::{Runner, replace};
use crate::expr::convert::{to_text, trim};
use crate::expr::{Object, Template, Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Sql {
    /// `main` when not given.
    data_source: Value,
    /// Rendered only with `unsafeInjection`.
    sql: Text,
    /// `[result, metadata]` instead of the result.
    with_meta: Value,
    /// Variables are put into the text as they are, instead of as values.
    unsafe_injection: Value,
    /// `[{name, value}]` for `:name` in the text; the values are rendered.
    variables: Template,
}

/// A text as it stands and as a template.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct Text {
    raw: Value,
    template: Template,
}

impl From<Value> for Text {
    fn from(raw: Value) -> Self {
        Self { template: Template::parse(&raw), raw }
    }
}

#[async_trait]
impl Node for Sql {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let source = match &self.data_source {
            name if name.is_truthy() => to_text(name)?,
            _ => MAIN.to_owned(),
        };
        let (timeout, sources) = (cx.services().sql_timeout, cx.services().sources.clone());
        let unknown = || {
            Thrown::type_error(
                "Cannot destructure property 'collectionManager' of \
                 'this.workflow.app.dataSourceManager.dataSources.get(...)' as it is undefined.",
            )
        };
        let collections = match resolve(cx, &source, unknown).await {
            Ok(collections) => collections,
            Err(refused) => return refused.outcome(),
        };
        let codec = *collections.codec();
        let is_injected = self.unsafe_injection.is_truthy();
        let mut sql = match (self.sql.raw.is_truthy(), is_injected) {
            (false, _) => String::new(),
            (true, true) => trimmed(&cx.render(&self.sql.template)?, "processor.getParsedValue(...)")?,
            (true, false) => trimmed(&self.sql.raw, "(node.config.sql || \"\")")?,
        };
        if !is_injected {
            let variables = cx.render(&self.variables)?;
            if !sql.is_empty() {
                sql = replace(&sql, &named(&variables)?, &codec)?;
            }
        }
        if sql.is_empty() {
            return Ok(resolved(Value::Undefined));
        }
        let session = Session::begin(cx, &source, &collections).await?;
        let outcome = match (Runner { codec: &codec, db: session.transaction(), timeout }).run(&sql).await {
            Ok(outcome) => outcome,
            Err(thrown) => return Err(told(&sources, &source, &collections, thrown).await),
        };
        session.end().await?;
        Ok(resolved(match self.with_meta.is_truthy() {
            true => Value::array(vec![outcome.result, outcome.meta]),
            false => outcome.result,
        }))
    }
}

/// `text.trim()`, with what calling it throws; `callee` is what is called in NocoBase.
fn trimmed(text: &Value, callee: &str) -> Result<String, Thrown> {
    match text {
        Value::Text(text) => Ok(trim(text).to_owned()),
        text if text.is_nullish() => Err(Thrown::reading(text, "trim")),
        _ => Err(Thrown::type_error(format!("{callee}.trim is not a function"))),
    }
}

fn named(variables: &Value) -> Result<Object, Thrown> {
    let mut named = Object::new();
    let items = variables.as_array().map_or(&[][..], |array| array.items());
    for item in items {
        let name = item.member("name");
        if name.is_truthy() {
            named.insert(to_text(&name)?, item.member("value"));
        }
    }
    Ok(named)
}

impl NodeType for Sql {
    const TYPE: &'static str = "sql";
    const ABOUT: &'static str = "Runs SQL on a database, with variables as values.";
    const CHANGES_DATA: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Runs a statement with variables as values",
                config: r#"{"sql": "select :who as name", "variables": [{"name": "who", "value": "{{$context.body.who}}"}]}"#,
                context: r#"{"body": {"who": "it's Ann"}}"#,
                status: entity::status::job::RESOLVED,
                result: r#"[{"name":"it's Ann"}]"#,
            },
            Example {
                about: "Does nothing without a statement",
                config: "{}",
                context: "{}",
                status: entity::status::job::RESOLVED,
                result: "",
            },
        ]
    }
}
