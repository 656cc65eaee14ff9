//! What the fields make of values: setters, sanitizers, defaults and getters
//! (`packages/core/database/src/fields`, `sequelize/lib/data-types.js`).

use std::sync::Arc;

use sea_orm::DbBackend;

use super::super::bind::parse_local;
use super::super::field::{ColumnType, Field, FieldType};
use super::super::shape::Collection;
use super::super::{geometry, record};
use crate::expr::convert::{to_number, to_text, trim};
use crate::expr::date::calendar::{at_server_reading, server_reading};
use crate::expr::{Date, Object, Str, Thrown, Value, json};
use crate::store::Codec;

/// `YYYY-MM-DD HH:mm:ss`.
fn is_plain_time(text: &str) -> bool {
    has_shape(text, "0000-00-00 00:00:00")
}

/// What `toISOString` gives.
fn is_iso_time(text: &str) -> bool {
    has_shape(text, "0000-00-00T00:00:00.000Z")
}

/// Whether a text is like the shape, in which 0 stands for any digit.
fn has_shape(text: &str, shape: &str) -> bool {
    let is_like = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(is_like)
}

/// lodash's `isEqual`.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Date(a), Value::Date(b)) => a.0 == b.0 || (a.0.is_nan() && b.0.is_nan()),
        (Value::Array(a, _), Value::Array(b, _)) => {
            let (a, b) = (a.items(), b.items());
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a, _), Value::Object(b, _)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (Value::Live(a), Value::Live(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// The values of a new record that nobody has given, keys first as null.
pub(super) fn defaults(collection: &Collection, codec: &Codec) -> Vec<(Str, Value)> {
    let mut defaults = Vec::new();
    for field in collection.fields() {
        let default = field.option("defaultValue");
        // MySQL's texts have no defaults.
        let has_none = field.kind == FieldType::Text && codec.backend() == DbBackend::MySql;
        if !default.is_undefined() && !has_none {
            defaults.push((field.name.clone(), raw_default(field, default, codec)));
        }
    }
    for name in collection.key_attributes() {
        if !defaults.iter().any(|(known, _)| *known == name) {
            defaults.push((name, Value::Null));
        }
    }
    defaults
}

/// A default goes past the setter; only what is true or false is understood.
fn raw_default(field: &Field, default: Value, codec: &Codec) -> Value {
    match (field.kind, &default) {
        (FieldType::Boolean | FieldType::Radio, _) => boolean(default),
        (FieldType::Date, Value::Text(text)) if codec.backend() == DbBackend::MySql && is_iso_time(text) => {
            Value::Date(Date::parse(text))
        }
        _ => default,
    }
}

/// The setter of fields whose class has one for whole values: a date without a zone is in that of the field
/// (`date-field.ts`, "setter"). Runs before all others, for what a node gives directly.
pub(super) fn with_zone(field: &Field, value: Value, codec: &Codec) -> Value {
    if !matches!(field.kind, FieldType::Date | FieldType::UnixTimestamp) {
        return value;
    }
    match &value {
        Value::Text(text) if is_plain_time(text) => {
            let zone = match field.option("timezone") {
                Value::Text(zone) if !matches!(&*zone, "" | "server" | "client") => zone.to_string(),
                _ => codec.time_offset().to_string(),
            };
            Value::Date(Date::parse(&format!("{text} {zone}")))
        }
        _ => value,
    }
}

/// Refuses what NocoBase would write in another form: a value that it would encrypt.
pub(super) fn check_encryption(field: &Field, value: &Value) -> Result<(), Thrown> {
    if field.kind != FieldType::Encryption || value.is_nullish() {
        return Ok(());
    }
    Err(Thrown::error(format!(
        "the field {} is encrypted, which sidehook cannot do; SIDEHOOK_DATA_WRITES=api has NocoBase write it",
        field.name
    )))
}

/// Refuses HTML that NocoBase would take out of a rich text.
pub(super) fn check_rich_text(field: &Field, value: &Value) -> Result<(), Thrown> {
    let Value::Text(text) = value else { return Ok(()) };
    if field.interface().as_deref() != Some("richText") || super::rich_text::is_safe(text) {
        return Ok(());
    }
    Err(Thrown::error(format!(
        "the rich text {} has HTML that may be dangerous; sidehook does not write it, NocoBase would take it out",
        field.name
    )))
}

pub(super) fn has_setter(kind: FieldType) -> bool {
    matches!(kind, FieldType::String | FieldType::Text | FieldType::DatetimeNoTz | FieldType::UnixTimestamp)
        || kind.is_geometry()
}

/// The setter of the attribute.
pub(super) fn setter(field: &Field, value: Value, codec: &Codec) -> Result<Value, Thrown> {
    match field.kind {
        FieldType::DatetimeNoTz => wall_clock(value, codec),
        FieldType::UnixTimestamp => unix_timestamp(field, value),
        kind if kind.is_geometry() => geometry::set(kind, value, codec),
        _ => text(field, value),
    }
}

fn text(field: &Field, value: Value) -> Result<Value, Thrown> {
    let is_unique = field.option("unique").is_truthy();
    let text = match value {
        Value::Text(text) if is_unique && text.is_empty() => return Ok(Value::Null),
        Value::Text(text) => text,
        value if value.is_nullish() => return Ok(Value::Null),
        value => to_text(&value)?.into(),
    };
    let trimmed = trim(&text);
    if field.option("trim").is_truthy() && trimmed.len() < text.len() {
        return Ok(Value::text(trimmed));
    }
    Ok(Value::Text(text))
}

/// A wall clock's time is kept as the server's local time. Where a zone is named, the time of the database's
/// zone is meant.
fn wall_clock(value: Value, codec: &Codec) -> Result<Value, Thrown> {
    let (date, is_instant) = match &value {
        value if value.is_nullish() => return Ok(Value::Null),
        Value::Text(text) => (parse_local(text), is_iso_time(text)),
        Value::Date(date) => (*date, true),
        other => (Date::of(other)?, false),
    };
    let mut ms = date.0;
    if is_instant {
        ms = at_server_reading(ms + f64::from(codec.time_offset().local_minus_utc()) * 1000.0);
    }
    if codec.backend() == DbBackend::MySql {
        ms = (ms / 1000.0).floor() * 1000.0;
    }
    Ok(Value::Date(Date(ms)))
}

fn unix_timestamp(field: &Field, value: Value) -> Result<Value, Thrown> {
    Ok(match value {
        value if value.is_nullish() => value,
        Value::Number(number) => Value::Number(number.floor()),
        value => Value::Number((Date::of(&value)?.0 * field.units_per_second() / 1000.0).floor()),
    })
}

/// What Sequelize makes of a value for the type of the column.
pub(super) fn sanitize(field: &Field, value: Value) -> Result<Value, Thrown> {
    Ok(match field.kind {
        FieldType::Boolean | FieldType::Radio => boolean(value),
        FieldType::Date if value.is_truthy() => match value {
            Value::Date(_) => value,
            value => Value::Date(Date::of(&value)?),
        },
        FieldType::DateOnly if value.is_truthy() => day(value)?,
        _ => value,
    })
}

fn boolean(value: Value) -> Value {
    match &value {
        Value::Text(text) if &**text == "true" => Value::Bool(true),
        Value::Text(text) if &**text == "false" => Value::Bool(false),
        Value::Number(1.0) => Value::Bool(true),
        Value::Number(number) if *number == 0.0 => Value::Bool(false),
        _ => value,
    }
}

/// `moment(value).format('YYYY-MM-DD')`.
fn day(value: Value) -> Result<Value, Thrown> {
    let date = match &value {
        Value::Text(text) => {
            let head = text.get(..10).unwrap_or_default();
            let is_day = parse_local(head).is_valid() && head.as_bytes().get(4) == Some(&b'-');
            let rest = text.get(10..).unwrap_or_default();
            if is_day && !rest.ends_with('Z') && !rest.contains('+') && !rest.contains('-') {
                return Ok(Value::text(head));
            }
            parse_local(text)
        }
        Value::Date(date) => *date,
        other => Date::of(other)?,
    };
    let text = match Date(server_reading(date.0)).to_iso() {
        Some(iso) if date.is_valid() => iso.get(..10).unwrap_or_default().to_owned(),
        _ => "Invalid date".to_owned(),
    };
    Ok(Value::text(text))
}

/// The value as the getter of the field shows it.
pub(super) fn shown(field: &Field, value: &Value, codec: &Codec) -> Value {
    if field.kind.is_geometry() {
        return geometry::shown(field.kind, value, codec);
    }
    if value.is_nullish() {
        return value.clone();
    }
    match (field.kind, value) {
        (FieldType::Date, Value::Date(_)) => value.clone(),
        (FieldType::Date, Value::Text(text)) if is_plain_time(text) => {
            Value::Date(Date::parse(&format!("{text} {}", codec.time_offset())))
        }
        (FieldType::Date, value) => Value::Date(Date::of(value).unwrap_or(Date(f64::NAN))),
        (FieldType::DatetimeNoTz, Value::Date(date)) => wall_clock_text(*date),
        (FieldType::UnixTimestamp, value) => {
            let number = to_number(value).unwrap_or(f64::NAN);
            Value::Date(Date(number * 1000.0 / field.units_per_second()))
        }
        (_, value) => value.clone(),
    }
}

fn wall_clock_text(date: Date) -> Value {
    match Date(server_reading(date.0)).to_chrono() {
        Some(time) => Value::text(time.format("%Y-%m-%d %H:%M:%S").to_string()),
        None => Value::text("Invalid date"),
    }
}

/// What a column holds, as the model of NocoBase has it: what the driver gives, parsed by the type of the field.
pub(super) fn stored(field: &Field, value: Value, codec: &Codec) -> Value {
    if codec.backend() != DbBackend::Sqlite {
        return match (field.kind, &value) {
            // MySQL's tinyint.
            (FieldType::Boolean | FieldType::Radio, Value::Number(number)) => Value::Bool(*number != 0.0),
            (FieldType::Formula, Value::Number(number)) if field.column_type == ColumnType::Boolean => {
                Value::Bool(*number != 0.0)
            }
            (FieldType::Json | FieldType::Jsonb | FieldType::Array | FieldType::Set, Value::Text(text))
                if codec.backend() == DbBackend::MySql =>
            {
                json::parse(text.as_bytes()).unwrap_or(value)
            }
            _ => value,
        };
    }
    match (field.kind, &value) {
        (FieldType::Boolean | FieldType::Radio, Value::Number(number)) => Value::Bool(*number != 0.0),
        (FieldType::Formula, _) => record::attribute(field, value, codec),
        (FieldType::Date | FieldType::DatetimeNoTz, Value::Text(text)) => {
            let date = Date::parse(text);
            if date.is_valid() { Value::Date(date) } else { value }
        }
        (FieldType::Json | FieldType::Jsonb | FieldType::Array | FieldType::Set, Value::Text(text)) => {
            json::parse(text.as_bytes()).unwrap_or(value)
        }
        _ => value,
    }
}

/// The members of an object; nothing for anything else.
pub(super) fn members(value: &Value) -> Object {
    match value {
        Value::Object(object, _) => (**object).clone(),
        Value::Live(live) => (*live.object()).clone(),
        _ => Object::new(),
    }
}
