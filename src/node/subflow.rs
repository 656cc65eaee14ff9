//! Calls another workflow and waits for its end. NocoBase's own node is commercial: its manual and the columns that its core
//! keeps for such executions say what it does; docs/differences.md has what that leaves open.
//!
//! The node waits as a delay does, so that its execution can leave memory and go on anywhere. The execution that it has
//! called is known by its event key, which is made of the job: whoever goes on after a crash finds it.

use std::time::Duration;

use async_trait::async_trait;
use entity::status::execution::STARTED;
use entity::status::job::{ERROR, PENDING};
use serde::Deserialize;

use super::{Call, Context, Draft, Example, JobId, Node, NodeType, Outcome};
use crate::expr::convert::to_text;
use crate::expr::{Template, Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Subflow {
    /// The key of the other workflow.
    workflow: Template,
    /// The context of its execution.
    context: Template,
}

#[async_trait]
impl Node for Subflow {
    /// Nothing is called before the job that waits for it is recorded.
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let context = match cx.render(&self.context)? {
            Value::Undefined | Value::Null => Value::empty_object(),
            context => context,
        };
        let pending = Draft { status: PENDING, result: context, upstream: cx.input(), ..Draft::default() };
        Ok(Outcome::Sleep { pending, duration: Duration::ZERO })
    }

    async fn resume(&self, cx: &mut Context<'_>, job: JobId) -> Result<Outcome, Thrown> {
        let workflow = match cx.render(&self.workflow)? {
            key if key.is_truthy() => to_text(&key)?,
            _ => return Err(Thrown::error("The node names no workflow")),
        };
        let context = cx.job(job).result.clone();
        let is_sync = cx.is_sync();
        let called = cx.host().call(Call { workflow, context, job: job.0, is_sync }).await?;
        let Some(status) = called.status.filter(|status| *status != STARTED) else {
            return Ok(Outcome::SleepOn { job, duration: called.look_again });
        };
        cx.run().set_result(job, called.output);
        cx.run().set_status(job, status);
        Ok(Outcome::Continue(job))
    }
}

impl NodeType for Subflow {
    const TYPE: &'static str = "subflow";
    const ABOUT: &'static str = "Calls another workflow by its key, enabled or not, and waits for its end: its status and its output are those of the job. A synchronous workflow can call synchronous ones only.";
    const CHANGES_DATA: bool = true;

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Fails where there is no such workflow; otherwise the result is the output of the other workflow",
            config: r#"{"workflow": "no_such_key", "context": {"order": "{{$context.body.id}}"}}"#,
            context: r#"{"body": {"id": 7}}"#,
            status: ERROR,
            result: r#"{"message":"There is no workflow with the key \"no_such_key\""}"#,
        }]
    }
}
