//! Query strings and URL-encoded forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::json;
use sidehook::webhook::qs::{parse_form, parse_query};

fuzz_target!(|text: &str| {
    for value in [parse_query(text), parse_form(text)] {
        let _ = json::stringify_or_null(&value);
    }
});
