//! JSONPath and paths as keys of a trigger, over a body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::path::Path;
use sidehook::expr::{Value, json};
use sidehook::webhook::config::Trigger;

fuzz_target!(|text: &str| {
    let (key, body) = text.split_once('\0').unwrap_or((text, r#"{"a":[{"b":1},{"b":[2]}]}"#));
    let body = json::parse(body.as_bytes()).unwrap_or_default();
    let items = Value::array(vec![Value::object([("key", Value::from(key))])]);
    let request = Value::object([("body", items)]);
    let config = json::stringify_or_null(&Value::object([("request", request)]));
    let _ = Trigger::parse(&config);
    let _ = Path::parse(key).get(&body);
});
