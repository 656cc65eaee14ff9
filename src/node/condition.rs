//! Decides between two branches (`ConditionInstruction.ts`).
//!
//! Only a real boolean enters a branch: any other value that an evaluator gives goes on downstream.

use async_trait::async_trait;
use entity::status::job::{ERROR, FAILED, PENDING, RESOLVED};
use serde::Deserialize;

use super::calculation::library_of;
use super::{Context, Draft, Example, JobId, Node, NodeIndex, NodeType, Outcome};
use crate::expr::evaluator::Criterion;
use crate::expr::{Thrown, Value};
use crate::script::Library;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// Engine with expression, or the tree of basic comparisons.
    #[serde(flatten)]
    criterion: Criterion,
    /// Fails the execution instead of entering the false branch.
    reject_on_false: Value,
}

#[async_trait]
impl Node for Condition {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let scripts = cx.scripts();
        let evaluated = match cx.scope() {
            Ok(scope) => self.criterion.evaluate(&scope, &*scripts).await,
            Err(thrown) => Err(thrown),
        };
        let result = match evaluated {
            Ok(result) => result,
            Err(thrown) => return Ok(finished(ERROR, thrown.to_caught_text()?.into())),
        };
        if !result.is_truthy() && self.reject_on_false.is_truthy() {
            return Ok(finished(FAILED, result));
        }
        let branch = branch_for(&result, cx.branches());
        let upstream = cx.input();
        let draft = Draft { status: RESOLVED, result, upstream, ..Draft::default() };
        match branch {
            Some(branch) => Ok(Outcome::Enter { branch, input: cx.save(draft) }),
            None => Ok(Outcome::Finished(draft)),
        }
    }

    fn library(&self) -> Option<Library> {
        self.criterion.engine().and_then(library_of)
    }

    async fn resume(&self, cx: &mut Context<'_>, branch_job: JobId) -> Result<Outcome, Thrown> {
        Ok(match cx.job(branch_job).status {
            RESOLVED => Outcome::Continue(cx.own_job()?),
            PENDING => Outcome::Wait,
            // The failure goes up to whatever is around this node, which may know what to do with it.
            _ => Outcome::Continue(branch_job),
        })
    }
}

fn finished(status: i32, result: Value) -> Outcome {
    Outcome::Finished(Draft { status, result, ..Draft::default() })
}

fn branch_for(result: &Value, branches: &[(i32, NodeIndex)]) -> Option<NodeIndex> {
    let Value::Bool(result) = result else { return None };
    branches.iter().find(|(index, _)| (*index != 0) == *result).map(|(_, node)| *node)
}

impl NodeType for Condition {
    const TYPE: &'static str = "condition";
    const ABOUT: &'static str = "Goes on, ends or branches by a condition.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Compares a variable with a number",
                config: r#"{"engine": "basic", "calculation": {"group": {"type": "and", "calculations": [
                    {"calculator": "gte", "operands": ["{{$context.body.amount}}", 100]}]}}}"#,
                context: r#"{"body": {"amount": 120}}"#,
                status: RESOLVED,
                result: "true",
            },
            Example {
                about: "Fails the execution when the comparison is false",
                config: r#"{"rejectOnFalse": true, "calculation": {"calculator": "equal", "operands": [1, 2]}}"#,
                context: "{}",
                status: FAILED,
                result: "false",
            },
        ]
    }
}
