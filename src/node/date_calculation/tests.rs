use proptest::prelude::*;

use super::*;
use crate::expr::json;

/// What a configuration without variables records: `{result, status}`, or `{thrown}`.
fn recorded(config: &Value) -> String {
    let member = |name| config.member(name);
    let outcome = match calculate(&member("input"), &member("inputType"), &member("steps")) {
        Ok(Outcome::Finished(draft)) => {
            Value::object([("result", draft.result), ("status", draft.status.into())])
        }
        Ok(other) => panic!("a calculation always finishes, not {other:?}"),
        Err(thrown) => Value::object([("thrown", Value::from(thrown.message))]),
    };
    json::stringify_or_null(&outcome)
}

/// Of each pair of lines the second one is what NocoBase 2.2.15 with dayjs 1.11.23 and its hardened JavaScript
/// gave for the first one, in UTC, Asia/Shanghai and America/New_York alike.
#[test]
fn calculations_give_what_nocobase_gives() {
    let lines: Vec<&str> = include_str!("recorded.txt").lines().collect();
    for pair in lines.chunks(2) {
        let [config, expected] = pair else { panic!("a config without a result: {pair:?}") };
        let config = json::parse(config.as_bytes()).expect("a config is JSON");
        assert_eq!(recorded(&config), expected.trim(), "{}", json::stringify_or_null(&config));
    }
}

fn any_argument() -> impl Strategy<Value = Value> {
    let units = proptest::sample::select(vec![
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
        "M",
        "x",
    ]);
    prop_oneof![
        8 => units.prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        4 => (-1000..1000).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(Value::Undefined),
        1 => "\\PC{0,12}".prop_map(Value::from),
        1 => proptest::sample::select(vec!["Asia/Shanghai", "America/New_York", "2024-02-29", "[w] ww z"])
            .prop_map(Value::from),
    ]
}

fn any_step() -> impl Strategy<Value = Value> {
    let functions = proptest::sample::select(vec![
        "add",
        "subtract",
        "diff",
        "get",
        "startOfTime",
        "endOfTime",
        "isLeapYear",
        "format",
        "transDuration",
        "toTimestamp",
        "tsToDate",
        "changeTimezone",
    ]);
    let names = ["number", "unit", "date", "format", "timezone", "unitBefore", "unitAfter"];
    let arguments = proptest::collection::vec(any_argument(), names.len())
        .prop_map(move |values| Value::object(names.into_iter().zip(values)));
    (functions, arguments).prop_map(|(function, arguments)| {
        Value::object([("function", Value::from(function)), ("arguments", arguments)])
    })
}

proptest! {
    #[test]
    fn any_steps_end(time in any::<f64>(), steps in proptest::collection::vec(any_step(), 0..6)) {
        for (input, input_type) in [(Value::Date(Date(time)), "date"), (Value::Number(time), "number")] {
            // Panics are what this looks for; errors are fine.
            let _ = calculate(&input, &input_type.into(), &Value::array(steps.clone()));
        }
    }

    #[test]
    fn any_pattern_formats_within_any_zone(
        ms in -1e14..1e14_f64,
        pattern in "[YMDdHhkmsSAaQwWgGXxzZo\\[\\]:年 -]{0,20}",
        zone in proptest::sample::select(vec!["Asia/Shanghai", "America/New_York", "UTC", "Europe/London"]),
    ) {
        let step = |function: &str, name: &'static str, value: &str| {
            let arguments = Value::object([(name, Value::from(value))]);
            Value::object([("function", Value::from(function)), ("arguments", arguments)])
        };
        let steps = vec![step("changeTimezone", "timezone", zone), step("format", "format", &pattern)];
        let outcome = calculate(&Value::Number(ms), &Value::from("date"), &Value::array(steps));
        let is_resolved = matches!(outcome, Ok(Outcome::Finished(Draft { status: RESOLVED, .. })));
        prop_assert!(is_resolved);
    }
}
