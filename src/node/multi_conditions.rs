//! Runs the branch of the first condition that is true, else the default branch
//! (`MultiConditionsInstruction.ts`).
//!
//! Branch `i + 1` belongs to condition `i`, branch 0 is the default. A branch that fails ends the whole
//! execution: it is not passed on to a loop or parallel around this node.

use async_trait::async_trait;
use entity::status::job::{ERROR, FAILED, PENDING, RESOLVED};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::calculation::library_of;
use super::{Context, Draft, Example, JobId, Node, NodeType, Outcome};
use crate::expr::evaluator::Criterion;
use crate::expr::{Thrown, Value};
use crate::script::Library;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MultiConditions {
    conditions: Conditions,
    /// Goes on downstream when no condition was true. Otherwise the node fails, even after its default
    /// branch has run.
    continue_on_no_match: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Conditions {
    List(Vec<Item>),
    /// Nothing to decide by.
    Other(IgnoredAny),
}

/// One condition; null counts as an empty one, which is true.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Criterion(Criterion),
    Other(IgnoredAny),
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions::Other(IgnoredAny)
    }
}

#[async_trait]
impl Node for MultiConditions {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let upstream = cx.input();
        let job = cx.save(Draft {
            status: PENDING,
            result: Value::Null,
            meta: outcomes(&[]),
            upstream,
            ..Draft::default()
        });
        let mut found = Vec::new();
        for (i, item) in self.items().iter().enumerate() {
            let outcome = item.evaluate(cx).await.unwrap_or_else(|thrown| thrown.message.into());
            found.push(outcome.clone());
            cx.run().set_meta(job, outcomes(&found));
            cx.run().set_result(job, outcome.clone());
            match outcome {
                // A text is how an evaluator's error is told here, so one that gives a text always fails.
                Value::Text(_) => {
                    cx.run().set_status(job, ERROR);
                    return Ok(Outcome::Continue(job));
                }
                Value::Bool(true) => {
                    cx.run().set_status(job, RESOLVED);
                    return Ok(enter(cx, i as i32 + 1, job));
                }
                _ => {}
            }
        }
        let status = self.status_without_match();
        cx.run().set_status(job, status);
        Ok(enter(cx, 0, job))
    }

    fn library(&self) -> Option<Library> {
        self.items().iter().find_map(|item| match item {
            Item::Criterion(criterion) => criterion.engine().and_then(library_of),
            Item::Other(_) => None,
        })
    }

    async fn resume(&self, cx: &mut Context<'_>, branch_job: JobId) -> Result<Outcome, Thrown> {
        let job = cx.own_job()?;
        match cx.job(branch_job).status {
            RESOLVED => {}
            PENDING => return Ok(Outcome::Wait),
            status => return Ok(Outcome::Exit(status)),
        }
        let place = cx.branch_place_of(branch_job).and_then(|place| cx.branches().get(place));
        let is_match = place.is_some_and(|(index, _)| *index > 0);
        let status = if is_match { RESOLVED } else { self.status_without_match() };
        cx.run().set_status(job, status);
        Ok(Outcome::Continue(job))
    }
}

impl MultiConditions {
    fn items(&self) -> &[Item] {
        match &self.conditions {
            Conditions::List(items) => items,
            Conditions::Other(_) => &[],
        }
    }

    fn status_without_match(&self) -> i32 {
        if self.continue_on_no_match.is_truthy() { RESOLVED } else { FAILED }
    }
}

impl Item {
    async fn evaluate(&self, cx: &mut Context<'_>) -> Result<Value, Thrown> {
        match self {
            Item::Criterion(criterion) => {
                let (scope, scripts) = (cx.scope()?, cx.scripts());
                criterion.evaluate(&scope, &*scripts).await
            }
            Item::Other(_) => Ok(Value::Bool(true)),
        }
    }
}

fn outcomes(found: &[Value]) -> Value {
    Value::object([("conditions", Value::array(found.to_vec()))])
}

fn enter(cx: &Context<'_>, index: i32, job: JobId) -> Outcome {
    match cx.branches().iter().find(|(branch, _)| *branch == index) {
        Some((_, branch)) => Outcome::Enter { branch: *branch, input: job },
        None => Outcome::Continue(job),
    }
}

impl NodeType for MultiConditions {
    const TYPE: &'static str = "multi-conditions";
    const ABOUT: &'static str =
        "Runs the branch of the first of several conditions that holds, or the last one.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Takes the first condition that is true",
            config: r#"{"conditions": [
                {"calculation": {"calculator": "equal", "operands": ["{{$context.body.kind}}", "a"]}},
                {"calculation": {"calculator": "equal", "operands": ["{{$context.body.kind}}", "b"]}}]}"#,
            context: r#"{"body": {"kind": "b"}}"#,
            status: RESOLVED,
            result: "true",
        }]
    }
}
