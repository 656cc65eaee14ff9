//! JavaScript's conversions: `String(x)`, `Number(x)` and `ToPrimitive` (ECMA-262, "Type Conversion").

use entity::number_text;

use super::{Date, Thrown, Value};

/// `String(value)`. Throws for an object whose own `toString` member hides the inherited one.
pub fn to_text(value: &Value) -> Result<String, Thrown> {
    Ok(match value {
        Value::Undefined => "undefined".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_to_text(*number),
        Value::Text(text) => text.to_string(),
        Value::Date(date) => date.to_local_text(),
        Value::Array(array) => {
            let mut parts = Vec::with_capacity(array.items().len());
            for item in array.items() {
                parts.push(if item.is_nullish() { String::new() } else { to_text(item)? });
            }
            parts.join(",")
        }
        Value::Object(object) if object.get("toString").is_some() => {
            return Err(Thrown::type_error("Cannot convert object to primitive value"));
        }
        Value::Object(_) | Value::Live(_) => "[object Object]".to_owned(),
        Value::Function(_) => "function () { [native code] }".to_owned(),
    })
}

/// `String(number)`: unlike JSON, also `NaN` and `Infinity`.
pub fn number_to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    number_text(number)
}

/// `Number(value)`.
pub fn to_number(value: &Value) -> Result<f64, Thrown> {
    Ok(match value {
        Value::Undefined | Value::Function(_) => f64::NAN,
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => *number,
        Value::Text(text) => text_to_number(text),
        Value::Date(date) => date.0,
        Value::Array(_) | Value::Object(_) | Value::Live(_) => text_to_number(&to_text(value)?),
    })
}

/// A text as a number: white space around it, decimal, `0x`, `0o`, `0b` and `Infinity`; else NaN.
pub fn text_to_number(text: &str) -> f64 {
    let text = trim(text);
    if text.is_empty() {
        return 0.0;
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return integer(digits, radix);
        }
    }
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        "Infinity" if text.starts_with('-') => f64::NEG_INFINITY,
        "Infinity" => f64::INFINITY,
        // Rust also parses "inf" and "nan", which JavaScript does not know.
        digits
            if digits
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) =>
        {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

fn integer(digits: &str, radix: u32) -> f64 {
    if digits.is_empty() {
        return f64::NAN;
    }
    digits
        .chars()
        .try_fold(0.0, |sum, c| Some(sum * f64::from(radix) + f64::from(c.to_digit(radix)?)))
        .unwrap_or(f64::NAN)
}

/// `String.prototype.trim`: Unicode white space, line ends and the byte order mark.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// JavaScript's `\s`.
pub fn is_space(c: char) -> bool {
    // U+0085 is white space for Unicode but not for JavaScript; U+FEFF the other way round.
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

impl Date {
    /// `Date.prototype.toString` in the server's time zone, without the zone's long name outside UTC:
    /// `Sun Nov 22 2026 00:00:00 GMT+0000 (Coordinated Universal Time)`.
    pub fn to_local_text(self) -> String {
        let Some(time) = self.to_chrono() else { return "Invalid Date".to_owned() };
        let local = time.with_timezone(&chrono::Local);
        let text = local.format("%a %b %d %Y %H:%M:%S GMT%z").to_string();
        if text.ends_with("+0000") { text + " (Coordinated Universal Time)" } else { text }
    }

    /// `Date.parse`: ISO 8601 as ECMA-262 defines it, then the forms people write (`2026-11-22 10:00`,
    /// `2026/11/22`, `Nov 22, 2026`, RFC 2822), which are local time when they name no zone.
    pub fn parse(text: &str) -> Date {
        iso(text).or_else(|| informal(trim(text))).map_or(Date(f64::NAN), |ms| Date(ms as f64))
    }
}

fn iso(text: &str) -> Option<i64> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return text.contains('T').then(|| time.timestamp_millis());
    }
    for form in ["%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%S%.fZ"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return local(time);
        }
    }
    let day = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let midnight = NaiveDate::parse_from_str(&day, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?;
    Some(midnight.and_utc().timestamp_millis())
}

fn informal(text: &str) -> Option<i64> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return Some(time.timestamp_millis());
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%a %b %d %Y %H:%M:%S GMT%z"] {
        if let Ok(time) = DateTime::parse_from_str(text, form) {
            return Some(time.timestamp_millis());
        }
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return local(time);
        }
    }
    let day = ["%Y/%m/%d", "%m/%d/%Y", "%b %d, %Y", "%b %d %Y", "%d %b %Y"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok())?;
    local(day.and_hms_opt(0, 0, 0)?)
}

fn local(time: chrono::NaiveDateTime) -> Option<i64> {
    time.and_local_timezone(chrono::Local).earliest().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_numbers_as_in_javascript() {
        let cases = [
            (" 12 ", 12.0),
            ("", 0.0),
            ("0x1F", 31.0),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-Infinity", f64::NEG_INFINITY),
        ];
        for (text, number) in cases {
            assert_eq!(text_to_number(text), number, "{text:?}");
        }
        for text in ["1,2", "inf", "nan", "0x", "1 2", "--1", "e", "1_000"] {
            assert!(text_to_number(text).is_nan(), "{text:?}");
        }
    }

    #[test]
    fn dates_parse_as_in_javascript() {
        let cases = [
            ("1970-01-01T00:00:00.000Z", 0.0),
            ("1970-01-01", 0.0),
            ("1970", 0.0),
            ("1970-01-01T01:00:00+01:00", 0.0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ];
        for (text, ms) in cases {
            assert_eq!(Date::parse(text).0, ms, "{text}");
        }
        for text in ["", "hello", "2026-13-01", "null"] {
            assert!(Date::parse(text).0.is_nan(), "{text}");
        }
    }
}
