//! Answers that a trigger configures: to all requests of an asynchronous workflow, and to what its filter leaves out.

use super::refusal::Refusal;
use super::reply::Reply;
use crate::expr::{Scope, Template, Value};

/// A configured answer: `{statusCode, headers: [{name, value}], body}`, each with placeholders.
#[derive(Clone, Debug, Default)]
pub struct Response {
    status_code: Template,
    headers: Template,
    body: Template,
}

impl Response {
    /// Reads a configuration, whatever it is.
    pub fn parse(config: &Value) -> Self {
        Self {
            status_code: Template::parse(&config.member("statusCode")),
            headers: Template::parse(&config.member("headers")),
            body: Template::parse(&config.member("body")),
        }
    }

    /// Whether the answer depends on the execution's context.
    pub fn has_placeholders(&self) -> bool {
        [&self.status_code, &self.headers, &self.body].iter().any(|template| template.has_placeholders())
    }

    /// The answer, its placeholders filled in, by the rules of [`Reply::of_response_job`]. Without a configured body it
    /// is `ok`; a body of null is none.
    ///
    /// Refuses (500) also when a placeholder throws.
    pub fn reply(&self, scope: &Scope) -> Result<Reply, Refusal> {
        let render = |template: &Template| {
            template.render(scope).map_err(|thrown| {
                Refusal::internal(format!("The configured response cannot be rendered: {thrown}."))
            })
        };
        let configured = !self.body.is_undefined();
        Reply::of_response_job(&Value::object([
            ("statusCode", render(&self.status_code)?),
            ("headers", render(&self.headers)?),
            ("body", if configured { render(&self.body)? } else { Value::from("ok") }),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;
    use crate::webhook::reply::{JSON, TEXT};
    use crate::webhook::trigger::Trigger;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    fn of_config(config: &str, context: &str) -> Result<Reply, Refusal> {
        Trigger::parse(&value(config)).response.reply(&Scope::of_context(value(context)))
    }

    /// Status, content type and text of an answer.
    fn summary(reply: Reply) -> (u16, String, String) {
        let body = reply.body.expect("a body");
        let text = String::from_utf8(body.bytes).expect("UTF-8");
        (reply.status, body.content_type.into_owned(), text)
    }

    #[test]
    fn an_asynchronous_workflow_answers_ok_unless_configured() {
        for config in ["null", "{}", r#"{"response":{}}"#, r#"{"response":"x"}"#] {
            let reply = of_config(config, "{}").expect(config);
            assert_eq!(summary(reply), (200, TEXT.to_owned(), "ok".to_owned()), "{config}");
        }
        let reply = of_config(r#"{"response":{"statusCode":202,"body":{"ok":true,"list":[1]}}}"#, "{}");
        let expected = (202, JSON.to_owned(), r#"{"ok":true,"list":[1]}"#.to_owned());
        assert_eq!(reply.map(summary), Ok(expected));
        assert_eq!(of_config(r#"{"response":{"body":null}}"#, "{}").map(|reply| reply.body), Ok(None));
    }

    #[test]
    fn placeholders_of_the_configured_response_are_filled_in() {
        let config = r#"{"response":{"statusCode":"{{$context.body.status}}",
            "headers":[{"name":"X-Id","value":"{{$context.body.id}}"}],
            "body":{"id":"{{$context.body.id}}"}}}"#;
        let reply = of_config(config, r#"{"body":{"status":"201","id":5}}"#).expect("a usable response");
        assert_eq!(reply.headers, [("X-Id".to_owned(), "5".to_owned())]);
        assert_eq!(summary(reply), (201, JSON.to_owned(), r#"{"id":5}"#.to_owned()));
    }

    #[test]
    fn a_response_that_throws_is_refused() {
        let config = r#"{"response":{"body":"{{$context.body.l.map}}"}}"#;
        let refusal = of_config(config, r#"{"body":{"l":[]}}"#).expect_err("map throws");
        assert_eq!(refusal.status, 500);
        assert!(refusal.message.contains("Array.prototype.map"), "{}", refusal.message);
    }
}
