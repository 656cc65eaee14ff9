//! What a caller is answered: by a response node, or by the end of the execution.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::expr::convert::text_to_number;
use crate::expr::{Value, json};
use crate::field;

pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// Statuses whose answers have no body (RFC 9110, section 15).
const EMPTY: [u16; 3] = [204, 205, 304];

/// An answer, before it becomes HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// 200 to 599.
    pub status: u16,
    /// Without the content type. The names are valid; the values are ISO 8859-1 without control characters,
    /// to be sent as one byte per character.
    pub headers: Vec<(String, String)>,
    /// `None` for an answer that has neither a body nor a content type.
    pub body: Option<ReplyBody>,
}

/// The body of an answer, which may have no bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyBody {
    /// The value of the `content-type` header, as valid as those of [`Reply::headers`].
    pub content_type: Cow<'static, str>,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The answer of a response node, from the result of its job,
    /// `{statusCode, headers: [{name, value}], body}`:
    ///
    /// - the status is 200 when there is none;
    /// - a body that is absent or null is none, text is plain text and everything else JSON, unless a
    ///   `content-type` is among the headers (of several, the last);
    /// - headers are those of [`field::configured`].
    ///
    /// Refuses (500) a status that is no whole number from 200 to 599, and headers that cannot be sent.
    pub fn of_response_job(result: &Value) -> Result<Self, Refusal> {
        let status = status(&result.member("statusCode"))?;
        let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        let headers = field::configured(&result.member("headers"), &result.member("statusCode"));
        let headers = headers.map_err(|unsendable| Refusal::internal(unsendable.to_string()))?;
        let (types, headers): (Vec<_>, Vec<_>) = headers.into_iter().partition(is_type);
        let content_type = types.into_iter().last().map(|(_, value)| value);
        let body = if EMPTY.contains(&status) { Value::Null } else { result.member("body") };
        Ok(Self { status, headers, body: ReplyBody::of(&body, content_type) })
    }

    /// The status of that answer, also where it is refused.
    pub fn status_of_response_job(result: &Value) -> u16 {
        let status_code = result.member("statusCode");
        let is_sendable = field::configured(&result.member("headers"), &status_code).is_ok();
        status(&status_code).ok().filter(|_| is_sendable).unwrap_or(500)
    }

    /// The answer when no response node was reached: 200 for an execution that has resolved, else 500.
    pub fn of_status(resolved: bool) -> Self {
        Self::empty(if resolved { 200 } else { 500 })
    }

    /// The answer to a caller who has waited too long for the execution: 408.
    pub fn timeout() -> Self {
        Self::empty(408)
    }

    /// An answer of a status only.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }
}

/// A refusal as an answer: its headers, and its body as JSON.
impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let body = ReplyBody { content_type: JSON.into(), bytes: refusal.body().into_bytes() };
        let headers = refusal.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { status: refusal.status, headers, body: Some(body) }
    }
}

impl ReplyBody {
    fn of(value: &Value, content_type: Option<String>) -> Option<Self> {
        if value.is_nullish() {
            return None;
        }
        let (default, text) = match value {
            Value::Text(text) => (TEXT, text.to_string()),
            value => (JSON, json::stringify(value)?),
        };
        let content_type = content_type.map_or(Cow::Borrowed(default), Cow::Owned);
        Some(Self { content_type, bytes: text.into_bytes() })
    }
}

/// A number or numeric text; 1xx is left out because it does not end a request.
fn status(value: &Value) -> Result<u16, Refusal> {
    let number = match value {
        value if value.is_nullish() => 200.0,
        Value::Number(number) => *number,
        Value::Text(text) => text_to_number(text),
        _ => f64::NAN,
    };
    if number.fract() == 0.0 && (200.0..600.0).contains(&number) {
        return Ok(number as u16);
    }
    Err(Refusal::internal("The status code of the response is not a whole number from 200 to 599."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    fn of_job(result: &str) -> Reply {
        Reply::of_response_job(&value(result)).expect("a usable result")
    }

    /// Status, content type and text of an answer.
    fn summary(reply: Reply) -> (u16, String, String) {
        let (content_type, bytes) =
            reply.body.map(|body| (body.content_type, body.bytes)).unwrap_or_default();
        (reply.status, content_type.into_owned(), String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn bodies_are_text_or_json_or_none() {
        let cases = [
            (r#"{"statusCode":201,"headers":[],"body":{"ok":true}}"#, 201, JSON, r#"{"ok":true}"#),
            (r#"{"statusCode":200,"headers":[],"body":[1,2]}"#, 200, JSON, "[1,2]"),
            (r#"{"body":"plain text ✓"}"#, 200, TEXT, "plain text ✓"),
            (r#"{"body":""}"#, 200, TEXT, ""),
            (r#"{"body":12.5}"#, 200, JSON, "12.5"),
            (r#"{"body":false}"#, 200, JSON, "false"),
            (r#"{"statusCode":202,"headers":[],"body":null}"#, 202, "", ""),
            (r#"{"statusCode":204,"headers":[]}"#, 204, "", ""),
            (r#"{"statusCode":204,"body":"not sent"}"#, 204, "", ""),
            ("null", 200, "", ""),
        ];
        for (result, status, content_type, text) in cases {
            assert_eq!(
                summary(of_job(result)),
                (status, content_type.to_owned(), text.to_owned()),
                "{result}"
            );
        }
    }

    #[test]
    fn a_status_is_a_number_from_200_to_599() {
        for (status, expected) in [("201", 201), ("\" 404 \"", 404), ("599", 599), ("null", 200)] {
            assert_eq!(of_job(&format!(r#"{{"statusCode":{status}}}"#)).status, expected, "{status}");
        }
        for status in ["0", "100", "600", "200.5", "-200", "1e300", "\"\"", "\"ok\"", "true", "[200]", "{}"] {
            let result = value(&format!(r#"{{"statusCode":{status}}}"#));
            let refusal = Reply::of_response_job(&result).expect_err(status);
            assert_eq!(refusal.status, 500, "{status}");
            assert!(refusal.message.contains("200 to 599"), "{}", refusal.message);
        }
    }

    #[test]
    fn a_configured_content_type_wins() {
        let reply = of_job(
            r#"{"headers":[{"name":"Content-Type","value":"text/csv"},{"name":"X-Fixed","value":"yes"},
                {"name":"content-type","value":"text/xml"}],"body":"<a/>"}"#,
        );
        assert_eq!(reply.headers, [("X-Fixed".to_owned(), "yes".to_owned())]);
        assert_eq!(summary(reply), (200, "text/xml".to_owned(), "<a/>".to_owned()));
    }

    #[test]
    fn headers_that_cannot_be_sent_are_an_error() {
        let result = value(r#"{"headers":[{"name":"X-Wide","value":"✓"}],"body":"x"}"#);
        let refusal = Reply::of_response_job(&result).expect_err("it cannot be sent");
        assert_eq!(refusal.status, 500);
        assert!(refusal.message.contains("\"X-Wide\""), "{}", refusal.message);
        let moved = of_job(r#"{"statusCode":302,"headers":[{"name":"Location","value":"/✓"}]}"#);
        assert_eq!(moved.headers, [("Location".to_owned(), "/%E2%9C%93".to_owned())]);
    }

    #[test]
    fn the_other_answers_have_no_body_and_refusals_have_one() {
        let statuses = [Reply::of_status(true), Reply::of_status(false), Reply::timeout()].map(summary);
        assert_eq!(statuses.map(|(status, _, text)| (status, text.len())), [(200, 0), (500, 0), (408, 0)]);
        let reply = Reply::from(Refusal::method_not_allowed(&["POST"]));
        assert_eq!(reply.headers, [("Allow".to_owned(), "POST".to_owned())]);
        let text = r#"{"errors":[{"message":"This webhook answers POST only."}]}"#.to_owned();
        assert_eq!(summary(reply), (405, JSON.to_owned(), text));
    }

    proptest! {
        #[test]
        fn any_result_is_an_answer_or_refused(
            status in any::<f64>(), name in "\\PC{0,10}", header in "(?s).{0,10}", body in "\\PC{0,20}",
        ) {
            let header = Value::object([("name", Value::from(name)), ("value", Value::from(header))]);
            let result = Value::object([
                ("statusCode", Value::Number(status)),
                ("headers", Value::array(vec![header, Value::from(body.as_str())])),
                ("body", Value::from(body)),
            ]);
            if let Ok(reply) = Reply::of_response_job(&result) {
                prop_assert!((200..600).contains(&reply.status));
                prop_assert!(reply.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])));
            }
        }
    }
}
