//! Runs its branches one after the other and settles by their statuses (`ParallelInstruction.ts` of
//! `plugin-workflow-parallel`).
//!
//! Differs from NocoBase where that would leave the execution started for ever: without branches, and in an
//! unknown mode, the node is an error.

use async_trait::async_trait;
use entity::status::job::{FAILED, PENDING, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, JobId, Node, NodeType, Outcome};
use crate::expr::{Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Parallel {
    /// `all` (the default), `any`, `race` or `allSettled`.
    mode: Value,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    All,
    Any,
    Race,
    AllSettled,
}

#[async_trait]
impl Node for Parallel {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        self.mode()?;
        let branches = cx.branches().len();
        if branches == 0 {
            return Err(Thrown::error("A parallel node needs at least one branch"));
        }
        let upstream = cx.input();
        let result = Value::array(vec![Value::Null; branches]);
        let job = cx.save(Draft { status: PENDING, result, upstream, ..Draft::default() });
        Ok(Outcome::EnterEach { input: job })
    }

    async fn resume(&self, cx: &mut Context<'_>, branch_job: JobId) -> Result<Outcome, Thrown> {
        let job = cx.own_job()?;
        if cx.job(job).status != PENDING {
            return Ok(Outcome::Wait);
        }
        let place = cx.branch_place_of(branch_job);
        let mut statuses = statuses(&cx.job(job).result);
        if let Some(slot) = place.and_then(|place| statuses.get_mut(place)) {
            *slot = Some(cx.job(branch_job).status);
        }
        let status = self.mode()?.settle(&statuses);
        let result = statuses.iter().map(|status| status.map_or(Value::Null, Value::from)).collect();
        cx.run().set_result(job, Value::array(result));
        cx.run().set_status(job, status);
        if status == PENDING {
            cx.run().save_again(job);
            return Ok(Outcome::Wait);
        }
        Ok(Outcome::Continue(job))
    }

    fn enters_next(&self, last_status: i32) -> bool {
        match self.mode() {
            Ok(Mode::All) => last_status >= PENDING,
            Ok(Mode::Any) => last_status <= PENDING,
            Ok(Mode::Race) => last_status == PENDING,
            Ok(Mode::AllSettled) => true,
            Err(_) => false,
        }
    }
}

impl Parallel {
    fn mode(&self) -> Result<Mode, Thrown> {
        match (&self.mode, self.mode.as_str()) {
            (Value::Undefined, _) | (_, Some("all")) => Ok(Mode::All),
            (_, Some("any")) => Ok(Mode::Any),
            (_, Some("race")) => Ok(Mode::Race),
            (_, Some("allSettled")) => Ok(Mode::AllSettled),
            _ => Err(Thrown::error("The mode of a parallel node must be all, any, race or allSettled")),
        }
    }
}

impl Mode {
    /// The node's status given those of its branches; `None` for a branch that has not ended.
    fn settle(self, statuses: &[Option<i32>]) -> i32 {
        let is_resolved = |status: &Option<i32>| *status == Some(RESOLVED);
        let is_open = |status: &Option<i32>| status.is_none_or(|status| status == PENDING);
        let failure = statuses.iter().flatten().copied().find(|status| *status < PENDING);
        match self {
            Mode::All => match failure {
                Some(failure) => failure,
                None if statuses.iter().all(is_resolved) => RESOLVED,
                None => PENDING,
            },
            Mode::Any if statuses.iter().any(is_resolved) => RESOLVED,
            Mode::Any if statuses.iter().any(is_open) => PENDING,
            Mode::Any => FAILED,
            Mode::Race if statuses.iter().any(is_resolved) => RESOLVED,
            Mode::Race => failure.unwrap_or(PENDING),
            Mode::AllSettled if statuses.iter().any(is_open) => PENDING,
            Mode::AllSettled => RESOLVED,
        }
    }
}

fn statuses(result: &Value) -> Vec<Option<i32>> {
    let items = result.as_array().map(|array| array.items()).unwrap_or_default();
    items.iter().map(|status| status.as_number().map(|status| status as i32)).collect()
}

impl NodeType for Parallel {
    const TYPE: &'static str = "parallel";
    const ABOUT: &'static str = "Runs branches until all, any or the first of them have ended.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Without a branch there is nothing to run",
            config: r#"{"mode": "all"}"#,
            context: "{}",
            status: entity::status::job::ERROR,
            result: r#"{"message":"A parallel node needs at least one branch"}"#,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_settle_by_the_statuses_of_their_branches() {
        let (ok, bad, open) = (Some(1), Some(-2), None);
        let cases: [(Mode, &[Option<i32>], i32); 9] = [
            (Mode::All, &[ok, open], PENDING),
            (Mode::All, &[ok, ok], RESOLVED),
            (Mode::All, &[bad, open], -2),
            (Mode::Any, &[bad, open], PENDING),
            (Mode::Any, &[bad, ok], RESOLVED),
            (Mode::Any, &[bad, bad], FAILED),
            (Mode::Race, &[bad, open], -2),
            (Mode::AllSettled, &[bad, open], PENDING),
            (Mode::AllSettled, &[bad, ok], RESOLVED),
        ];
        for (mode, statuses, expected) in cases {
            assert_eq!(mode.settle(statuses), expected, "{statuses:?}");
        }
    }
}
