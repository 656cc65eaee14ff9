//! The transactions of the recorder: what records become in the database, and what is tried again.

mod refused;
mod unlogged;
mod within;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, RuntimeErr};
use tokio::time::Instant;

use super::Store;
use super::fault::{Fault, describe};
use super::instance::Owner;
use super::record::{Record, RecordError, Waiting, Written};
use crate::metrics::Metrics;
use unlogged::Unlogged;

/// Waits between the attempts at one transaction.
const RETRY_DELAYS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// After so long a transaction is not tried again: its callers are told 503 while they still listen.
const RETRY_PATIENCE: Duration = Duration::from_secs(2);

/// How long a transaction may take. Longer than a server keeps one that is idle: until then locks may still be let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Writes batches of records, each as one transaction.
pub(super) struct Writer {
    store: Store,
    owner: Owner,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    waiting_bytes: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    unlogged: Unlogged,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        owner: Owner,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
        waiting_bytes: Arc<AtomicUsize>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let unlogged = Unlogged::default();
        Self { store, owner, now: Box::new(now), waiting_bytes, metrics, unlogged }
    }

    /// Writes records as one transaction, or those that the database refuses alone and the others together,
    /// and tells their callers.
    pub(super) async fn write_batch(&self, batch: Vec<Waiting>) {
        // By event key: two transactions that insert the same keys then meet in the same order.
        let mut batch = batch;
        batch.sort_by(|a, b| event_key(&a.record).cmp(&event_key(&b.record)));
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let records: Vec<&Record> = part.iter().map(|waiting| &*waiting.record).collect();
            match self.write_with_retries(&records).await {
                Ok(written) => {
                    part.into_iter().zip(written).for_each(|(one, written)| self.answer(one, Ok(written)))
                }
                Err(err @ (RecordError::Refused(_) | RecordError::Duplicate)) if part.len() > 1 => {
                    let is_duplicate = matches!(err, RecordError::Duplicate);
                    let taken = if is_duplicate { self.taken(&records).await } else { HashSet::new() };
                    parts.extend(self.apart(part, &taken));
                }
                Err(err) => part.into_iter().for_each(|one| self.answer(one, Err(err.clone()))),
            }
        }
    }

    fn answer(&self, waiting: Waiting, result: Result<Written, RecordError>) {
        self.waiting_bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
        // Nobody listens any more when the caller's task has been cancelled; the record counts all the same.
        let _ = waiting.done.send(result);
    }

    async fn write_with_retries(&self, records: &[&Record]) -> Result<Vec<Written>, RecordError> {
        let started = Instant::now();
        let mut delays = RETRY_DELAYS.into_iter();
        let mut logs = true;
        loop {
            let begun = Instant::now();
            let once = tokio::time::timeout(WRITE_TIMEOUT, self.write_once(records, logs)).await;
            self.metrics.flushed(records.len(), begun.elapsed(), matches!(once, Ok(Ok(_))));
            let err = match once.unwrap_or_else(|_| Err(Failure::Database(unanswered()))) {
                Ok(written) => return Ok(written),
                Err(Failure::Fenced) => return Err(RecordError::Fenced),
                // No event is lost for the log's sake.
                Err(Failure::Log(err)) if !Fault::of(&err).is_passing() => {
                    self.left_out(records, &err);
                    logs = false;
                    continue;
                }
                Err(Failure::Log(err)) => err,
                Err(Failure::Database(err)) if !Fault::of(&err).is_passing() => {
                    return self.refused(records, err).await;
                }
                Err(Failure::Database(err)) => err,
            };
            match delays.next().filter(|_| started.elapsed() < RETRY_PATIENCE) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(RecordError::Unavailable(describe(&err))),
            }
        }
    }

    /// With the requests that belong to the records, where it `logs`.
    async fn write_once(&self, records: &[&Record], logs: bool) -> Result<Vec<Written>, Failure> {
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

fn unanswered() -> DbErr {
    let reason = format!("the database has not answered for {} seconds", WRITE_TIMEOUT.as_secs());
    DbErr::Conn(RuntimeErr::Internal(reason))
}

enum Failure {
    Fenced,
    Database(DbErr),
    /// The records could be written, and what the request log says of them could not.
    Log(DbErr),
}

impl Failure {
    fn into_error(self) -> RecordError {
        match self {
            Failure::Fenced => RecordError::Fenced,
            // A right that is missing can be granted: nothing is wrong with the record.
            Failure::Database(err) | Failure::Log(err) if Fault::of(&err).is_of_the_database() => {
                RecordError::Unavailable(describe(&err))
            }
            Failure::Database(err) | Failure::Log(err) => RecordError::Refused(describe(&err)),
        }
    }
}

impl From<DbErr> for Failure {
    fn from(err: DbErr) -> Self {
        Failure::Database(err)
    }
}
