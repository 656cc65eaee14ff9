//! Fields that are calculated from the others when a record is saved (`plugin-field-formula`). What evaluates their
//! expressions is handed in.

use sea_orm::ConnectionTrait;

use super::super::field::Field;
use super::instance::Instance;
use super::writer::Writer;
use crate::expr::convert::{is_space, to_text};
use crate::expr::evaluator::Engine;
use crate::expr::expression::Variables;
use crate::expr::{Date, Scope, Thrown, Value};

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Sets the field to the value of its expression; to null where that throws.
    pub(super) async fn formula(&self, instance: &mut Instance, field: &Field) -> Result<(), Thrown> {
        let Some(evaluators) = self.evaluators else { return Ok(()) };
        let engine = match field.option("engine") {
            Value::Undefined => Some(Engine::Math),
            name => Engine::find(&name),
        };
        let data_type = match field.option("dataType") {
            Value::Undefined => Value::from("double"),
            name => name,
        };
        let scope = Scope::of_context(Value::Null);
        let variables = Variables::of_value(instance.to_value(self.codec), &scope);
        let value = match engine {
            Some(engine) => engine.evaluate(&field.option("expression"), &variables, evaluators).await,
            None => Ok(Value::Null),
        };
        let value = match value {
            Ok(value) => converted(&value, data_type.as_str().unwrap_or_default()).unwrap_or(Value::Null),
            // A limit, which NocoBase does not have: null would be wrong data.
            Err(thrown) if thrown.name == "InternalError" => return Err(thrown),
            Err(_) => Value::Null,
        };
        instance.set(&field.name, value, self.codec)
    }
}

/// The value as the field's type has it (`utils/index.ts` of the plugin); none for null.
fn converted(value: &Value, data_type: &str) -> Option<Value> {
    if value.is_nullish() {
        return None;
    }
    let is_whole = matches!(data_type, "integer" | "bigInt");
    Some(match (data_type, value) {
        ("boolean", value) => Value::Bool(value.is_truthy()),
        ("integer" | "bigInt" | "double" | "decimal", Value::Bool(flag)) => Value::from(i32::from(*flag)),
        ("integer" | "bigInt", Value::Number(number)) => Value::Number(number.trunc()),
        ("double" | "decimal", Value::Number(number)) => Value::Number(*number),
        ("integer" | "bigInt" | "double", Value::Text(text)) => {
            Value::Number(leading_number(text, is_whole).filter(|number| number.is_finite())?)
        }
        ("integer" | "bigInt" | "double" | "decimal", Value::Date(date)) => {
            Value::Number(Some(date.0).filter(|time| !time.is_nan())?)
        }
        ("string", Value::Date(date)) => Value::text(date.to_iso()?),
        ("string", Value::Bool(_) | Value::Number(_) | Value::Text(_)) => Value::text(to_text(value).ok()?),
        ("date", Value::Number(number)) => valid(Date(*number))?,
        ("date", Value::Text(text)) => valid(Date::parse(text))?,
        ("date", Value::Date(date)) => Value::Date(*date),
        _ => return None,
    })
}

fn valid(date: Date) -> Option<Value> {
    date.is_valid().then_some(Value::Date(date))
}

/// `parseInt(text, 10)` and `parseFloat(text)`, without what is no number of digits.
fn leading_number(text: &str, is_whole: bool) -> Option<f64> {
    let text = text.trim_start_matches(is_space);
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|c| c.is_ascii_digit()).count();
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(start);
    let mut end = start + whole;
    let mut count = whole;
    if !is_whole {
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            count += fraction;
            end += 1 + fraction;
        }
        if count > 0 && matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            end += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
    }
    if count == 0 { None } else { text[..end].parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn results_become_what_the_field_holds() {
        let date = || Value::Date(Date(86_400_000.0));
        let cases = [
            ("integer", Value::Number(-2.7), "-2"),
            ("integer", Value::from(" 12.9px"), "12"),
            ("integer", Value::from("px"), "null"),
            ("bigInt", Value::Bool(true), "1"),
            ("double", Value::from("-1.5e3x"), "-1500"),
            ("double", Value::from(".5"), "0.5"),
            ("double", Value::from("1e"), "1"),
            ("double", Value::from("."), "null"),
            ("double", Value::array(vec![]), "null"),
            ("decimal", Value::from("1.5"), "null"),
            ("decimal", Value::Number(1.5), "1.5"),
            ("string", Value::Number(1.5), "\"1.5\""),
            ("string", date(), "\"1970-01-02T00:00:00.000Z\""),
            ("boolean", Value::from(""), "false"),
            ("boolean", Value::array(vec![]), "true"),
            ("date", date(), "\"1970-01-02T00:00:00.000Z\""),
            ("date", Value::from("1970-01-02"), "\"1970-01-02T00:00:00.000Z\""),
            ("date", Value::Bool(true), "null"),
            ("date", Value::from("soon"), "null"),
            ("other", Value::Number(1.0), "null"),
        ];
        for (data_type, value, expected) in cases {
            let found = converted(&value, data_type).unwrap_or(Value::Null);
            assert_eq!(json::stringify_or_null(&found), expected, "{data_type}");
        }
    }
}
