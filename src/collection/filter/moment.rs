//! Lists and objects as dates, as `moment` takes them where a filter compares them with a date.

use chrono::{DateTime, Datelike, Local, NaiveDate, Utc};

use crate::expr::date::calendar::at_server_reading;
use crate::expr::{Date, Value};

/// The units that an object may name, each with what else `moment` calls it.
const UNITS: [(&str, [&str; 3]); 7] = [
    ("year", ["years", "y", "yy"]),
    ("month", ["months", "M", "MM"]),
    ("date", ["dates", "D", "day"]),
    ("hour", ["hours", "h", "hh"]),
    ("minute", ["minutes", "m", "mm"]),
    ("second", ["seconds", "s", "ss"]),
    ("millisecond", ["milliseconds", "ms", "ms"]),
];

/// The point in time that a list (`[year, month from 0, day, …]`) or an object (`{year, month, …}`) stands for, on the
/// server's clock; an empty one is now, and what leads to no date is invalid.
pub(super) fn moment_of(value: &Value, now: DateTime<Utc>) -> Date {
    let parts: Vec<Value> = match value {
        Value::Array(items, _) if items.items().is_empty() => return now_date(now),
        Value::Object(object, _) if object.is_empty() => return now_date(now),
        Value::Array(items, _) => items.items().iter().take(UNITS.len()).cloned().collect(),
        value => UNITS.iter().map(|unit| named(value, unit)).collect(),
    };
    of_parts(&parts, now).unwrap_or(Date(f64::NAN))
}

fn now_date(now: DateTime<Utc>) -> Date {
    Date(now.timestamp_millis() as f64)
}

fn named(value: &Value, (name, others): &(&str, [&str; 3])) -> Value {
    let found = std::iter::once(name).chain(others).map(|name| value.member(name));
    found.into_iter().find(|value| !value.is_undefined()).unwrap_or_default()
}

fn of_parts(parts: &[Value], now: DateTime<Utc>) -> Option<Date> {
    let today = now.with_timezone(&Local).date_naive();
    let today = [i64::from(today.year()), i64::from(today.month0()), i64::from(today.day())];
    let mut numbers = [0, 0, 1, 0, 0, 0, 0];
    let mut is_leading = true;
    for (place, number) in numbers.iter_mut().enumerate() {
        match parts.get(place) {
            Some(part) if part.is_truthy() => {
                *number = leading_integer(part)?;
                is_leading = false;
            }
            Some(part) if !part.is_nullish() => is_leading = false,
            // Only what comes before the first part that is given is today's.
            _ if is_leading && place < today.len() => *number = today[place],
            _ => is_leading = false,
        }
    }
    let [year, month, day, hour, minute, second, millisecond] = numbers;
    let unsigned = |number: i64| u32::try_from(number).ok();
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, unsigned(month)?.checked_add(1)?, unsigned(day)?)?;
    let time = date.and_hms_milli_opt(
        unsigned(hour)?,
        unsigned(minute)?,
        unsigned(second)?,
        unsigned(millisecond)?,
    )?;
    Some(Date(at_server_reading(time.and_utc().timestamp_millis() as f64)))
}

/// `parseInt(value, 10)`.
fn leading_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(*number as i64),
        Value::Text(text) => {
            let text = text.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
            text[..end].parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn lists_and_objects_are_dates() {
        let now: DateTime<Utc> = "2026-11-22T10:20:30.400Z".parse().expect("a time");
        let local = |text: &str| Date::parse(text).0;
        let cases = [
            ("[]", now.timestamp_millis() as f64),
            ("{}", now.timestamp_millis() as f64),
            ("[2024, 1, 29]", local("2024-02-29T00:00:00")),
            (r#"["2024"]"#, local("2024-01-01T00:00:00")),
            ("[2024, 1, 29, 4, 5, 6, 7]", local("2024-02-29T04:05:06.007")),
            (r#"{"year": 2024, "month": 0, "hours": 3}"#, local("2024-01-01T03:00:00")),
            (r#"{"k": 1}"#, {
                let day = now.with_timezone(&Local).format("%Y-%m-%dT00:00:00").to_string();
                local(&day)
            }),
        ];
        for (text, expected) in cases {
            let value = json::parse(text.as_bytes()).expect("JSON");
            assert_eq!(moment_of(&value, now).0, expected, "{text}");
        }
        for text in ["[2024, 12, 1]", "[2024, 1, 30]", r#"["x"]"#] {
            let value = json::parse(text.as_bytes()).expect("JSON");
            assert!(!moment_of(&value, now).is_valid(), "{text}");
        }
    }
}
