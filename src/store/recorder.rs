//! Group commit: what is waiting to be written goes out as one transaction of multi-row statements; when
//! nothing waits, a record leaves at once. A caller gets its answer after COMMIT.
//!
//! Order of locks in every transaction: the own instance row, executions by id, jobs by id, leases,
//! counters. NocoBase's own abort takes executions before jobs too.

mod failure;
mod refused;
mod retries;
mod together;
mod unlogged;
mod within;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

pub use super::record::{FreedKey, LeaseChange, Record, RecordError, Uncounted, Written};

use self::failure::Failure;
use self::unlogged::Unlogged;
use super::Store;
use super::instance::Owner;
use super::lane::Lane;
use super::record::Waiting;
use crate::metrics::Metrics;

/// At most so many records in one transaction.
const BATCH_RECORDS: usize = 512;
/// At most about so many bytes in one transaction; the smallest default of `max_allowed_packet` is 16 MB.
const BATCH_BYTES: usize = 4 << 20;
/// A record larger than this is written on another connection, beside the others.
const LARGE_RECORD: usize = 1 << 20;
/// At most so many records wait; then new events are refused.
const QUEUE_RECORDS: usize = 20_000;
/// At most so many bytes wait; then new events are refused.
const QUEUE_BYTES: usize = 256 << 20;

/// How long a transaction may take. Longer than a server keeps one that is idle: until then locks may still be let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

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
        let writer = Arc::new(Writer {
            store,
            owner,
            now: Box::new(now),
            waiting_bytes: waiting_bytes.clone(),
            metrics,
            unlogged: Unlogged::default(),
        });
        (Self { queue, waiting_bytes, writer: writer.clone() }, write_batches(writer, records))
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

async fn write_batches(writer: Arc<Writer>, mut records: mpsc::Receiver<Waiting>) {
    let large = Lane::default();
    while let Some(first) = records.recv().await {
        let (mut batch, mut bytes, mut next) = (Vec::new(), 0, Some(first));
        while let Some(waiting) = next {
            if waiting.bytes > LARGE_RECORD {
                let writer = writer.clone();
                large.add(async move { writer.write_batch(vec![waiting]).await });
            } else {
                bytes += waiting.bytes;
                batch.push(waiting);
            }
            let has_room = batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES;
            next = if has_room { records.try_recv().ok() } else { None };
        }
        writer.write_batch(batch).await;
    }
    large.end().await;
}

/// Writes batches of records, each as one transaction.
struct Writer {
    store: Store,
    owner: Owner,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    waiting_bytes: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    unlogged: Unlogged,
}

impl Writer {
    /// Writes records as one transaction, or those that the database refuses alone and the others together,
    /// and tells their callers.
    async fn write_batch(&self, mut batch: Vec<Waiting>) {
        // By event key: two transactions that insert the same keys then meet in the same order.
        batch.sort_by(|a, b| event_key(&a.record).cmp(&event_key(&b.record)));
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let records: Vec<&Record> = part.iter().map(|waiting| &*waiting.record).collect();
            match self.write(&records).await {
                Ok(written) => {
                    part.into_iter().zip(written).for_each(|(one, written)| self.answer(one, Ok(written)))
                }
                Err(err) => parts.extend(self.apart(part, err).await),
            }
        }
    }

    fn answer(&self, waiting: Waiting, result: Result<Written, RecordError>) {
        self.waiting_bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
        // Nobody listens any more when the caller's task has been cancelled; the record counts all the same.
        let _ = waiting.done.send(result);
    }

    /// Writes records as one transaction, again and again where it fails for a passing reason.
    async fn write(&self, records: &[&Record]) -> Result<Vec<Written>, RecordError> {
        let started = Instant::now();
        match self.attempt(records, true).await {
            Ok(written) => Ok(written),
            Err(failure) => self.try_again(records, failure, started).await,
        }
    }

    /// With the requests that belong to the records, where it `logs`.
    async fn attempt(&self, records: &[&Record], logs: bool) -> Result<Vec<Written>, Failure> {
        let begun = Instant::now();
        let outcome = timeout(WRITE_TIMEOUT, self.write_once(records, logs)).await;
        self.metrics.flushed(records.len(), begun.elapsed(), matches!(outcome, Ok(Ok(_))));
        outcome.unwrap_or_else(|_| Err(Failure::unanswered(WRITE_TIMEOUT)))
    }

    async fn write_once(&self, records: &[&Record], logs: bool) -> Result<Vec<Written>, Failure> {
        if logs && let Some(written) = self.write_together(records).await? {
            return Ok(written);
        }
        let tx = self.store.begin().await?;
        if !self.store.fence(&tx, self.owner).await? {
            tx.rollback().await?;
            return Err(Failure::Fenced);
        }
        let written = self.store.write_records(&tx, records, self.owner, (self.now)()).await?;
        if logs {
            self.store.log_requests(&tx, records).await.map_err(Failure::Log)?;
        }
        tx.commit().await?;
        Ok(written)
    }
}

fn event_key(record: &Record) -> Option<&str> {
    record.create.as_ref().map(|row| row.event_key.as_str())
}
