//! Computes with dates: a chain of functions over one input (`DateCalculationInstruction.ts` of
//! `plugin-workflow-date-calculation`).
//!
//! NocoBase computes with dayjs, on the server's clock.

mod steps;

use async_trait::async_trait;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use self::steps::Current;
use super::{Context, Draft, Example, Node, NodeType, Outcome, resolved};
use crate::expr::path::property;
use crate::expr::{Date, Template, Thrown, Value, dayjs};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DateCalculation {
    /// A date in any form that JavaScript takes, or a number; now when not given.
    input: Template,
    /// What the input is: `date`, the default, or `number`.
    input_type: Template,
    /// `[{function, arguments}]`: each computes with the result of the one before it.
    steps: Template,
}

#[async_trait]
impl Node for DateCalculation {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let scope = cx.scope()?;
        let steps = self.steps.render(&scope)?;
        let input_type = self.input_type.render(&scope)?;
        let input = match self.input.render(&scope)? {
            Value::Undefined => Value::Date(Date(scope.system.now().timestamp_millis() as f64)),
            input => input,
        };
        calculate(&input, &input_type, &steps)
    }
}

fn calculate(input: &Value, input_type: &Value, steps: &Value) -> Result<Outcome, Thrown> {
    let Some(start) = start(input, input_type)? else { return Ok(failed("Invalid input")) };
    match run_steps(start, steps)? {
        Ok(end) => Ok(resolved(end.into_value())),
        Err(error) => Ok(failed(error.to_string())),
    }
}

/// What the first step gets; `None` for an input that is not of its type.
fn start(input: &Value, input_type: &Value) -> Result<Option<Current>, Thrown> {
    let input_type = if input_type.is_undefined() { Some("date") } else { input_type.as_str() };
    Ok(match (input_type, input) {
        (Some("date"), input) if Date::of(input)?.is_valid() => {
            Some(Current::Moment(dayjs::moment_of(input)?))
        }
        (Some("number"), Value::Number(_)) => Some(Current::Plain(input.clone())),
        _ => None,
    })
}

/// Runs the steps until one fails. That is the inner error; the outer one is for steps that are none, where
/// NocoBase throws.
fn run_steps(start: Current, steps: &Value) -> Result<Result<Current, Thrown>, Thrown> {
    if steps.is_undefined() {
        return Ok(Ok(start));
    }
    let mut current = start;
    // Anything with a length is gone through, and steps that are missing end it.
    let length = read(steps, "length")?.as_number().unwrap_or_default();
    let mut place = 0_u32;
    while f64::from(place) < length {
        let step = property(steps, &place.to_string());
        let function = read(&step, "function")?;
        match steps::apply(&current, &function, &property(&step, "arguments")) {
            Ok(next) => current = next,
            Err(error) => return Ok(Err(error)),
        }
        place += 1;
    }
    Ok(Ok(current))
}

/// A property of what may be null.
fn read(value: &Value, name: &str) -> Result<Value, Thrown> {
    if value.is_nullish() { Err(Thrown::reading(value, name)) } else { Ok(property(value, name)) }
}

fn failed(text: impl Into<Value>) -> Outcome {
    Outcome::Finished(Draft { status: ERROR, result: text.into(), ..Draft::default() })
}

impl NodeType for DateCalculation {
    const TYPE: &'static str = "dateCalculation";
    const ABOUT: &'static str = "Computes with a date, or a number, by a chain of functions.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Adding a month stays within the next one",
                config: r#"{
                    "input": "{{$context.body.date}}",
                    "steps": [{"function": "add", "arguments": {"number": 1, "unit": "month"}}]
                }"#,
                context: r#"{"body": {"date": "2024-01-31T12:00:00.000Z"}}"#,
                status: RESOLVED,
                result: r#""2024-02-29T12:00:00.000Z""#,
            },
            Example {
                about: "Days between two dates, rounded up",
                config: r#"{
                    "input": "{{$context.body.end}}",
                    "steps": [{
                        "function": "diff",
                        "arguments": {"date": "{{$context.body.start}}", "unit": "day", "round": 1}
                    }]
                }"#,
                context: r#"{"body": {"start": "2024-02-10T18:00:00Z", "end": "2024-02-13T12:00:00Z"}}"#,
                status: RESOLVED,
                result: "3",
            },
            Example {
                about: "A timestamp becomes text",
                config: r#"{
                    "input": 1704067200,
                    "inputType": "number",
                    "steps": [
                        {"function": "tsToDate", "arguments": {"unit": "second"}},
                        {"function": "format", "arguments": {"format": "[week] X"}}
                    ]
                }"#,
                context: "{}",
                status: RESOLVED,
                result: r#""week 1704067200""#,
            },
            Example {
                about: "What is no date fails",
                config: r#"{"input": "someday"}"#,
                context: "{}",
                status: ERROR,
                result: r#""Invalid input""#,
            },
        ]
    }
}

#[cfg(test)]
mod tests;
