//! Where a run begins: at the first node, or where an earlier run has come to, from what that has recorded.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::status::job::PENDING;
use entity::timer;

use super::graph::Graph;
use super::position::{Call, Position};
use super::rows::Place;
use super::rows::left::OldJob;
use super::step::Step;
use crate::node::JobId;
use crate::store::left::LeftJob;

/// Where a run begins.
pub(crate) enum Start {
    /// At the first node.
    Fresh,
    /// At the first node; an earlier run may have left jobs, which this one replaces.
    Anew,
    /// Where an earlier run has come to.
    At(Recorded),
}

/// What an earlier run has recorded.
pub(crate) struct Recorded {
    /// Nothing where its text cannot be read.
    pub position: Option<Position>,
    /// The newest job of each node, and those older ones that are pending or that the position names.
    pub jobs: Vec<LeftJob>,
    pub timers: Vec<timer::Model>,
}

/// What a run goes on with.
pub(crate) struct Restored {
    pub next: Option<Step>,
    pub calls: Vec<Call>,
    /// The jobs of [`Recorded`], and all that wait for a time without a row; by id.
    pub jobs: Vec<OldJob>,
    /// Those that were saved after newer ones of their nodes.
    pub resumed: Vec<JobId>,
    /// Jobs that wait for a time, with that time in milliseconds since 1970.
    pub timers: Vec<(JobId, i64)>,
}

impl Recorded {
    /// The greatest id of its jobs.
    pub(crate) fn newest(&self) -> Option<JobId> {
        let rows = self.jobs.iter().map(|left| left.row.id);
        rows.chain(self.timers.iter().map(|timer| timer.job_id)).max().map(JobId)
    }

    /// What is to be gone on with; `None` when the position does not fit the workflow.
    pub(crate) fn read(self, graph: &Graph) -> Option<Restored> {
        let (next, calls, resumed) = self.position?.find(graph)?;
        let timers = self.timers.iter().map(|timer| (JobId(timer.job_id), timer.due_at)).collect();
        Some(Restored { next, calls, jobs: old_jobs(graph, self.jobs, self.timers), resumed, timers })
    }
}

fn old_jobs(graph: &Graph, rows: Vec<LeftJob>, timers: Vec<timer::Model>) -> Vec<OldJob> {
    let place = |node_id: i64| {
        let index = graph.find_id(node_id)?;
        Some(Place { index, id: node_id, key: graph.node(index).key.as_str().into() })
    };
    let mut runs: HashMap<i64, u32> = HashMap::new();
    let recorded = rows.into_iter().filter_map(|LeftJob { row, run }| {
        let node_id = row.node_id.unwrap_or_default();
        let known = runs.entry(node_id).or_default();
        *known = run.max(*known);
        Some(OldJob {
            id: JobId(row.id),
            place: place(node_id)?,
            run,
            upstream: row.upstream_id.map(JobId),
            status: row.status.unwrap_or_default(),
            result: row.result.map(|json| json.0),
            meta: row.meta.map(|json| json.0),
            hidden_since: None,
        })
    });
    let mut jobs: Vec<OldJob> = recorded.collect();
    for timer in timers.into_iter().filter(|timer| !timer.is_visible) {
        // Those of a node that have no rows are counted after those that have: so all are counted.
        let run = runs.entry(timer.node_id).or_default();
        *run += 1;
        let Some(place) = place(timer.node_id) else { continue };
        jobs.push(OldJob {
            id: JobId(timer.job_id),
            place,
            run: *run,
            upstream: timer.upstream_id.map(JobId),
            status: PENDING,
            result: timer.result,
            meta: None,
            hidden_since: Some(DateTime::<Utc>::from_timestamp_millis(timer.created_at).unwrap_or_default()),
        });
    }
    jobs.sort_unstable_by_key(|job| job.id);
    jobs
}
