//! Query strings and URL-encoded forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::json;
use sidehook::webhook::body::{self, Options};
use sidehook::webhook::body::qs::parse_query;
use sidehook::webhook::memory::Memory;

fuzz_target!(|text: &str| {
    let _ = json::stringify_or_null(&parse_query(text));
    let options = Options::default();
    let share = Memory::new(64 << 20).share();
    if let Ok(value) = body::parse(Some("application/x-www-form-urlencoded"), text.as_bytes(), &options, &share) {
        let _ = json::stringify_or_null(&value);
    }
});
