//! Dates as JavaScript has them: from text and other values, and as text.

pub mod calendar;
mod parse;

use super::convert::{to_number, to_text};
use super::{Date, Thrown, Value};

impl Date {
    /// `new Date(value)`.
    pub fn of(value: &Value) -> Result<Date, Thrown> {
        match value {
            Value::Text(text) => Ok(Date::parse(text)),
            Value::Array(_) | Value::Object(_) | Value::Live(_) => Ok(Date::parse(&to_text(value)?)),
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

    /// `Date.prototype.toString` in the server's time zone, without the zone's long name outside UTC:
    /// `Sun Nov 22 2026 00:00:00 GMT+0000 (Coordinated Universal Time)`.
    pub fn to_local_text(self) -> String {
        let Some(time) = self.to_chrono() else { return "Invalid Date".to_owned() };
        let local = time.with_timezone(&chrono::Local);
        let text = local.format("%a %b %d %Y %H:%M:%S GMT%z").to_string();
        if text.ends_with("+0000") { text + " (Coordinated Universal Time)" } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
