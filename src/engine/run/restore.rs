//! Where a run begins: at the first node, or where an earlier run has come to, from what that has recorded.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::status::job::PENDING;
use entity::timer;

use super::graph::Graph;
use super::position::{Call, Position};
use super::rows::{OldJob, Place};
use super::step::Step;
use crate::node::JobId;
use crate::store::job::NewestJob;

/// Where a run begins.
pub enum Start {
    /// At the first node.
    Fresh,
    /// At the first node; an earlier run may have left jobs, which this one replaces.
    Anew,
    /// Where an earlier run has come to.
    At(Recorded),
}

/// What an earlier run has recorded.
pub struct Recorded {
    /// The text of a [`Position`].
    pub position: String,
    /// The newest job of each node.
    pub jobs: Vec<NewestJob>,
    pub timers: Vec<timer::Model>,
}

/// What a run goes on with.
pub struct Restored {
    pub next: Option<Step>,
    pub calls: Vec<Call>,
    /// The newest job of each node, and all that wait for a time without a row; by id.
    pub jobs: Vec<OldJob>,
    /// Jobs that wait for a time, with that time in milliseconds since 1970.
    pub timers: Vec<(JobId, i64)>,
}

impl Recorded {
    /// The greatest id of its jobs.
    pub fn newest(&self) -> Option<JobId> {
        let rows = self.jobs.iter().map(|newest| newest.row.id);
        rows.chain(self.timers.iter().map(|timer| timer.job_id)).max().map(JobId)
    }

    /// What is to be gone on with; `None` when the position does not fit the workflow.
    pub fn read(self, graph: &Graph) -> Option<Restored> {
        let (next, calls) = Position::parse(&self.position, graph)?;
        let timers = self.timers.iter().map(|timer| (JobId(timer.job_id), timer.due_at)).collect();
        Some(Restored { next, calls, jobs: old_jobs(graph, self.jobs, self.timers), timers })
    }
}

fn old_jobs(graph: &Graph, rows: Vec<NewestJob>, timers: Vec<timer::Model>) -> Vec<OldJob> {
    let place = |node_id: i64| {
        let index = graph.find_id(node_id)?;
        Some(Place { index, id: node_id, key: graph.node(index).key.as_str().into() })
    };
    let hidden: Vec<timer::Model> = timers.into_iter().filter(|timer| !timer.is_visible).collect();
    let mut runs: HashMap<i64, u32> =
        rows.iter().map(|newest| (newest.row.node_id.unwrap_or_default(), newest.runs)).collect();
    for timer in &hidden {
        *runs.entry(timer.node_id).or_default() += 1;
    }
    let recorded = rows.into_iter().filter_map(|NewestJob { row, .. }| {
        let node_id = row.node_id.unwrap_or_default();
        Some(OldJob {
            id: JobId(row.id),
            place: place(node_id)?,
            runs: runs[&node_id],
            upstream: row.upstream_id.map(JobId),
            status: row.status.unwrap_or_default(),
            result: row.result.map(|json| json.0),
            meta: row.meta.map(|json| json.0),
            hidden_since: None,
        })
    });
    let waiting = hidden.into_iter().filter_map(|timer| {
        Some(OldJob {
            id: JobId(timer.job_id),
            place: place(timer.node_id)?,
            runs: runs[&timer.node_id],
            upstream: timer.upstream_id.map(JobId),
            status: PENDING,
            result: timer.result,
            meta: None,
            hidden_since: Some(DateTime::<Utc>::from_timestamp_millis(timer.created_at).unwrap_or_default()),
        })
    });
    let mut jobs: Vec<OldJob> = recorded.chain(waiting).collect();
    jobs.sort_unstable_by_key(|job| job.id);
    jobs
}
