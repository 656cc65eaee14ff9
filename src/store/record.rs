//! What one step of an execution writes, and what becomes of it.

use std::sync::Arc;

use entity::{handover, request, timer};
use tokio::sync::oneshot;

use super::execution::{ExecutionUpdate, NewExecution};
use super::job::{JobUpdate, NewJob};
use super::lease::Lease;
use super::request::{self as requests, Answered};

/// Everything that one step of an execution writes; it is committed as a whole.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub execution_id: i64,
    /// The execution's row, when this is the first that is written of it.
    pub create: Option<NewExecution>,
    /// Whether the new execution is counted later, by the record that has [`Record::counts`].
    pub counts_later: bool,
    /// The execution that was not counted when it was created. It is as long as this instance has its lease, which the
    /// record gives away: so it is counted once, however often the record is tried.
    pub counts: Option<Uncounted>,
    /// The event key that an earlier execution gives up for this one.
    pub frees: Option<FreedKey>,
    /// Changes of a row that exists; they count only while its status is still 0.
    pub update: Option<ExecutionUpdate>,
    /// Removes the jobs recorded so far before writing the new ones: the execution starts over.
    pub replaces_jobs: bool,
    /// A job that is still pending becomes an aborted one where the execution has been ended elsewhere.
    pub new_jobs: Vec<NewJob>,
    /// Changes of jobs that have rows. Where the execution has been ended elsewhere they count for jobs only
    /// that are still pending.
    pub job_updates: Vec<JobUpdate>,
    pub timers: Vec<timer::Model>,
    /// The jobs whose timers are over.
    pub ended_timers: Vec<i64>,
    pub lease: LeaseChange,
    /// The jobs that NocoBase is to run, for an execution that is no longer sidehook's.
    pub handovers: Vec<handover::Model>,
    /// Removes the execution with its jobs (`deleteExecutionOnStatus`).
    pub deletes: bool,
    /// The request that has brought the event, for the request log. It is left out where the log cannot be written.
    pub request: Option<Box<request::Model>>,
    /// How the request has ended whose row an earlier record has written.
    pub answered: Option<Answered>,
}

/// By what an execution is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncounted {
    pub key: String,
    pub workflow_id: i64,
}

/// An event key that an execution gives up, if it still has it and has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreedKey {
    pub execution_id: i64,
    pub event_key: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LeaseChange {
    #[default]
    Keep,
    /// The execution runs here.
    Take(Lease),
    /// The execution waits for a worker or for a time, and belongs to nobody.
    Wait(Lease),
    /// The execution has ended, or is no longer sidehook's.
    Release,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Committed.
    Committed,
    /// Committed as far as it still mattered: the execution had been ended by somebody else, or deleted.
    EndedElsewhere,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    #[error("too much is waiting to be written")]
    Full,
    /// The database cannot take it now, for the reason given: it is away, full, read-only or the like.
    #[error("it cannot be recorded now: {0}")]
    Unavailable(String),
    #[error("an execution with this event key exists")]
    Duplicate,
    #[error("the database refused the record: {0}")]
    Refused(String),
    #[error("another sidehook has taken this instance's number over")]
    Fenced,
}

/// A record that waits for its transaction.
pub(super) struct Waiting {
    pub(super) record: Arc<Record>,
    pub(super) bytes: usize,
    pub(super) done: oneshot::Sender<Result<Written, RecordError>>,
}

impl Record {
    /// Whether it has something for the request log.
    pub(super) fn logs(&self) -> bool {
        self.request.is_some() || self.answered.is_some()
    }

    /// About how large the record is on its way to the database.
    pub(super) fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let shared = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let execution = self.create.as_ref().map_or(0, |row| 200 + row.context.len() + length(&row.output));
        let output = self.update.as_ref().and_then(|update| update.output.as_ref()).map_or(0, length);
        let new: usize = self
            .new_jobs
            .iter()
            .map(|row| 150 + shared(&row.result) + shared(&row.meta) + length(&row.log))
            .sum();
        let changed: usize =
            self.job_updates.iter().map(|row| 50 + shared(&row.result) + shared(&row.meta)).sum();
        let timers: usize = self.timers.iter().map(|row| 80 + length(&row.result)).sum();
        let request = self.request.as_ref().map_or(0, |row| requests::bytes(row));
        let answered = self.answered.as_ref().map_or(0, Answered::bytes);
        execution + output + new + changed + timers + request + answered
    }
}
