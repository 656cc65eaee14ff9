//! What a new execution begins with that goes on where another has failed: rows as an interrupted run leaves them.

use std::collections::HashMap;

use entity::status::job::PENDING;
use entity::timer;

use super::found::Failure;
use crate::engine::run::graph::Graph;
use crate::engine::run::position::{Call, Position};
use crate::engine::run::step::Step;
use crate::node::JobId;
use crate::store::job::NewJob;

/// What is recorded of an execution before it begins.
#[derive(Debug)]
pub(crate) struct GoingOn {
    pub(crate) jobs: Vec<NewJob>,
    /// Of delays, which end when they would have ended.
    pub(crate) timers: Vec<timer::Model>,
    pub(crate) position: Position,
}

impl Failure {
    /// The same for a new execution: jobs get ids of their own, in the same order. `shows_delays` says whether pending
    /// delays have rows.
    pub(crate) fn going_on<E>(
        self,
        graph: &Graph,
        execution_id: i64,
        shows_delays: bool,
        mut new_id: impl FnMut() -> Result<i64, E>,
    ) -> Result<GoingOn, E> {
        let mut ids = HashMap::new();
        for row in &self.jobs {
            ids.insert(row.id, new_id()?);
        }
        let mut jobs = Vec::new();
        let mut timers = Vec::new();
        for row in self.jobs {
            let upstream_id = row.upstream_id.and_then(|id| ids.get(&id).copied());
            let row = NewJob { id: ids[&row.id], execution_id, upstream_id, ..row };
            let is_delay =
                graph.find_id(row.node_id).is_some_and(|node| graph.node(node).type_name == "delay");
            let waits = row.status == PENDING && is_delay;
            if waits {
                timers.push(timer_of(&row, shows_delays));
            }
            if !waits || shows_delays {
                jobs.push(row);
            }
        }
        let new = |job: JobId| JobId(ids.get(&job.0).copied().unwrap_or(job.0));
        let next = self.next.map(|step| match step {
            Step::Run { node, input } => Step::Run { node, input: input.map(new) },
            Step::Resume { node, branch_job } => Step::Resume { node, branch_job: new(branch_job) },
            Step::Finish { .. } | Step::Unwind => step,
        });
        let call = |call: Call| Call { next: call.next.map(|(place, job)| (place, new(job))), ..call };
        let calls: Vec<Call> = self.calls.into_iter().map(call).collect();
        Ok(GoingOn { jobs, timers, position: Position::new(graph, next, &calls, &[]) })
    }
}

/// The result of a delay is its length in milliseconds.
fn timer_of(row: &NewJob, is_visible: bool) -> timer::Model {
    let created_at = row.created_at.timestamp_millis();
    let length = row.result.as_deref().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    timer::Model {
        job_id: row.id,
        execution_id: row.execution_id,
        node_id: row.node_id,
        node_key: row.node_key.clone(),
        upstream_id: row.upstream_id,
        result: row.result.as_deref().map(str::to_owned),
        created_at,
        due_at: created_at.saturating_add(length as i64),
        is_visible,
    }
}
