//! Sets the output of the execution; a later one overwrites an earlier one, unless its value is
//! undefined (`OutputInstruction.ts`).

use async_trait::async_trait;
use entity::status::job::RESOLVED;
use serde::Deserialize;

use super::{Context, Example, JobId, Node, NodeType, Outcome, resolved};
use crate::expr::{Template, Thrown};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Output {
    /// Any JSON value.
    value: Template,
}

#[async_trait]
impl Node for Output {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let output = cx.render(&self.value)?;
        // Sequelize leaves a column alone that is to become undefined.
        if !output.is_undefined() {
            cx.run().set_output(output.clone());
        }
        Ok(resolved(output))
    }

    async fn resume(&self, _cx: &mut Context<'_>, branch_job: JobId) -> Result<Outcome, Thrown> {
        Ok(Outcome::Continue(branch_job))
    }
}

impl NodeType for Output {
    const TYPE: &'static str = "output";
    const ABOUT: &'static str = "Sets the output of the execution.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Sets the output of the execution",
            config: r#"{"value": {"n": "{{$context.body.n}}"}}"#,
            context: r#"{"body": {"n": 5}}"#,
            status: RESOLVED,
            result: r#"{"n":5}"#,
        }]
    }
}
