//! Bodies of every content type: the first line names it, or the body is a multipart form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::json;
use sidehook::webhook::body::{self, Options};
use sidehook::webhook::memory::Memory;

fuzz_target!(|bytes: &[u8]| {
    let named = bytes.iter().position(|byte| *byte == b'\n').map(|end| bytes.split_at(end));
    let content_type = named.and_then(|(line, _)| std::str::from_utf8(line).ok());
    let form = Some("multipart/form-data; boundary=x");
    for (content_type, part) in [(form, bytes), (content_type, named.map_or(bytes, |(_, rest)| rest))] {
        let share = Memory::new(64 << 20).share();
        if let Ok(value) = body::parse(content_type, part, &Options::default(), &share) {
            let _ = json::stringify_or_null(&value);
        }
    }
});
