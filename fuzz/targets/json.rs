//! JSON bodies: what is written can be read again, and is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::json;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = json::parse(bytes) {
        let text = json::stringify_or_null(&value);
        let again = json::parse(text.as_bytes()).expect("sidehook reads what it writes");
        assert_eq!(json::stringify_or_null(&again), text);
    }
});
