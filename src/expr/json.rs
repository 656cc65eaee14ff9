//! `JSON.parse` and `JSON.stringify`.
//!
//! Two things are refused that JavaScript accepts, both with an error: nesting deeper than 128 levels and
//! escapes of half a surrogate pair (`"\ud800"`), which Rust text cannot hold.

use std::fmt;

use entity::number_text;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Date, Object, Value};

/// Parses a JSON text as `JSON.parse` does: numbers become doubles, of equal keys the last one counts.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text)
}

/// `JSON.stringify(value)`: `None` where that is `undefined`.
pub fn stringify(value: &Value) -> Option<String> {
    if is_left_out(value) {
        return None;
    }
    let mut out = String::new();
    write(&mut out, value);
    Some(out)
}

/// `JSON.stringify(value ?? null)`.
pub fn stringify_or_null(value: &Value) -> String {
    stringify(value).unwrap_or_else(|| "null".to_owned())
}

fn is_left_out(value: &Value) -> bool {
    matches!(value, Value::Undefined | Value::Function(_))
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Undefined | Value::Null | Value::Function(_) => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number_text(*number)),
        Value::Text(text) => write_text(out, text),
        Value::Date(date) => match date.to_iso() {
            Some(iso) => write_text(out, &iso),
            None => out.push_str("null"),
        },
        Value::Array(array) => {
            out.push('[');
            for (i, item) in array.items().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(out, object),
        Value::Live(live) => write_object(out, &live.object()),
    }
}

fn write_object(out: &mut String, object: &Object) {
    out.push('{');
    let members = object.iter().filter(|(_, value)| !is_left_out(value));
    for (i, (key, value)) in members.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// A quoted text with the escapes of `JSON.stringify`: control characters, `"` and `\`, nothing else.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[written..i]);
        written = i + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            _ => out.push_str(&format!("\\u{byte:04x}")),
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

impl Date {
    /// `toISOString`: `2026-11-22T01:02:03.456Z`; `None` for an invalid date.
    pub fn to_iso(self) -> Option<String> {
        let time = self.to_chrono()?;
        let year = chrono::Datelike::year(&time);
        let rest = time.format("-%m-%dT%H:%M:%S%.3fZ");
        Some(match year {
            0..=9999 => format!("{year:04}{rest}"),
            _ => format!("{year:+07}{rest}"),
        })
    }

    pub fn to_chrono(self) -> Option<chrono::DateTime<chrono::Utc>> {
        // 100 million days around 1970 are all that a JavaScript date reaches (ECMA-262, time range).
        const LIMIT: f64 = 8.64e15;
        if self.0.is_nan() || self.0.abs() > LIMIT {
            return None;
        }
        chrono::DateTime::from_timestamp_millis(self.0 as i64)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            object.insert(key, value);
        }
        Ok(Value::Object(object.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_written_as_javascript_writes_them() {
        let cases = [
            (r#"{"b":1.0,"2":-0,"1":1e21}"#, r#"{"1":1e+21,"2":0,"b":1}"#),
            (r#"["\u0000\u001f\u2028/é😀"]"#, "[\"\\u0000\\u001f\u{2028}/é😀\"]"),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            ("9007199254740993", "9007199254740992"),
        ];
        for (input, output) in cases {
            let value = parse(input.as_bytes()).expect(input);
            assert_eq!(stringify(&value).as_deref(), Some(output), "{input}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_out_of_objects_and_null_in_arrays() {
        let value = Value::object([
            ("gone", Value::Undefined),
            ("list", Value::array(vec![Value::Undefined, Value::Number(f64::NAN)])),
            ("at", Value::Date(Date(0.0))),
        ]);
        assert_eq!(
            stringify(&value).as_deref(),
            Some(r#"{"list":[null,null],"at":"1970-01-01T00:00:00.000Z"}"#)
        );
        assert_eq!(stringify(&Value::Undefined), None);
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = parse(&bytes) {
                let text = stringify(&value).expect("parsed values are JSON");
                let again = parse(text.as_bytes()).expect("own output parses");
                prop_assert_eq!(stringify(&again), Some(text));
            }
        }

        #[test]
        fn numbers_survive(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let text = stringify(&Value::Number(number)).expect("a number");
            let back = parse(text.as_bytes()).expect("own output parses");
            prop_assert_eq!(back.as_number(), Some(if number == 0.0 { 0.0 } else { number }));
        }
    }
}
