//! Evaluates an expression that comes with the data (`DynamicCalculation.ts` of
//! `plugin-workflow-dynamic-calculation`). NocoBase renders both templates without the columns of arrays.

use async_trait::async_trait;
use entity::status::job::RESOLVED;
use serde::Deserialize;

use super::calculation::evaluate;
use super::{Context, Example, Node, NodeType, Outcome};
use crate::expr::evaluator::Engine;
use crate::expr::expression::Variables;
use crate::expr::path::property;
use crate::expr::{Template, Thrown, Value};
use crate::script::Library;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DynamicCalculation {
    /// Gives `{engine, expression}`: a record of an expression collection.
    expression: Template,
    /// Gives what the paths of the expression start from.
    scope: Template,
}

#[async_trait]
impl Node for DynamicCalculation {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let (scope, scripts) = (cx.scope()?, cx.scripts());
        let record = self.expression.render_without_columns(&scope)?;
        let (engine, expression) = (property(&record, "engine"), property(&record, "expression"));
        let root = match self.scope.render_without_columns(&scope)? {
            // Nothing configured counts as an empty text, nothing found as an empty object.
            root if root.is_nullish() && !self.scope.is_truthy() => Value::text(""),
            root if root.is_nullish() => Value::empty_object(),
            root => root,
        };
        let variables = Variables::of_value(root, &scope);
        evaluate(Engine::find(&engine), &expression, &variables, &scripts).await
    }

    fn library(&self) -> Option<Library> {
        Some(Library::Calculation)
    }
}

impl NodeType for DynamicCalculation {
    const TYPE: &'static str = "dynamic-calculation";
    const ABOUT: &'static str = "Evaluates an expression that is kept in a record.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Evaluates the expression of a record on another one",
            config: r#"{"expression": "{{$context.body.rule}}", "scope": "{{$context.body.data}}"}"#,
            context: r#"{"body": {"rule": {"engine": "math.js", "expression": "{{a}} + 1"}, "data": {"a": 2}}}"#,
            status: RESOLVED,
            result: "3",
        }]
    }
}
