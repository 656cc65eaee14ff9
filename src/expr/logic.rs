//! The basic conditions: trees of groups and comparisons (`logicCalculate.ts` of NocoBase's workflow
//! plugin). The tree has been rendered as a template before.

use std::cmp::Ordering;

use super::compare::{loosely_equal, order, same_value_zero};
use super::convert::to_text;
use super::{Date, Thrown, Value};

/// The comparisons, by NocoBase's names.
const CALCULATORS: [&str; 18] = [
    "equal",
    "==",
    "notEqual",
    "!=",
    "gt",
    ">",
    "gte",
    ">=",
    "lt",
    "<",
    "lte",
    "<=",
    "includes",
    "notIncludes",
    "startsWith",
    "notStartsWith",
    "endsWith",
    "notEndsWith",
];

/// Whether there is such a comparison.
pub fn is_calculator(name: &str) -> bool {
    CALCULATORS.contains(&name)
}

/// The truth of a condition tree. A missing tree, a comparison without calculator or operands and an empty
/// `and` are true; throws for an unknown calculator, an unknown group type and operands without methods.
pub fn evaluate(calculation: &Value) -> Result<bool, Thrown> {
    if !calculation.is_truthy() {
        return Ok(true);
    }
    match calculation.member("group") {
        // `typeof null` is "object", so a null group counts as one and then has no type.
        Value::Null => Err(Thrown::reading(&Value::Null, "type")),
        group @ (Value::Object(_, _) | Value::Array(_, _)) => evaluate_group(&group),
        _ => compare(calculation),
    }
}

fn evaluate_group(group: &Value) -> Result<bool, Thrown> {
    let calculations = group.member("calculations");
    let stop_at = match group.member("type").as_str() {
        Some("and") => false,
        Some("or") => true,
        _ => {
            return Err(Thrown::type_error(
                "(calculation.group.calculations ?? [])[method] is not a function",
            ));
        }
    };
    let items = match &calculations {
        Value::Undefined | Value::Null => return Ok(!stop_at),
        Value::Array(array, _) => array.items(),
        _ => {
            return Err(Thrown::type_error(
                "(calculation.group.calculations ?? [])[method] is not a function",
            ));
        }
    };
    for item in items {
        if evaluate(item)? == stop_at {
            return Ok(stop_at);
        }
    }
    Ok(!stop_at)
}

fn compare(calculation: &Value) -> Result<bool, Thrown> {
    let calculator = calculation.member("calculator");
    let operands = calculation.member("operands");
    let operands = operands.as_array().map(|array| array.items()).unwrap_or_default();
    if !calculator.is_truthy() || operands.is_empty() {
        return Ok(true);
    }
    let operand = |i: usize| operands.get(i).cloned().unwrap_or_default();
    let (a, b) = (operand(0), operand(1));
    match calculator.as_str().unwrap_or_default() {
        "equal" | "==" => equal(&a, &b),
        "notEqual" | "!=" => equal(&a, &b).map(|equal| !equal),
        "gt" | ">" => ordered(&a, &b, &[Ordering::Greater]),
        "gte" | ">=" => ordered(&a, &b, &[Ordering::Greater, Ordering::Equal]),
        "lt" | "<" => ordered(&a, &b, &[Ordering::Less]),
        "lte" | "<=" => ordered(&a, &b, &[Ordering::Less, Ordering::Equal]),
        "includes" => includes(&a, &b),
        "notIncludes" => includes(&a, &b).map(|found| !found),
        "startsWith" => texts(&a, &b).map(|(a, b)| a.starts_with(&b)),
        "notStartsWith" => texts(&a, &b).map(|(a, b)| !a.starts_with(&b)),
        "endsWith" => texts(&a, &b).map(|(a, b)| a.ends_with(&b)),
        "notEndsWith" => texts(&a, &b).map(|(a, b)| !a.ends_with(&b)),
        _ => {
            let name = to_text(&calculator)?;
            Err(Thrown::error(format!("no calculator function registered for \"{name}\"")))
        }
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, Thrown> {
    match dates(a, b)? {
        Comparison::Dates(a, b) => Ok(a == b),
        Comparison::NoDate => Ok(false),
        Comparison::Values => loosely_equal(a, b),
    }
}

fn ordered(a: &Value, b: &Value, accepted: &[Ordering]) -> Result<bool, Thrown> {
    let ordering = match dates(a, b)? {
        Comparison::Dates(a, b) => a.partial_cmp(&b),
        Comparison::NoDate => None,
        Comparison::Values => order(a, b)?,
    };
    Ok(ordering.is_some_and(|ordering| accepted.contains(&ordering)))
}

enum Comparison {
    /// One side is a date: both in milliseconds.
    Dates(f64, f64),
    /// One side is a date, the other nothing that could be one.
    NoDate,
    Values,
}

fn dates(a: &Value, b: &Value) -> Result<Comparison, Thrown> {
    if !matches!(a, Value::Date(_)) && !matches!(b, Value::Date(_)) {
        return Ok(Comparison::Values);
    }
    if [a, b].iter().any(|value| value.is_nullish() || matches!(value, Value::Bool(_))) {
        return Ok(Comparison::NoDate);
    }
    Ok(Comparison::Dates(Date::of(a)?.0, Date::of(b)?.0))
}

fn includes(a: &Value, b: &Value) -> Result<bool, Thrown> {
    match a {
        Value::Text(text) => Ok(text.contains(&to_text(b)?)),
        Value::Array(array, _) => Ok(array.items().iter().any(|item| same_value_zero(item, b))),
        Value::Undefined | Value::Null => Err(Thrown::reading(a, "includes")),
        _ => Err(Thrown::type_error("a.includes is not a function")),
    }
}

fn texts(a: &Value, b: &Value) -> Result<(String, String), Thrown> {
    Ok((own_text(a, "a")?, own_text(b, "b")?))
}

/// `value.toString()`, with the operand's name in NocoBase's function for the error's text.
fn own_text(value: &Value, name: &str) -> Result<String, Thrown> {
    match value {
        Value::Undefined | Value::Null => Err(Thrown::reading(value, "toString")),
        Value::Object(object, _) if object.get("toString").is_some() => {
            Err(Thrown::type_error(format!("{name}.toString is not a function")))
        }
        value => to_text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    fn truth(calculation: &str) -> Result<bool, String> {
        let value = json::parse(calculation.as_bytes()).expect("JSON in a test");
        evaluate(&value).map_err(|thrown| thrown.to_string())
    }

    #[test]
    fn what_is_missing_is_true() {
        let cases = ["null", "{}", r#"{"calculator":"equal"}"#, r#"{"calculator":"equal","operands":[]}"#];
        for calculation in cases {
            assert_eq!(truth(calculation), Ok(true), "{calculation}");
        }
        assert_eq!(truth(r#"{"group":{"type":"and","calculations":[]}}"#), Ok(true));
        assert_eq!(truth(r#"{"group":{"type":"or"}}"#), Ok(false));
    }

    #[test]
    fn groups_stop_at_the_first_decision() {
        let bad = r#"{"calculator":"bad","operands":[1]}"#;
        let yes = r#"{"calculator":"equal","operands":[1,1]}"#;
        let group = |kind: &str, items: &[&str]| {
            truth(&format!(r#"{{"group":{{"type":"{kind}","calculations":[{}]}}}}"#, items.join(",")))
        };
        assert_eq!(group("or", &[yes, bad]), Ok(true));
        assert_eq!(
            group("and", &[yes, bad]),
            Err("Error: no calculator function registered for \"bad\"".into())
        );
        assert!(group("xor", &[yes]).is_err());
    }

    #[test]
    fn dates_compare_as_points_in_time() {
        let date = Value::Date(Date(0.0));
        let compare = |calculator: &str, other: Value| {
            evaluate(&Value::object([
                ("calculator", Value::from(calculator)),
                ("operands", Value::array(vec![date.clone(), other])),
            ]))
        };
        assert_eq!(compare("equal", "1970-01-01".into()), Ok(true));
        assert_eq!(compare("gt", Value::from(-1)), Ok(true));
        assert_eq!(compare("equal", Value::Null), Ok(false));
        assert_eq!(compare("notEqual", Value::Null), Ok(true));
        assert_eq!(compare("lt", "nonsense".into()), Ok(false));
    }

    #[test]
    fn methods_that_are_missing_throw() {
        let cases = [
            (r#"["x"]"#, "includes", "Cannot read properties"),
            ("[null,1]", "includes", "TypeError: Cannot read properties of null (reading 'includes')"),
            ("[5,1]", "includes", "TypeError: a.includes is not a function"),
            (r#"["a",null]"#, "endsWith", "TypeError: Cannot read properties of null (reading 'toString')"),
        ];
        for (operands, calculator, expected) in &cases[1..] {
            let text = format!(r#"{{"calculator":"{calculator}","operands":{operands}}}"#);
            assert_eq!(truth(&text), Err((*expected).to_owned()));
        }
        assert_eq!(truth(r#"{"calculator":"includes","operands":[["1",2],2]}"#), Ok(true));
        assert_eq!(truth(r#"{"calculator":"includes","operands":["abc","b"]}"#), Ok(true));
    }
}
