//! `==`, `<` and their relatives (ECMA-262, "IsLooselyEqual", "IsLessThan").

use std::cmp::Ordering;

use super::convert::{text_to_number, to_number, to_text};
use super::{Thrown, Value};

/// `a == b`. Two arrays or objects are equal only when they are the same one.
pub fn loosely_equal(a: &Value, b: &Value) -> Result<bool, Thrown> {
    Ok(match (a, b) {
        (a, b) if a.is_nullish() || b.is_nullish() => a.is_nullish() && b.is_nullish(),
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Array(..), Value::Array(..))
        | (Value::Object(..), Value::Object(..))
        | (Value::Live(_), Value::Live(_)) => a.identity() == b.identity(),
        (Value::Function(a), Value::Function(b)) => a == b,
        (Value::Number(number), Value::Text(text)) | (Value::Text(text), Value::Number(number)) => {
            *number == text_to_number(text)
        }
        (Value::Bool(flag), other) | (other, Value::Bool(flag)) => {
            loosely_equal(&Value::Number(f64::from(u8::from(*flag))), other)?
        }
        (a, b) => match (is_object(a), is_object(b)) {
            (true, true) => false,
            (true, false) => loosely_equal(&Value::from(to_text(a)?), b)?,
            (false, true) => loosely_equal(a, &Value::from(to_text(b)?))?,
            (false, false) => false,
        },
    })
}

/// How `a` and `b` stand to each other; `None` where one of them is not a number, so that none of
/// `<`, `<=`, `>`, `>=` holds.
pub fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, Thrown> {
    let (a, b) = (primitive(a)?, primitive(b)?);
    if let (Value::Text(a), Value::Text(b)) = (&a, &b) {
        return Ok(Some(a.encode_utf16().cmp(b.encode_utf16())));
    }
    Ok(to_number(&a)?.partial_cmp(&to_number(&b)?))
}

/// `SameValueZero`, the comparison of `Array.prototype.includes`.
pub fn same_value_zero(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Array(..), Value::Array(..))
        | (Value::Object(..), Value::Object(..))
        | (Value::Live(_), Value::Live(_)) => a.identity() == b.identity(),
        (Value::Function(a), Value::Function(b)) => a == b,
        _ => false,
    }
}

fn is_object(value: &Value) -> bool {
    matches!(
        value,
        Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) | Value::Date(_) | Value::Function(_)
    )
}

/// `ToPrimitive` with the hint "number".
fn primitive(value: &Value) -> Result<Value, Thrown> {
    Ok(match value {
        Value::Date(date) => Value::Number(date.0),
        value if is_object(value) => Value::from(to_text(value)?),
        value => value.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    fn value(text: &str) -> Value {
        if text == "undefined" { Value::Undefined } else { json::parse(text.as_bytes()).expect(text) }
    }

    #[test]
    fn equality_is_loose() {
        let equal = [
            ("5", "\"5\""),
            ("undefined", "null"),
            ("\"\"", "0"),
            ("true", "1"),
            ("true", "\"1\""),
            ("[1]", "1"),
            ("[1,2]", "\"1,2\""),
            ("{}", "\"[object Object]\""),
            ("false", "[]"),
        ];
        for (a, b) in equal {
            assert!(loosely_equal(&value(a), &value(b)).expect("no object hides toString"), "{a} == {b}");
            assert!(loosely_equal(&value(b), &value(a)).expect("no object hides toString"), "{b} == {a}");
        }
        for (a, b) in [("null", "0"), ("null", "false"), ("[]", "[]"), ("{}", "{}"), ("\"a\"", "0")] {
            assert!(!loosely_equal(&value(a), &value(b)).expect("no object hides toString"), "{a} != {b}");
        }
        let list = value("[1]");
        assert!(loosely_equal(&list, &list.clone()).expect("same array"));
    }

    #[test]
    fn order_is_by_text_only_when_both_are_text() {
        let cases = [
            ("\"10\"", "\"9\"", Some(Ordering::Less)),
            ("\"10\"", "9", Some(Ordering::Greater)),
            ("null", "0", Some(Ordering::Equal)),
            ("undefined", "0", None),
            ("\"a\"", "1", None),
            ("[2]", "1", Some(Ordering::Greater)),
        ];
        for (a, b, expected) in cases {
            assert_eq!(order(&value(a), &value(b)).expect("no object hides toString"), expected, "{a} ? {b}");
        }
    }
}
