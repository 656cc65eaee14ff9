//! Evaluates an expression (`CalculationInstruction.ts`). An expression that throws gives a job of status -2
//! with the text of the error.

use async_trait::async_trait;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome, resolved};
use crate::expr::evaluator::Engine;
use crate::expr::expression::Variables;
use crate::expr::{Thrown, Value};
use crate::script::{Library, Pool};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Calculation {
    /// `math.js`, the default, `formula.js` or `string`. With any other name nothing is evaluated.
    engine: Value,
    /// Nothing is evaluated without one.
    expression: Value,
}

#[async_trait]
impl Node for Calculation {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let (scope, scripts) = (cx.scope()?, cx.scripts());
        let engine = engine(&self.engine);
        evaluate(engine, &self.expression, &Variables::of(&scope), &scripts).await
    }

    fn library(&self) -> Option<Library> {
        engine(&self.engine).and_then(library_of)
    }
}

fn engine(name: &Value) -> Option<Engine> {
    if name.is_undefined() { Some(Engine::Math) } else { Engine::find(name) }
}

/// What an evaluator needs to be loaded.
pub(super) fn library_of(engine: Engine) -> Option<Library> {
    match engine {
        Engine::Math | Engine::Formula => Some(Library::Calculation),
        Engine::Text => None,
    }
}

/// The job of an expression.
pub(super) async fn evaluate(
    engine: Option<Engine>,
    expression: &Value,
    variables: &Variables<'_>,
    scripts: &Pool,
) -> Result<Outcome, Thrown> {
    let Some(engine) = engine.filter(|_| expression.is_truthy()) else { return Ok(resolved(Value::Null)) };
    match engine.evaluate(expression, variables, scripts).await {
        Ok(result) => Ok(resolved(result)),
        Err(thrown) => {
            let result = thrown.to_caught_text()?.into();
            Ok(Outcome::Finished(Draft { status: ERROR, result, ..Draft::default() }))
        }
    }
}

impl NodeType for Calculation {
    const TYPE: &'static str = "calculation";
    const ABOUT: &'static str = "Evaluates an expression of math.js or formula.js, or fills a text in.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Computes with math.js",
                config: r#"{"engine": "math.js", "expression": "{{$context.body.price}} * 3 + 0.1"}"#,
                context: r#"{"body": {"price": 0.1}}"#,
                status: RESOLVED,
                result: "0.4",
            },
            Example {
                about: "Adds a column up with formula.js",
                config: r#"{"engine": "formula.js", "expression": "SUM({{$context.body.items.price}})"}"#,
                context: r#"{"body": {"items": [{"price": 1}, {"price": 2}]}}"#,
                status: RESOLVED,
                result: "3",
            },
            Example {
                about: "Writes a text",
                config: r#"{"engine": "string", "expression": "Hello {{$context.body.name}}"}"#,
                context: r#"{"body": {"name": "Bob"}}"#,
                status: RESOLVED,
                result: r#""Hello Bob""#,
            },
            Example {
                about: "Fails when the expression throws",
                config: r#"{"expression": "nofn(1)"}"#,
                context: "{}",
                status: ERROR,
                result: r#""Error: Undefined function nofn""#,
            },
        ]
    }
}
