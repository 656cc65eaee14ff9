//! What a run writes: everything at its end or when it waits, and everything so far, with the place where it stands,
//! before and after work with outside effects and in long runs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::{handover, timer};

use super::Run;
use super::event::What;
use super::rows::Extent;
use crate::expr::{Value, json};
use crate::node::JobId;
use crate::store::execution::ExecutionUpdate;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record};

/// NocoBase works through its queue one by one, and keeps it in memory: after so long a request to run a node counts
/// as lost.
pub const HANDOVER_TIMEOUT: Duration = Duration::from_secs(300);

/// What a record depends on beside the run.
#[derive(Clone, Copy)]
pub struct Terms {
    pub now: DateTime<Utc>,
    /// When the execution has to be over.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether the execution stays in memory if it waits.
    pub stays: bool,
    /// Whether pending delays get their rows at once.
    pub shows_delays: bool,
    /// Whether NocoBase is told of handovers by its API.
    pub has_api: bool,
    /// Whether the caller, where there is one, still waits.
    pub is_awaited: bool,
}

/// What is to be written.
pub fn record_of(run: &mut Run, what: What, terms: &Terms) -> Record {
    match what {
        What::Position => record(run, Extent::Everything, taken(run), terms),
        What::Segment => segment(run, terms),
        What::LetGo => {
            let record = record(run, Extent::Everything, LeaseChange::Release, terms);
            Record { update: Some(ExecutionUpdate::default()), ..record }
        }
        What::Leaving => {
            let lease = LeaseChange::Wait(lease(run, due_at(run, terms)));
            Record { execution_id: run.id, lease, ..Record::default() }
        }
    }
}

/// The end of a segment: the execution has ended or waits.
fn segment(run: &mut Run, terms: &Terms) -> Record {
    let is_handing_over = run.ended.is_none() && run.waits.is_handing_over();
    run.waits.is_resident = run.ended.is_none() && !is_handing_over && terms.stays;
    let lease = match run.ended {
        Some(_) if run.unrecorded.is_some() => LeaseChange::Keep,
        Some(_) => LeaseChange::Release,
        None if is_handing_over => LeaseChange::Release,
        None if terms.stays => taken(run),
        None => LeaseChange::Wait(lease(run, due_at(run, terms))),
    };
    let handovers = if is_handing_over { handovers(run, terms) } else { Vec::new() };
    Record { handovers, ..record(run, Extent::Flushed, lease, terms) }
}

fn record(run: &mut Run, extent: Extent, lease: LeaseChange, terms: &Terms) -> Record {
    let timers = new_timers(run, terms);
    let (new_jobs, job_updates) = run.journal.take_rows(run.id, extent);
    let output = run.output.take().map(|output| output_text(&output));
    let options = &run.workflow.options;
    let mut record = Record {
        execution_id: run.id,
        replaces_jobs: std::mem::take(&mut run.replaces_jobs),
        new_jobs,
        job_updates,
        timers,
        ended_timers: run.waits.take_ended_timers(),
        lease,
        deletes: run.ended.is_some_and(|status| options.delete_execution_on_status.contains(&status)),
        ..Record::default()
    };
    let reason = run.reason.map(str::to_owned);
    match run.unrecorded.take() {
        Some(mut row) => {
            row.status = Some(run.ended.unwrap_or(STARTED));
            row.reason = reason;
            row.output = output.flatten();
            row.updated_at = terms.now;
            record.create = Some(row);
        }
        None => record.update = Some(ExecutionUpdate { output, status: run.ended, reason }),
    }
    if let Some(request) = &run.request {
        let ended = run.ended.map(|_| run.outcome());
        request.note(ended.as_ref(), terms.is_awaited, terms.now, &mut record);
    }
    record
}

/// The lease of a run that goes on here.
pub fn taken(run: &Run) -> LeaseChange {
    LeaseChange::Take(lease(run, 0))
}

fn lease(run: &Run, due_at: i64) -> Lease {
    Lease { workflow_id: run.workflow.id, position: Some(run.position().text()), due_at }
}

/// When a waiting execution has something to do: a timer or its own expiry.
fn due_at(run: &Run, terms: &Terms) -> i64 {
    let first = run.waits.first_timer().map(|(_, due_at)| due_at);
    let expires_at = terms.expires_at.map(|time| time.timestamp_millis());
    first.into_iter().chain(expires_at).min().unwrap_or_default()
}

/// The timers that have yet to be recorded, as rows.
fn new_timers(run: &mut Run, terms: &Terms) -> Vec<timer::Model> {
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
            is_visible: terms.shows_delays,
        })
    };
    new.into_iter().filter_map(row).collect()
}

/// What NocoBase is told about this execution, once nothing else of it waits here. With an API it is told
/// as soon as that is recorded; without one the plugin finds what is due.
fn handovers(run: &Run, terms: &Terms) -> Vec<handover::Model> {
    let due_at = if terms.has_api { terms.now + HANDOVER_TIMEOUT } else { terms.now };
    let row = |job: &JobId| handover::Model {
        job_id: job.0,
        execution_id: run.id,
        node_id: run.workflow.graph.node(run.journal.job(*job).node).id,
        due_at: due_at.timestamp_millis(),
        attempts: i32::from(terms.has_api),
    };
    run.waits.for_nocobase().iter().map(row).collect()
}

/// `executions.output`: null and undefined are SQL NULL.
fn output_text(output: &Value) -> Option<String> {
    if output.is_nullish() { None } else { json::stringify(output) }
}
