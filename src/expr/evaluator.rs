//! The evaluators that take an expression, and what decides a condition: one of them, or the tree of basic
//! comparisons (`packages/core/evaluators`). What runs JavaScript is behind [`Evaluate`].

use async_trait::async_trait;
use serde::Deserialize;

use super::expression::{Expression, Language, Task, Variables};
use super::{Scope, Template, Thrown, Value, logic};

/// An evaluator that NocoBase has by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `math.js`.
    Math,
    /// `formula.js`.
    Formula,
    /// `string`: puts the variables in as text and evaluates nothing.
    Text,
}

impl Engine {
    /// The evaluator that a configuration names. NocoBase knows no others.
    pub fn find(name: &Value) -> Option<Self> {
        match name.as_str()? {
            "math.js" => Some(Engine::Math),
            "formula.js" => Some(Engine::Formula),
            "string" => Some(Engine::Text),
            _ => None,
        }
    }

    /// The value of an expression, with the variables filled in by NocoBase's rules. Throws what reading a
    /// variable or the evaluator throws.
    pub async fn evaluate(
        self,
        expression: &Value,
        variables: &Variables<'_>,
        evaluators: &dyn Evaluate,
    ) -> Result<Value, Thrown> {
        let language = match self {
            Engine::Math => Language::Math,
            Engine::Formula => Language::Formula,
            Engine::Text => return Expression::parse(expression)?.fill_in(variables).map(Value::from),
        };
        evaluators.evaluate(Expression::parse(expression)?.with_identifiers(language, variables)?).await
    }
}

/// Evaluates expressions in JavaScript.
#[async_trait]
pub trait Evaluate: Send + Sync {
    /// The value of the expression. Throws what the library throws, and an error when a limit is exceeded.
    async fn evaluate(&self, task: Task) -> Result<Value, Thrown>;
}

/// A condition as the `condition`, `multi-conditions` and `loop` nodes configure it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Criterion {
    /// `basic` or missing: the tree decides. So does the tree for a name that NocoBase does not know.
    engine: Value,
    calculation: Template,
    expression: Value,
}

impl Criterion {
    /// Whether there is anything to decide by.
    pub fn is_set(&self) -> bool {
        self.calculation.is_truthy() || self.expression.is_truthy()
    }

    /// The evaluator that decides; `None` for the tree.
    pub fn engine(&self) -> Option<Engine> {
        Engine::find(&self.engine)
    }

    /// The value of the condition, a boolean for the tree. Throws what the evaluator throws.
    pub async fn evaluate(&self, scope: &Scope, evaluators: &dyn Evaluate) -> Result<Value, Thrown> {
        match self.engine() {
            Some(engine) => engine.evaluate(&self.expression, &Variables::of(scope), evaluators).await,
            None => logic::evaluate(&self.calculation.render(scope)?).map(Value::Bool),
        }
    }
}
