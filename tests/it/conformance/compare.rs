//! Compares what a case expects with what was recorded, by the rules of the conformance README ("Comparing").
//! Markers have to be in place on both sides already; that is `normalise`'s part.

use std::fmt;

use serde_json::{Map, Value};

/// How far apart two numbers may be, relative to the larger of 1 and the expected one.
const TOLERANCE: f64 = 1e-9;

/// One place where the two values are not the same. `None` stands for a key or an element that is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Written as in `$.rows[0].jobs[3].result.message`.
    pub path: String,
    pub expected: Option<Value>,
    pub actual: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |side: &Option<Value>| side.as_ref().map_or_else(|| "missing".to_owned(), Value::to_string);
        write!(f, "{}\n  expected: {}\n  actual:   {}", self.path, text(&self.expected), text(&self.actual))
    }
}

/// All differences between the two values, apart from those whose path contains one of the strings of `ignore`.
pub fn differences(expected: &Value, actual: &Value, ignore: &[String]) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("$".to_owned(), Some(expected), Some(actual), &mut found);
    found.retain(|difference| !ignore.iter().any(|part| difference.path.contains(part.as_str())));
    found
}

fn walk(path: String, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, actual) {
        (Some(Value::Object(expected)), Some(Value::Object(actual))) => {
            walk_objects(&path, expected, actual, found);
        }
        (Some(Value::Array(expected)), Some(Value::Array(actual))) => {
            for index in 0..expected.len().max(actual.len()) {
                walk(format!("{path}[{index}]"), expected.get(index), actual.get(index), found);
            }
        }
        (Some(expected), Some(actual)) if same_scalar(expected, actual) => {}
        _ => found.push(Difference { path, expected: expected.cloned(), actual: actual.cloned() }),
    }
}

fn walk_objects(
    path: &str,
    expected: &Map<String, Value>,
    actual: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let unexpected = actual.keys().filter(|key| !expected.contains_key(*key));
    for key in expected.keys().chain(unexpected) {
        walk(format!("{path}.{key}"), expected.get(key), actual.get(key), found);
    }
}

fn same_scalar(expected: &Value, actual: &Value) -> bool {
    let (Value::Number(expected), Value::Number(actual)) = (expected, actual) else {
        return expected == actual;
    };
    if let (Some(expected), Some(actual)) = (expected.as_i128(), actual.as_i128()) {
        // Both are whole and fit: compared as they are, since an f64 would take neighbours beyond 2^53 for equal.
        return expected == actual;
    }
    let (Some(expected), Some(actual)) = (expected.as_f64(), actual.as_f64()) else { return false };
    let both_whole = expected.fract() == 0.0 && actual.fract() == 0.0;
    let allowed = if both_whole { 0.0 } else { TOLERANCE * expected.abs().max(1.0) };
    (expected - actual).abs() <= allowed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(expected: Value, actual: Value) -> Vec<String> {
        differences(&expected, &actual, &[]).into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn whole_numbers_are_equal_by_value_only() {
        assert!(paths(json!(7), json!(7.0)).is_empty());
        assert!(paths(json!(1e21), json!(1e21)).is_empty());
        assert_eq!(paths(json!(7), json!(8)), ["$"]);
        assert_eq!(paths(json!(7), json!(7.000_000_1)), ["$"]);
        assert_eq!(paths(json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64)), ["$"]);
        assert_eq!(paths(json!(1e15), json!(1_000_000_000_000_001_u64)), ["$"]);
    }

    #[test]
    fn fractions_may_differ_by_a_billionth() {
        assert!(paths(json!(0.3), json!(0.300_000_000_4)).is_empty());
        assert!(paths(json!(2), json!(2.000_000_001)).is_empty());
        assert!(paths(json!(123_456_789.5), json!(123_456_789.6)).is_empty());
        assert_eq!(paths(json!(0.3), json!(0.300_000_002)), ["$"]);
    }

    #[test]
    fn numbers_are_not_texts_nor_booleans() {
        assert_eq!(paths(json!([1, 1, 0]), json!(["1", true, null])), ["$[0]", "$[1]", "$[2]"]);
    }

    #[test]
    fn missing_key_is_not_a_null() {
        let found = differences(&json!({"a": null, "b": 1}), &json!({"b": 1, "c": null}), &[]);
        let missing = |path: &str, expected, actual| Difference { path: path.to_owned(), expected, actual };
        assert_eq!(found, [missing("$.a", Some(Value::Null), None), missing("$.c", None, Some(Value::Null))]);
        assert_eq!(found[0].to_string(), "$.a\n  expected: null\n  actual:   missing");
    }

    #[test]
    fn order_counts_in_arrays_but_not_in_objects() {
        assert!(paths(json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1})).is_empty());
        assert_eq!(paths(json!([1, 2]), json!([2, 1])), ["$[0]", "$[1]"]);
        assert_eq!(paths(json!([1]), json!([1, null])), ["$[1]"]);
    }

    #[test]
    fn containers_of_different_kinds_differ_as_a_whole() {
        assert_eq!(
            paths(json!({"rows": [{"jobs": []}]}), json!({"rows": [{"jobs": {}}]})),
            ["$.rows[0].jobs"]
        );
    }

    #[test]
    fn ignored_paths_hide_what_contains_them() {
        let expected = json!({"rows": [{"jobs": [{"result": {"uid": "a", "n": 1}, "status": 1}]}]});
        let actual = json!({"rows": [{"jobs": [{"result": {"uid": "b", "n": 1}, "status": -1}]}]});
        let ignore = ["jobs[0].result.uid".to_owned()];
        let found = differences(&expected, &actual, &ignore);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "$.rows[0].jobs[0].status");
    }
}
