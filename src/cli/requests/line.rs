//! A request as a line: for people, and as JSON.

use chrono::DateTime;
use entity::request;

use crate::cli::moment::local;
use crate::cli::output::printable;
use crate::expr::{Value, json};

/// Above the lines.
pub(crate) const HEAD: &str =
    "RECEIVED             ID                   STATUS        MS  WORKFLOW              REQUEST";

/// One line, coloured by what was answered.
pub(crate) fn line(row: &request::Model, is_coloured: bool) -> String {
    let status = row.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let colour = match row.status {
        Some(200..=299) => 32,
        Some(300..=399) => 36,
        Some(400..=499) => 33,
        Some(_) => 31,
        None => 0,
    };
    let status = format!("{status:<6}");
    let status =
        if is_coloured && colour > 0 { format!("\u{1b}[{colour}m{status}\u{1b}[0m") } else { status };
    let duration = row.duration_ms.map_or_else(|| "-".to_owned(), |duration| duration.to_string());
    let workflow = printable(row.workflow_key.as_deref().unwrap_or("-"));
    let (time, id, method) = (time(row.received_at), row.id, printable(&row.method));
    format!("{time}  {id:<19}  {status}  {duration:>8}  {workflow:<20}  {method} {}{}", url(row), what(row))
}

/// Path and query, for a terminal.
pub(crate) fn url(row: &request::Model) -> String {
    let mark = if row.query.is_empty() { "" } else { "?" };
    printable(&format!("{}{mark}{}", row.path, row.query))
}

/// What came of it, where the status does not tell.
fn what(row: &request::Model) -> String {
    match (row.duplicate_of, &row.reason) {
        (Some(first), _) => format!(" (a duplicate of execution {first})"),
        (None, Some(reason)) => format!(" ({})", printable(reason)),
        (None, None) => String::new(),
    }
}

/// A time in milliseconds since 1970 as this machine tells it.
pub(crate) fn time(ms: i64) -> String {
    local(DateTime::from_timestamp_millis(ms))
}

/// All that is known of it, as JSON. Ids are texts: they are larger than JavaScript's whole numbers.
pub(crate) fn as_json(row: &request::Model) -> String {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    let id = |id: Option<i64>| id.map_or(Value::Null, |id| Value::from(id.to_string()));
    let number = |number: Option<i64>| number.map_or(Value::Null, |number| Value::Number(number as f64));
    let received_at = DateTime::from_timestamp_millis(row.received_at).map(|time| time.to_rfc3339());
    json::stringify_or_null(&Value::object([
        ("id", id(Some(row.id))),
        ("receivedAt", text(&received_at)),
        ("workflowKey", text(&row.workflow_key)),
        ("workflowId", id(row.workflow_id)),
        ("method", Value::from(row.method.clone())),
        ("path", Value::from(row.path.clone())),
        ("query", Value::from(row.query.clone())),
        ("headers", json::parse(row.headers.as_bytes()).unwrap_or_default()),
        ("contentType", text(&row.content_type)),
        ("body", text(&row.body)),
        ("bodyEncoding", text(&row.body_encoding)),
        ("bodySize", number(Some(row.body_size))),
        ("bodySha256", text(&row.body_sha256)),
        ("peer", text(&row.peer)),
        ("durationMs", number(row.duration_ms)),
        ("status", number(row.status.map(i64::from))),
        ("reason", text(&row.reason)),
        ("executionId", id(row.execution_id)),
        ("deliveryId", text(&row.delivery_id)),
        ("duplicateOf", id(row.duplicate_of)),
        ("instance", number(Some(row.instance.into()))),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> request::Model {
        request::Model {
            id: 7,
            workflow_key: Some("orders".to_owned()),
            method: "POST".to_owned(),
            path: "/in".to_owned(),
            query: "a=1".to_owned(),
            headers: r#"[["a","b"]]"#.to_owned(),
            status: Some(401),
            duration_ms: Some(3),
            reason: Some("no\u{1b}".to_owned()),
            execution_id: Some(1 << 60),
            ..request::Model::default()
        }
    }

    #[test]
    fn a_line_tells_what_came_of_a_request() {
        let plain = line(&row(), false);
        assert!(plain.ends_with("POST /in?a=1 (no\u{fffd})") && plain.contains("  401  "), "{plain}");
        assert!(line(&row(), true).contains("\u{1b}[33m401   \u{1b}[0m"));
        let duplicate = request::Model { duplicate_of: Some(5), ..row() };
        assert!(line(&duplicate, false).ends_with("(a duplicate of execution 5)"));
    }

    #[test]
    fn json_has_ids_as_texts_and_headers_as_a_list() {
        let json = as_json(&row());
        assert!(json.contains(r#""executionId":"1152921504606846976""#), "{json}");
        assert!(json.contains(r#""headers":[["a","b"]]"#) && json.contains(r#""body":null"#), "{json}");
    }
}
