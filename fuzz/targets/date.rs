//! Texts as dates, and patterns of dayjs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::dayjs::{Moment, format};
use sidehook::expr::{Date, Value};

fuzz_target!(|text: &str| {
    let date = Date::parse(text);
    if let Some(iso) = date.to_iso() {
        assert_eq!(Date::parse(&iso), date, "{iso}");
    }
    let _ = Date::of(&Value::from(text));
    let _ = date.to_local_text();
    let _ = format(&Moment::new(date.0), text);
    let _ = format(&Moment::new(1_709_164_800_000.0), text);
});
