//! Group commit: what is waiting to be written goes out as one transaction of multi-row statements; when
//! nothing waits, a record leaves at once. A caller gets its answer after COMMIT.
//!
//! Order of locks in every transaction: the own instance row, executions by id, jobs by id, leases,
//! counters. NocoBase's own abort takes executions before jobs too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use entity::{handover, timer};
use sea_orm::{ConnectionTrait, DatabaseTransaction, IsolationLevel};
use tokio::sync::{mpsc, oneshot};

use super::Store;
use super::execution::{ExecutionUpdate, NewExecution};
use super::instance::Owner;
use super::job::{JobUpdate, NewJob};
use super::lease::Lease;
use super::writer::Writer;

/// Everything that one step of an execution writes; it is committed as a whole.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub execution_id: i64,
    /// The execution's row, when this is the first that is written of it.
    pub create: Option<NewExecution>,
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
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    #[error("an execution with this event key exists")]
    Duplicate,
    #[error("the database refused the record: {0}")]
    Refused(String),
    #[error("another sidehook has taken this instance's number over")]
    Fenced,
}

/// At most so many records in one transaction.
const BATCH_RECORDS: usize = 512;
/// At most about so many bytes in one transaction; the smallest default of `max_allowed_packet` is 16 MB.
const BATCH_BYTES: usize = 4 << 20;
/// A record larger than this is written on a connection of its own, beside the others.
const LARGE_RECORD: usize = 1 << 20;
/// At most so many records wait; then new events are refused.
const QUEUE_RECORDS: usize = 20_000;
/// At most so many bytes wait; then new events are refused.
const QUEUE_BYTES: usize = 256 << 20;
/// A record that waits for its transaction.
pub(super) struct Waiting {
    pub(super) record: Arc<Record>,
    pub(super) bytes: usize,
    pub(super) done: oneshot::Sender<Result<Written, RecordError>>,
}

/// The way to the database for everything that an execution writes.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Waiting>,
    waiting_bytes: Arc<AtomicUsize>,
    writer: Arc<Writer>,
}

impl Recorder {
    /// Starts the writing task. It ends when the last recorder is gone and all records are written.
    pub fn start(
        store: Store,
        owner: Owner,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, records) = mpsc::channel(QUEUE_RECORDS);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer = Arc::new(Writer::new(store, owner, now, waiting_bytes.clone()));
        (Self { queue, waiting_bytes, writer: writer.clone() }, write_batches(writer, records))
    }

    /// Begins a transaction for writes that belong to a record: it goes in with [`Recorder::write_within`].
    /// Nobody can take this instance's number over until it ends.
    pub async fn begin(&self, isolation: Option<IsolationLevel>) -> Result<DatabaseTransaction, RecordError> {
        self.writer.begin(isolation).await
    }

    /// Writes a record in a transaction and commits it. What the database refuses is not there, a lost race
    /// included; after any other error nothing may be assumed: where the answer to COMMIT got lost, all of it is.
    pub async fn write_within(
        &self,
        tx: DatabaseTransaction,
        record: &Record,
    ) -> Result<Written, RecordError> {
        self.writer.write_within(tx, record).await
    }

    /// Writes the record of a new event; refuses it at once when too much is waiting already.
    pub async fn write_event(&self, record: impl Into<Arc<Record>>) -> Result<Written, RecordError> {
        if self.waiting_bytes.load(Ordering::Relaxed) > QUEUE_BYTES {
            return Err(RecordError::Full);
        }
        let (waiting, answer) = self.waiting(record.into());
        let bytes = waiting.bytes;
        if self.queue.try_send(waiting).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(RecordError::Full);
        }
        answer.await.unwrap_or(Err(RecordError::Unavailable("shutting down".to_owned())))
    }

    /// Writes a record of an execution that is known already, however long it has to wait for its turn.
    pub async fn write(&self, record: impl Into<Arc<Record>>) -> Result<Written, RecordError> {
        let (waiting, answer) = self.waiting(record.into());
        let stopped = || Err(RecordError::Unavailable("shutting down".to_owned()));
        if self.queue.send(waiting).await.is_err() {
            return stopped();
        }
        answer.await.unwrap_or_else(|_| stopped())
    }

    fn waiting(&self, record: Arc<Record>) -> (Waiting, oneshot::Receiver<Result<Written, RecordError>>) {
        let (done, answer) = oneshot::channel();
        let bytes = record.bytes();
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        (Waiting { record, bytes, done }, answer)
    }
}

/// Does something in a transaction, so that the server does not take it for abandoned. What is wrong with it
/// shows with its next statement.
pub async fn touch(tx: &DatabaseTransaction) {
    let _ = tx.execute_unprepared("SELECT 1").await;
}

impl Record {
    /// About how large the record is on its way to the database.
    fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let execution = self.create.as_ref().map_or(0, |row| 200 + row.context.len() + length(&row.output));
        let output = self.update.as_ref().and_then(|update| update.output.as_ref()).map_or(0, length);
        let new: usize = self
            .new_jobs
            .iter()
            .map(|row| 150 + length(&row.result) + length(&row.meta) + length(&row.log))
            .sum();
        let changed: usize =
            self.job_updates.iter().map(|row| 50 + length(&row.result) + length(&row.meta)).sum();
        let timers: usize = self.timers.iter().map(|row| 80 + length(&row.result)).sum();
        execution + output + new + changed + timers
    }
}

async fn write_batches(writer: Arc<Writer>, mut records: mpsc::Receiver<Waiting>) {
    let large = tokio_util::task::TaskTracker::new();
    while let Some(first) = records.recv().await {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(waiting) = next {
            if waiting.bytes > LARGE_RECORD {
                let writer = writer.clone();
                large.spawn(async move { writer.write_batch(vec![waiting]).await });
            } else {
                bytes += waiting.bytes;
                batch.push(waiting);
            }
            let has_room = batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES;
            next = if has_room { records.try_recv().ok() } else { None };
        }
        writer.write_batch(batch).await;
    }
    large.close();
    large.wait().await;
}
