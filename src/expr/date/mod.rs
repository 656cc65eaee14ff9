//! Dates as JavaScript has them: from text and other values, and as text.

pub mod calendar;
mod parse;
pub mod zone_name;

use self::calendar::Fields;
use super::convert::{to_number, to_text};
use super::{Date, Thrown, Value};

impl Date {
    /// `new Date(value)`.
    pub fn of(value: &Value) -> Result<Date, Thrown> {
        match value {
            Value::Text(text) => Ok(Date::parse(text)),
            Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) => Ok(Date::parse(&to_text(value)?)),
            value => Ok(Date(calendar::clip(to_number(value)?))),
        }
    }

    /// `Date.parse` as V8 has it: ISO 8601, and nearly everything that people write (`2026-11-22 10:00`,
    /// `22 Nov 2026`, `11/22/2026 3 pm PST`), which is the server's time when it names no zone.
    pub fn parse(text: &str) -> Date {
        Date(parse::parse(text).map_or(f64::NAN, calendar::clip))
    }

    pub fn is_valid(self) -> bool {
        calendar::clip(self.0).is_finite()
    }

    /// `Date.prototype.toString` in the server's time zone:
    /// `Sun Nov 22 2026 00:00:00 GMT+0000 (Coordinated Universal Time)`.
    pub fn to_local_text(self) -> String {
        let time = calendar::clip(self.0);
        if time.is_nan() {
            return "Invalid Date".to_owned();
        }
        let minutes_ahead = -calendar::server_minutes_behind(time);
        let name = zone_name::server(time, minutes_ahead);
        format!("{} ({name})", on_clock(&Fields::of(calendar::server_reading(time)), minutes_ahead))
    }
}

/// `Sun Nov 22 2026 00:00:00 GMT+0000`.
fn on_clock(fields: &Fields, minutes_ahead: f64) -> String {
    let weekday = calendar::WEEKDAYS.get(fields.weekday() as usize).map_or("", |name| &name[..3]);
    let month = calendar::MONTHS.get(fields.month as usize).map_or("", |name| &name[..3]);
    let (sign, year) = (if fields.year < 0.0 { "-" } else { "" }, fields.year.abs());
    let (direction, minutes) = (if minutes_ahead < 0.0 { '-' } else { '+' }, minutes_ahead.abs() as u32);
    // As whole numbers, because a double can be a negative zero.
    let [day, hour, minute, second] =
        [fields.day, fields.hour, fields.minute, fields.second].map(|part| part as u32);
    format!(
        "{weekday} {month} {day:02} {sign}{year:04} {hour:02}:{minute:02}:{second:02} GMT{direction}{:02}{:02}",
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Node.js 20 writes them in UTC.
    #[test]
    fn texts_have_years_of_any_length() {
        let cases = [
            (8.64e15, "Sat Sep 13 275760 00:00:00 GMT+0000"),
            (-8.64e15, "Tue Apr 20 -271821 00:00:00 GMT+0000"),
            (-62_167_219_200_001.0, "Fri Dec 31 -0001 23:59:59 GMT+0000"),
            (-100_000_000_000_000.0, "Thu Feb 15 -1199 14:13:20 GMT+0000"),
            (1_000_000_000_000.0, "Sun Sep 09 2001 01:46:40 GMT+0000"),
        ];
        for (time, expected) in cases {
            assert_eq!(on_clock(&Fields::of(time), 0.0), expected);
        }
        let elsewhere = on_clock(&Fields::of(1e12 - 9e6), -150.0);
        assert_eq!(elsewhere, "Sat Sep 08 2001 23:16:40 GMT-0230");
        assert_eq!(Date(f64::NAN).to_local_text(), "Invalid Date");
    }

    #[test]
    fn every_kind_of_value_is_a_date_or_not() {
        let cases = [
            (Value::Null, 0.0),
            (Value::Bool(true), 1.0),
            (Value::Number(1.9), 1.0),
            (Value::Number(-1.9), -1.0),
            (Value::array(vec!["1970-01-01".into()]), 0.0),
            (Value::Date(Date(5.0)), 5.0),
        ];
        for (value, ms) in cases {
            assert_eq!(Date::of(&value), Ok(Date(ms)), "{value:?}");
        }
        let none = [
            Value::Undefined,
            Value::Number(8.64e15 + 1.0),
            Value::array(vec![]),
            Value::object([("a", Value::Null)]),
        ];
        for value in none {
            assert!(!Date::of(&value).expect("no error").is_valid(), "{value:?}");
        }
        let no_text = Value::object([("toString", Value::Null)]);
        assert_eq!(Date::of(&no_text), Err(Thrown::type_error("Cannot convert object to primitive value")));
    }
}
