//! JSONPath and paths as keys of a trigger, over a body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::json;
use sidehook::expr::path::Path;
use sidehook::webhook::json_path::{JsonPath, Search};

fuzz_target!(|text: &str| {
    let default = r#"{"a":[{"b":1,"t":"x"},{"b":[2]}],"c":{"d":null}}"#;
    let (key, body) = text.split_once('\0').unwrap_or((text, default));
    let body = json::parse(body.as_bytes()).unwrap_or_default();
    if let Some(path) = JsonPath::parse(key) {
        let _ = path.find(&body, &Search::new(&|| false));
    }
    let _ = Path::parse(key).get(&body);
});
