//! Replaces what differs from run to run by the markers of the conformance README ("Normalisation"), in answers,
//! rows and tables alike.
//!
//! Two markers are set elsewhere. `"<json null>"`, the JSON value null in `result`, `meta` or `output`, where the
//! rows are read: once parsed it can't be told from SQL NULL any more. `$ECHO` is replaced in the case instead.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

const ID: &str = "<id>";
const TIME: &str = "<time>";
const SERVER: &str = "<server>";
const STACK: &str = "stack: <stack>";

/// From here on a number is taken for an id where its key says so.
const SMALLEST_ID: f64 = 1e13;
/// So many digits in a row make a text worth looking for ids.
const DIGITS_OF_AN_ID: usize = 15;
/// How far the clocks of the database and of this machine may be apart.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// What has to be known about a run to tell its ids and times from everything else.
#[derive(Debug, Clone)]
pub struct Run {
    /// Ids of the workflow, its nodes, executions and jobs. They have to be as long as NocoBase's, 15 digits or
    /// more: the number 1 would be replaced wherever it occurs if a node had that id.
    pub ids: HashSet<i64>,
    pub first_request: DateTime<Utc>,
    pub rows_read: DateTime<Utc>,
}

/// `recorded` is `{"responses", "rows", "stats"}` in the shape of a case's `expected`.
pub fn normalise(recorded: &Value, run: &Run) -> Value {
    run.value("", recorded)
}

impl Run {
    /// `key` is the one the value stands under, empty for elements of an array.
    fn value(&self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(object) => Value::Object(self.object(object)),
            Value::Array(array) => array.iter().map(|element| self.value("", element)).collect(),
            Value::Number(number) if self.is_id(key, number) => ID.into(),
            Value::String(text) if key == "log" => self.text(&without_stacks(text)).into(),
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }

    fn object(&self, object: &Map<String, Value>) -> Map<String, Value> {
        object.iter().map(|(key, value)| (key.clone(), self.value(key, value))).collect()
    }

    fn is_id(&self, key: &str, number: &serde_json::Number) -> bool {
        let named_as_id = key == "id" || key.ends_with("Id");
        number.as_i64().is_some_and(|number| self.ids.contains(&number))
            || (named_as_id && number.as_f64().is_some_and(|number| number > SMALLEST_ID))
    }

    fn text(&self, text: &str) -> String {
        if text.starts_with("BaseHTTP/") {
            return SERVER.to_owned();
        }
        if is_http_date(text) || self.is_time_of_run(text) {
            return TIME.to_owned();
        }
        if !has_digits_of_an_id(text) {
            return text.to_owned();
        }
        self.ids.iter().fold(text.to_owned(), |text, id| text.replace(&id.to_string(), ID))
    }

    fn is_time_of_run(&self, text: &str) -> bool {
        // The parser also takes a space for the T, which is not how NocoBase or row_to_json write a time.
        if text.as_bytes().get(10) != Some(&b'T') {
            return false;
        }
        DateTime::parse_from_rfc3339(text)
            .is_ok_and(|time| time >= self.first_request - TOLERANCE && time <= self.rows_read + TOLERANCE)
    }
}

fn is_http_date(text: &str) -> bool {
    // The parser is lenient about spaces and short numbers, so the length has to be right, too.
    text.len() == "Sun, 22 Nov 2026 00:00:00 GMT".len()
        && NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").is_ok()
}

fn has_digits_of_an_id(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_digit()).any(|digits| digits.len() >= DIGITS_OF_AN_ID)
}

/// A stack goes from the line that starts with `stack: ` up to the next line that starts with a word and `: `.
fn without_stacks(log: &str) -> String {
    let mut lines = Vec::new();
    let mut in_stack = false;
    for line in log.split('\n') {
        if line.starts_with("stack: ") {
            in_stack = true;
            lines.push(STACK);
        } else if !in_stack || starts_with_word_and_colon(line) {
            in_stack = false;
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn starts_with_word_and_colon(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(word, _)| {
        !word.is_empty()
            && word.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::json;

    use super::*;

    const WORKFLOW: i64 = 361_234_567_890_123;
    const JOB: i64 = 8_123_456_789_012_345;

    fn normalised(recorded: Value) -> Value {
        let run = Run {
            ids: HashSet::from([WORKFLOW, JOB]),
            first_request: Utc.with_ymd_and_hms(2026, 11, 22, 1, 0, 0).unwrap(),
            rows_read: Utc.with_ymd_and_hms(2026, 11, 22, 1, 0, 10).unwrap(),
        };
        normalise(&recorded, &run)
    }

    #[test]
    fn ids_of_the_run_are_replaced_under_any_key() {
        assert_eq!(
            normalised(json!({"n": [WORKFLOW, 1.5, 7], "j": JOB})),
            json!({"n": ["<id>", 1.5, 7], "j": "<id>"})
        );
    }

    #[test]
    fn other_ids_are_replaced_where_the_key_says_so() {
        let big = 99_999_999_999_999_i64;
        assert_eq!(
            normalised(json!({"id": big, "userId": big, "paid": big, "orderId": 12})),
            json!({"id": "<id>", "userId": "<id>", "paid": big, "orderId": 12})
        );
    }

    #[test]
    fn ids_are_replaced_inside_texts() {
        let text = format!("instruction [x] not found for node (#{WORKFLOW})");
        assert_eq!(normalised(json!(text)), json!("instruction [x] not found for node (#<id>)"));
        assert_eq!(normalised(json!("9007199254740993")), json!("9007199254740993"));
    }

    #[test]
    fn times_are_replaced_only_within_the_run() {
        let recorded = json!([
            "2026-11-22T00:59:58.000Z",
            "2026-11-22T01:00:11.5+00:00",
            "2026-11-22T09:00:05+08:00",
            "2026-11-22T00:59:57.999Z",
            "2026-11-22T01:00:05",
            "2026-11-22 01:00:05Z",
            "at 2026-11-22T01:00:05Z",
        ]);
        let expected = json!([
            "<time>",
            "<time>",
            "<time>",
            "2026-11-22T00:59:57.999Z",
            "2026-11-22T01:00:05",
            "2026-11-22 01:00:05Z",
            "at 2026-11-22T01:00:05Z",
        ]);
        assert_eq!(normalised(recorded), expected);
    }

    #[test]
    fn headers_of_the_echo_server_are_replaced() {
        let recorded =
            json!({"server": "BaseHTTP/0.6 Python/3.11.2", "date": "Sun, 22 Nov 2020 00:00:00 GMT"});
        assert_eq!(normalised(recorded), json!({"server": "<server>", "date": "<time>"}));
        assert_eq!(normalised(json!("Sun, 22 Nov 2020")), json!("Sun, 22 Nov 2020"));
    }

    #[test]
    fn stacks_are_cut_out_of_logs_only() {
        let log =
            "name: Error\nstack: Error: no\n    at run (a.js:1:2)\n    at b.js\nmessage: no\nposition: 8";
        assert_eq!(
            normalised(json!({"log": log, "result": log})),
            json!({"log": "name: Error\nstack: <stack>\nmessage: no\nposition: 8", "result": log})
        );
        assert_eq!(normalised(json!({"log": "stack: x\n at y"})), json!({"log": "stack: <stack>"}));
    }

    #[test]
    fn markers_of_the_row_reader_are_kept() {
        let recorded = json!({"result": "<json null>", "meta": null, "id": null});
        assert_eq!(normalised(recorded.clone()), recorded);
    }
}
