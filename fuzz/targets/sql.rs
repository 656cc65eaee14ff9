//! Texts of sql nodes with variables, in the three dialects.
#![no_main]

use chrono::{FixedOffset, Offset, Utc};
use libfuzzer_sys::fuzz_target;
use sea_orm::DbBackend;
use sidehook::collection::statement::replace;
use sidehook::expr::Value;
use sidehook::store::Codec;

fuzz_target!(|text: &str| {
    let values = Value::object([("a", Value::from("it's \\ a 'text' -- /*")), ("b", Value::from(-1))]);
    let values = values.as_object().cloned().unwrap_or_default();
    let zone: FixedOffset = Utc.fix();
    for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
        let _ = replace(text, &values, &Codec::new(backend, zone));
    }
});
