//! Group commit: what is waiting to be written goes out as one transaction of multi-row statements; when
//! nothing waits, a record leaves at once. A caller gets its answer after COMMIT.
//!
//! Order of locks in every transaction: the own instance row, executions by id, jobs by id, leases,
//! counters. NocoBase's own abort takes executions before jobs too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, IsolationLevel};
use tokio::sync::{mpsc, oneshot};

pub use super::record::{FreedKey, LeaseChange, Record, RecordError, Written};

use super::Store;
use super::instance::Owner;
use super::record::Waiting;
use super::writer::Writer;
use crate::metrics::Metrics;

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
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, records) = mpsc::channel(QUEUE_RECORDS);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer = Arc::new(Writer::new(store, owner, now, waiting_bytes.clone(), metrics));
        (Self { queue, waiting_bytes, writer: writer.clone() }, write_batches(writer, records))
    }

    /// Begins a transaction for writes that belong to a record: it goes in with [`Recorder::write_within`]. Where
    /// somebody takes this instance's number over before that, none of it is committed.
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
