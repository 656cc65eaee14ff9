//! JavaScript's conversions: `String(x)`, `Number(x)` and `ToPrimitive` (ECMA-262, "Type Conversion").

use entity::number_text;

use super::{Thrown, Value};

/// `String(value)`. Throws for an object whose own `toString` member hides the inherited one.
pub fn to_text(value: &Value) -> Result<String, Thrown> {
    Ok(match value {
        Value::Undefined => "undefined".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_to_text(*number),
        Value::Text(text) => text.to_string(),
        Value::Date(date) => date.to_local_text(),
        Value::Array(array, _) => {
            let mut parts = Vec::with_capacity(array.items().len());
            for item in array.items() {
                parts.push(if item.is_nullish() { String::new() } else { to_text(item)? });
            }
            parts.join(",")
        }
        Value::Object(object, _) if object.get("toString").is_some() => {
            return Err(Thrown::type_error("Cannot convert object to primitive value"));
        }
        Value::Object(_, _) | Value::Live(_) => "[object Object]".to_owned(),
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
        Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) => text_to_number(&to_text(value)?),
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
}
