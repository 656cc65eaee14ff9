//! Query strings and URL-encoded forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::json;
use sidehook::webhook::body;
use sidehook::webhook::body::qs::parse_query;
use sidehook::webhook::memory::Memory;

fuzz_target!(|text: &str| {
    let _ = json::stringify_or_null(&parse_query(text));
    let share = Memory::new(64 << 20).share();
    if let Ok(value) = body::parse(Some("application/x-www-form-urlencoded"), text.as_bytes(), &share) {
        let _ = json::stringify_or_null(&value);
    }
});
