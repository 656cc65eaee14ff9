//! What decides a condition: an evaluator named by `engine`, or the tree of basic comparisons.

use serde::Deserialize;

use super::{Scope, Template, Thrown, Value, logic};

/// A condition as the `condition`, `multi-conditions` and `loop` nodes configure it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Criterion {
    /// `basic` or missing: the tree decides. So does the tree for a name that NocoBase does not know.
    engine: Value,
    calculation: Template,
    expression: Value,
}

/// The evaluators of NocoBase that take an expression (`packages/core/evaluators`).
const EVALUATORS: [&str; 3] = ["formula.js", "math.js", "string"];

/// Whether NocoBase has an evaluator of this name and sidehook has none.
pub fn is_missing(engine: &str) -> bool {
    EVALUATORS.contains(&engine)
}

impl Criterion {
    /// Whether there is anything to decide by.
    pub fn is_set(&self) -> bool {
        self.calculation.is_truthy() || self.expression.is_truthy()
    }

    /// The value of the condition, a boolean for the tree. Throws what the evaluator throws.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Thrown> {
        if let Some(engine) = self.engine.as_str().filter(|engine| is_missing(engine)) {
            return Err(Thrown::error(format!(
                "this sidehook has no evaluator for {engine} expressions yet"
            )));
        }
        let calculation = self.calculation.render(scope)?;
        logic::evaluate(&calculation).map(Value::Bool)
    }
}
