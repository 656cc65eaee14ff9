//! Values of PostgreSQL from their binary form, as node-postgres and Sequelize give them.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};
use sea_orm::DbErr;
use sea_orm::sqlx::postgres::types::Oid;
use sea_orm::sqlx::postgres::{PgRow, PgTypeInfo, PgTypeKind};
use sea_orm::sqlx::{Column, Row, TypeInfo, ValueRef};

use super::{buffer, instant, integer, local_instant, numeric, single, unreadable};
use crate::expr::convert::number_to_text;
use crate::expr::{Object, Value, json};

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

pub(super) fn value(row: &PgRow, index: usize) -> Result<Value, DbErr> {
    let raw = row.try_get_raw(index).map_err(|err| DbErr::Type(err.to_string()))?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let type_info = raw.type_info().into_owned();
    let bytes = raw.as_bytes().map_err(|err| DbErr::Type(err.to_string()))?;
    decode(bytes, &type_info).ok_or_else(|| unreadable(row.column(index).name(), type_info.name()))
}

fn decode(bytes: &[u8], type_info: &PgTypeInfo) -> Option<Value> {
    match type_info.kind() {
        PgTypeKind::Array(element) => return array(bytes, element),
        PgTypeKind::Domain(base) => return decode(bytes, base),
        PgTypeKind::Enum(_) => return text(bytes),
        _ => {}
    }
    Some(match type_info.name() {
        "BOOL" => Value::Bool(*bytes.first()? != 0),
        "INT2" => Value::from(i32::from(i16::from_be_bytes(bytes.try_into().ok()?))),
        "INT4" => Value::from(i32::from_be_bytes(bytes.try_into().ok()?)),
        "INT8" => integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        "OID" | "XID" | "CID" | "REGCLASS" => {
            Value::Number(u32::from_be_bytes(bytes.try_into().ok()?).into())
        }
        "FLOAT4" => single(f32::from_be_bytes(bytes.try_into().ok()?)),
        "FLOAT8" => Value::Number(f64::from_be_bytes(bytes.try_into().ok()?)),
        "NUMERIC" => Value::text(numeric::text(bytes)?),
        "JSON" => json::parse(bytes).ok()?,
        // The first byte is the version of the format.
        "JSONB" => json::parse(bytes.get(1..)?).ok()?,
        "DATE" => Value::text(date(i32::from_be_bytes(bytes.try_into().ok()?))?),
        "TIME" => Value::text(time(i64::from_be_bytes(bytes.try_into().ok()?))?),
        "TIMESTAMP" => local_instant(point_in_time(bytes)?.naive_utc()),
        "TIMESTAMPTZ" => instant(point_in_time(bytes)?),
        "INTERVAL" => interval(bytes)?,
        "UUID" => Value::text(uuid::Uuid::from_slice(bytes).ok()?.to_string()),
        "BYTEA" => buffer(bytes),
        "VOID" => Value::from(""),
        "POINT" => named([("x", number(bytes, 0)?), ("y", number(bytes, 8)?)]),
        "CIRCLE" => {
            named([("x", number(bytes, 0)?), ("y", number(bytes, 8)?), ("radius", number(bytes, 16)?)])
        }
        "PATH" => Value::text(points(bytes.get(1..)?, *bytes.first()? != 0)?),
        "POLYGON" => Value::text(points(bytes, true)?),
        "TEXT" | "VARCHAR" | "CHAR" | "\"CHAR\"" | "BPCHAR" | "NAME" | "UNKNOWN" | "CITEXT" | "XML" => {
            text(bytes)?
        }
        _ => return None,
    })
}

fn text(bytes: &[u8]) -> Option<Value> {
    Some(Value::text(std::str::from_utf8(bytes).ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn named<const N: usize>(parts: [(&'static str, f64); N]) -> Value {
    Value::object(parts.map(|(name, number)| (name, Value::Number(number))))
}

/// The count of points, then each, as the text of a path: one that is open is in square brackets.
fn points(bytes: &[u8], is_closed: bool) -> Option<String> {
    let mut rest = bytes;
    let count = usize::try_from(take_i32(&mut rest)?).ok()?;
    let texts: Option<Vec<String>> = (0..count)
        .map(|point| {
            let (x, y) = (number(rest, point * 16)?, number(rest, point * 16 + 8)?);
            Some(format!("({},{})", number_to_text(x), number_to_text(y)))
        })
        .collect();
    let (open, close) = if is_closed { ('(', ')') } else { ('[', ']') };
    Some(format!("{open}{}{close}", texts?.join(",")))
}

/// Dimensions, whether there are nulls, the type, length and lower bound of each dimension, then the elements.
fn array(bytes: &[u8], element: &PgTypeInfo) -> Option<Value> {
    let mut rest = bytes;
    let dimensions = usize::try_from(take_i32(&mut rest)?).ok()?;
    take_i32(&mut rest)?;
    let oid = Oid(take_i32(&mut rest)?.cast_unsigned());
    let known = if element.oid().is_some_and(|known| known != oid) {
        PgTypeInfo::with_oid(oid)
    } else {
        element.clone()
    };
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(take_i32(&mut rest)?).ok()?);
        take_i32(&mut rest)?;
    }
    if lengths.is_empty() {
        return Some(Value::array(Vec::new()));
    }
    elements(&mut rest, &lengths, &known)
}

fn elements(rest: &mut &[u8], lengths: &[usize], element: &PgTypeInfo) -> Option<Value> {
    let (length, inner) = lengths.split_first()?;
    let mut items = Vec::new();
    for _ in 0..*length {
        if !inner.is_empty() {
            items.push(elements(rest, inner, element)?);
            continue;
        }
        let size = take_i32(rest)?;
        if size < 0 {
            items.push(Value::Null);
            continue;
        }
        let (bytes, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        *rest = after;
        items.push(decode(bytes, element)?);
    }
    Some(Value::array(items))
}

fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_at_checked(4)?;
    *rest = after;
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => return Some("infinity".into()),
        i32::MIN => return Some("-infinity".into()),
        _ => {}
    }
    let epoch = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    Some(epoch.checked_add_signed(TimeDelta::try_days(days.into())?)?.format("%Y-%m-%d").to_string())
}

fn time(microseconds: i64) -> Option<String> {
    if microseconds == MICROSECONDS_PER_DAY {
        return Some("24:00:00".into());
    }
    let (time, _) = NaiveTime::MIN.overflowing_add_signed(TimeDelta::microseconds(microseconds));
    let text = time.format("%H:%M:%S%.6f").to_string();
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// Microseconds since 2000.
fn point_in_time(bytes: &[u8]) -> Option<DateTime<chrono::Utc>> {
    let microseconds = i64::from_be_bytes(bytes.try_into().ok()?);
    DateTime::from_timestamp_micros(microseconds.checked_add(946_684_800_000_000)?)
}

/// `{years, months, days, hours, minutes, seconds, milliseconds}`, without those that are 0.
fn interval(bytes: &[u8]) -> Option<Value> {
    let microseconds = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let days = i32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?);
    let months = i32::from_be_bytes(bytes.get(12..16)?.try_into().ok()?);
    let seconds = microseconds / 1_000_000;
    let parts = [
        ("years", f64::from(months / 12)),
        ("months", f64::from(months % 12)),
        ("days", f64::from(days)),
        ("hours", (seconds / 3600) as f64),
        ("minutes", (seconds / 60 % 60) as f64),
        ("seconds", (seconds % 60) as f64),
        ("milliseconds", (microseconds % 1_000_000) as f64 / 1000.0),
    ];
    let parts = parts.into_iter().filter(|(_, number)| *number != 0.0);
    Some(Value::from(parts.map(|(name, number)| (name, Value::Number(number))).collect::<Object>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lose_only_the_zeros_of_their_fraction() {
        let cases = [
            (0, "00:00:00"),
            (37_800_000_000, "10:30:00"),
            (37_800_500_000, "10:30:00.5"),
            (37_800_000_001, "10:30:00.000001"),
            (MICROSECONDS_PER_DAY, "24:00:00"),
        ];
        for (microseconds, expected) in cases {
            assert_eq!(time(microseconds).as_deref(), Some(expected));
        }
    }

    #[test]
    fn damaged_values_are_no_values() {
        assert!(array(&[0, 0, 0, 1, 0], &PgTypeInfo::with_name("INT4")).is_none());
        assert!(interval(&[0; 4]).is_none());
        assert!(point_in_time(&[0; 3]).is_none());
    }
}
