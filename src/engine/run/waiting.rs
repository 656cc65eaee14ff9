//! What is written of a run that goes on later: whose it is and where it stands, its timers, what NocoBase is told.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{handover, timer};

use super::Run;
use super::position::Position;
use crate::node::JobId;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Uncounted};

/// NocoBase works through its queue one by one, and keeps it in memory: after so long a request to run a node counts
/// as lost.
pub(crate) const HANDOVER_TIMEOUT: Duration = Duration::from_secs(300);

/// The lease of a run that goes on here.
pub(crate) fn taken(run: &Run) -> LeaseChange {
    let mut position = run.position();
    position.uncounted = run.waits.is_uncounted;
    LeaseChange::Take(lease_at(run, &position, 0))
}

/// What counts the execution with a record that gives its lease away, where that has yet to be done.
pub(crate) fn counts(run: &mut Run, lease: &LeaseChange) -> Option<Uncounted> {
    let is_given_away = matches!(lease, LeaseChange::Wait(_) | LeaseChange::Release);
    let counts = is_given_away && std::mem::take(&mut run.waits.is_uncounted);
    counts.then(|| Uncounted { key: run.workflow.key.clone(), workflow_id: run.workflow.id })
}

/// The lease of a run that waits, and `stays` in memory or leaves it. `expires_at` is when the execution has to be over.
pub(crate) fn lease(run: &Run, stays: bool, expires_at: Option<DateTime<Utc>>) -> LeaseChange {
    if stays {
        return taken(run);
    }
    // When it has something to do: a timer or its own expiry.
    let first = run.waits.first_timer().map(|(_, due_at)| due_at);
    let expires_at = expires_at.map(|time| time.timestamp_millis());
    let due_at = first.into_iter().chain(expires_at).min().unwrap_or_default();
    LeaseChange::Wait(lease_at(run, &run.position(), due_at))
}

fn lease_at(run: &Run, position: &Position, due_at: i64) -> Lease {
    Lease { workflow_id: run.workflow.id, position: Some(position.text()), due_at }
}

/// The timers that have yet to be recorded, as rows. `is_visible` says whether pending delays get their rows at once.
pub(crate) fn new_timers(run: &mut Run, is_visible: bool) -> Vec<timer::Model> {
    let new = run.waits.take_new_timers();
    let row = |(job, due_at): (JobId, i64)| {
        let hidden = run.journal.hidden(job)?;
        Some(timer::Model {
            job_id: job.0,
            execution_id: run.id,
            node_id: hidden.place.id,
            node_key: hidden.place.key.to_string(),
            upstream_id: hidden.upstream.map(|upstream| upstream.0),
            result: hidden.result,
            created_at: hidden.saved_at.timestamp_millis(),
            due_at,
            is_visible,
        })
    };
    new.into_iter().filter_map(row).collect()
}

/// What NocoBase is told about this execution, once nothing else of it waits here. With an API it is told
/// as soon as that is recorded; without one the plugin finds what is due.
pub(crate) fn handovers(run: &Run, now: DateTime<Utc>, has_api: bool) -> Vec<handover::Model> {
    let due_at = if has_api { now + HANDOVER_TIMEOUT } else { now };
    let row = |job: &JobId| handover::Model {
        job_id: job.0,
        execution_id: run.id,
        node_id: run.workflow.graph.node(run.journal.job(*job).node).id,
        due_at: due_at.timestamp_millis(),
        attempts: i32::from(has_api),
    };
    run.waits.for_nocobase().iter().map(row).collect()
}
