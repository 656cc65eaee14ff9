//! What a run writes: everything at its end or when it waits, and everything so far, with the place where it stands,
//! before and after work with outside effects and in long runs.

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;

use super::Run;
use super::event::What;
use super::rows::Extent;
use super::waiting;
use crate::expr::{Value, json};
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record};

/// What a record depends on beside the run.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
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
pub(crate) fn record_of(run: &mut Run, what: What, terms: &Terms) -> Record {
    match what {
        What::Position => record(run, Extent::Everything, waiting::taken(run), terms),
        What::Segment => segment(run, terms),
        What::LetGo => {
            let record = record(run, Extent::Everything, LeaseChange::Release, terms);
            Record { update: Some(ExecutionUpdate::default()), ..record }
        }
        What::Leaving => {
            let lease = waiting::lease(run, false, terms.expires_at);
            Record { execution_id: run.id, counts: waiting::counts(run, &lease), lease, ..Record::default() }
        }
    }
}

/// The end of a segment: the execution has ended or waits.
fn segment(run: &mut Run, terms: &Terms) -> Record {
    let is_waiting = run.ended.is_none();
    let is_handing_over = is_waiting && run.waits.is_handing_over();
    run.waits.is_resident = is_waiting && !is_handing_over && terms.stays;
    let lease = match run.ended {
        Some(_) if run.unrecorded.is_some() => LeaseChange::Keep,
        None if !is_handing_over => waiting::lease(run, terms.stays, terms.expires_at),
        Some(_) | None => LeaseChange::Release,
    };
    let handovers =
        if is_handing_over { waiting::handovers(run, terms.now, terms.has_api) } else { Vec::new() };
    Record { handovers, ..record(run, Extent::Flushed, lease, terms) }
}

fn record(run: &mut Run, extent: Extent, lease: LeaseChange, terms: &Terms) -> Record {
    let timers = waiting::new_timers(run, terms.shows_delays);
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
        deletes: run.ended.is_some_and(|status| options.delete_execution_on_status.contains(&status)),
        counts: waiting::counts(run, &lease),
        lease,
        ..Record::default()
    };
    let reason = run.reason.map(str::to_owned);
    match run.unrecorded.take() {
        Some(mut row) => {
            (row.status, row.reason) = (Some(run.ended.unwrap_or(STARTED)), reason);
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

/// `executions.output`: null and undefined are SQL NULL.
fn output_text(output: &Value) -> Option<String> {
    if output.is_nullish() { None } else { json::stringify(output) }
}
