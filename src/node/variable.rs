//! Keeps a value for later nodes; with a target it also overwrites the value of another node
//! (`VariableInstruction.ts` of `plugin-workflow-variable`).

use async_trait::async_trait;
use entity::status::job::RESOLVED;
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome, resolved};
use crate::expr::convert::to_text;
use crate::expr::{Template, Thrown, Value};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Variable {
    /// Any JSON value.
    value: Template,
    /// The key of a node that gets a new job with the same result.
    target: Value,
}

#[async_trait]
impl Node for Variable {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let result = cx.render(&self.value)?;
        if self.target.is_truthy() {
            let key = to_text(&self.target)?;
            let node = cx
                .run()
                .node_by_key(&key)
                .ok_or_else(|| Thrown::error(format!("target node by key \"{key}\" is not found")))?;
            let upstream = cx.input();
            cx.save_of(
                node,
                Draft { status: RESOLVED, result: result.clone(), upstream, ..Draft::default() },
            );
        }
        Ok(resolved(result))
    }

    fn also_saves_for(&self) -> Option<&str> {
        self.target.as_str().filter(|target| !target.is_empty())
    }
}

impl NodeType for Variable {
    const TYPE: &'static str = "variable";
    const ABOUT: &'static str =
        "Keeps a value, or gives the one that a variable node before it keeps another.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Keeps a value with variables filled in",
            config: r#"{"value": {"id": "{{$context.body.id}}", "text": "order {{$context.body.id}}"}}"#,
            context: r#"{"body": {"id": 7}}"#,
            status: RESOLVED,
            result: r#"{"id":7,"text":"order 7"}"#,
        }]
    }
}
