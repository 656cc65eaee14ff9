//! Runs a branch in one database transaction (`plugin-workflow-transaction`, which is not open source; its
//! documentation and `Processor.ts` say what it does). What data nodes of the branch write is committed
//! together with all jobs so far when the branch resolves, and taken back when it fails; then the other branch
//! runs, outside of the transaction.
//!
//! The job's result is the status with which the branch has ended: NocoBase's own is not documented.

use async_trait::async_trait;
use entity::status::job::{PENDING, RESOLVED};
use sea_orm::IsolationLevel;
use serde::Deserialize;

use super::data_source::{Elsewhere, MAIN, resolve, told};
use super::{Context, Draft, Example, JobId, Node, NodeIndex, NodeType, Outcome, resolved};
use crate::expr::{Thrown, Value};

/// The branch that runs in the transaction; any other is for what comes after it was taken back.
const RUN: i32 = 1;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Transaction {
    /// The one that the transaction is in; `main` when not given. Nodes of others do not take part.
    data_source: Value,
    /// `READ UNCOMMITTED` (the default), `READ COMMITTED`, `REPEATABLE READ` or `SERIALIZABLE`.
    isolation_level: Value,
    /// Whether the workflow goes on after a rollback. NocoBase's documentation calls it "Continue workflow
    /// after rollback" and does not tell its name, so both that one would expect are read.
    continue_after_rollback: Value,
    r#continue: Value,
}

#[async_trait]
impl Node for Transaction {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let source = self.data_source.as_str().filter(|name| !name.is_empty()).unwrap_or(MAIN);
        let unknown = || Thrown::error(format!("there is no data source {source:?}"));
        let collections = match resolve(cx, source, unknown).await {
            Ok(collections) => collections,
            Err(refused) => return refused.outcome(),
        };
        let isolation = self.isolation()?;
        let Some(branch) = branch(cx, |index| index == RUN) else { return Ok(resolved(Value::Undefined)) };
        let elsewhere = (source != MAIN).then(|| Elsewhere::new(collections.clone()));
        let sources = cx.services().sources.clone();
        if let Err(thrown) = cx.host().open_scope(source, elsewhere, Some(isolation)).await {
            return Err(told(&sources, source, &collections, thrown).await);
        }
        let job = cx.save(Draft { status: PENDING, upstream: cx.input(), ..Draft::default() });
        Ok(Outcome::Enter { branch, input: job })
    }

    async fn resume(&self, cx: &mut Context<'_>, branch_job: JobId) -> Result<Outcome, Thrown> {
        let job = cx.own_job()?;
        let status = cx.job(branch_job).status;
        let goes_on = self.continue_after_rollback.is_truthy() || self.r#continue.is_truthy();
        let run = branch(cx, |index| index == RUN);
        let is_over = cx.branch_place_of(branch_job).map(|place| cx.branches()[place].1) != run;
        if is_over {
            // The branch after a rollback has ended.
            let failed = cx.job(job).result.as_number().map_or(status, |failed| failed as i32);
            match status {
                PENDING => return Ok(Outcome::Wait),
                RESOLVED if goes_on => cx.run().set_status(job, RESOLVED),
                RESOLVED => cx.run().set_status(job, failed),
                _ => cx.run().set_status(job, status),
            }
            return Ok(Outcome::Continue(job));
        }
        cx.run().set_result(job, Value::from(status));
        match status {
            // The end of the segment finds that something waits inside.
            PENDING => return Ok(Outcome::Wait),
            RESOLVED => cx.host().commit_scope(),
            _ => {
                cx.host().roll_back_scope().await;
                if let Some(branch) = branch(cx, |index| index != RUN) {
                    cx.run().save_again(job);
                    return Ok(Outcome::Enter { branch, input: job });
                }
            }
        }
        cx.run().set_status(job, if goes_on { RESOLVED } else { status });
        Ok(Outcome::Continue(job))
    }
}

impl Transaction {
    fn isolation(&self) -> Result<IsolationLevel, Thrown> {
        let name = self.isolation_level.as_str().unwrap_or_default();
        Ok(match name.to_ascii_uppercase().replace('_', " ").as_str() {
            "" | "READ UNCOMMITTED" => IsolationLevel::ReadUncommitted,
            "READ COMMITTED" => IsolationLevel::ReadCommitted,
            "REPEATABLE READ" => IsolationLevel::RepeatableRead,
            "SERIALIZABLE" => IsolationLevel::Serializable,
            _ => return Err(Thrown::error(format!("the isolation level {name:?} is not known"))),
        })
    }
}

/// The first node of the first branch whose index is meant.
fn branch(cx: &Context<'_>, is_meant: impl Fn(i32) -> bool) -> Option<NodeIndex> {
    cx.branches().iter().find(|(index, _)| is_meant(*index)).map(|(_, node)| *node)
}

impl NodeType for Transaction {
    const TYPE: &'static str = "transaction";
    const ABOUT: &'static str = "Runs its branch in one database transaction.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Without a branch there is nothing to do.",
                config: r#"{"isolationLevel":"READ COMMITTED"}"#,
                context: "{}",
                status: 1,
                result: "",
            },
            Example {
                about: "A data source that there is none of is an error.",
                config: r#"{"dataSource":"erp"}"#,
                context: "{}",
                status: -2,
                result: r#"{"message":"there is no data source \"erp\""}"#,
            },
        ]
    }
}
