//! Group commit: what is waiting to be written goes out as one transaction of multi-row statements; when
//! nothing waits, a record leaves at once. A caller gets its answer after COMMIT.
//!
//! Order of locks in every transaction: the own instance row, executions by id, jobs by id, leases,
//! counters. NocoBase's own abort takes executions before jobs too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::status::job::{ABORTED, PENDING};
use entity::timer;
use sea_orm::{DatabaseTransaction, DbErr, RuntimeErr, SqlErr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Store;
use super::execution::{ExecutionUpdate, NewExecution};
use super::instance::Owner;
use super::job::{JobUpdate, NewJob};
use super::lease::Lease;
use super::stats::Counts;

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
/// Waits between the attempts at one transaction.
const RETRY_DELAYS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// After so long a transaction is not tried again: its callers are told 503 while they still listen.
const RETRY_PATIENCE: Duration = Duration::from_secs(2);

struct Waiting {
    record: Arc<Record>,
    bytes: usize,
    done: oneshot::Sender<Result<Written, RecordError>>,
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
        let writer =
            Arc::new(Writer { store, owner, now: Box::new(now), waiting_bytes: waiting_bytes.clone() });
        (Self { queue, waiting_bytes, writer: writer.clone() }, write_batches(writer, records))
    }

    /// Begins a transaction for writes that belong to a record: it goes in with [`Recorder::write_within`].
    /// Nobody can take this instance's number over until it ends.
    pub async fn begin(&self) -> Result<DatabaseTransaction, RecordError> {
        let begun = async {
            let tx = self.writer.store.begin().await?;
            match self.writer.store.fence(&tx, self.writer.owner).await? {
                true => Ok(tx),
                false => Err(Failure::Fenced),
            }
        };
        begun.await.map_err(Failure::into_error)
    }

    /// Writes a record in a transaction and commits it. After an error nothing of it may be assumed: where the
    /// answer to COMMIT got lost, all of it is there.
    pub async fn write_within(
        &self,
        tx: DatabaseTransaction,
        record: &Record,
    ) -> Result<Written, RecordError> {
        let written = async {
            let written = self.writer.write_rows(&tx, &[record]).await?;
            tx.commit().await?;
            Ok(written.first().copied().unwrap_or(Written::Committed))
        };
        written.await.map_err(Failure::into_error)
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

struct Writer {
    store: Store,
    owner: Owner,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Writer {
    async fn write_batch(&self, batch: Vec<Waiting>) {
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
                Err(RecordError::Refused(_) | RecordError::Duplicate) if part.len() > 1 => {
                    // One row of many is bad: halves find it without failing its neighbours.
                    let mut first = part;
                    let second = first.split_off(first.len() / 2);
                    parts.push(second);
                    parts.push(first);
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
        loop {
            let err = match self.write_once(records).await {
                Ok(written) => return Ok(written),
                Err(Failure::Fenced) => return Err(RecordError::Fenced),
                Err(Failure::Database(err)) if !is_transient(&err) => {
                    return self.refused(records, err).await;
                }
                Err(Failure::Database(err)) => err,
            };
            match delays.next().filter(|_| started.elapsed() < RETRY_PATIENCE) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(RecordError::Unavailable(err.to_string())),
            }
        }
    }

    /// A refused record, unless its own row turns out to be there: then an earlier attempt was committed and
    /// only the answer got lost.
    async fn refused(&self, records: &[&Record], err: DbErr) -> Result<Vec<Written>, RecordError> {
        let is_unique = matches!(err.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)));
        if !is_unique {
            return Err(RecordError::Refused(err.to_string()));
        }
        if let [record] = records
            && self.is_there(record).await
        {
            return Ok(vec![Written::Committed]);
        }
        Err(RecordError::Duplicate)
    }

    /// Whether the database has the first row that a record inserts. Ids are given out once, so the row came
    /// from an earlier attempt at this very record.
    async fn is_there(&self, record: &Record) -> bool {
        match (&record.create, record.new_jobs.first()) {
            (Some(row), _) => {
                self.store.find_executions(&[row.id]).await.is_ok_and(|found| !found.is_empty())
            }
            (None, Some(job)) => self.store.has_job(job.id).await.unwrap_or(false),
            (None, None) => false,
        }
    }

    async fn write_once(&self, records: &[&Record]) -> Result<Vec<Written>, Failure> {
        let tx = self.store.begin().await?;
        if !self.store.fence(&tx, self.owner).await? {
            tx.rollback().await?;
            return Err(Failure::Fenced);
        }
        let written = self.write_rows(&tx, records).await?;
        tx.commit().await?;
        Ok(written)
    }

    async fn write_rows(&self, tx: &DatabaseTransaction, records: &[&Record]) -> Result<Vec<Written>, DbErr> {
        let (store, now) = (&self.store, (self.now)());
        let statuses = self.lock_existing(tx, records).await?;
        let is_started = |record: &Record| statuses.get(&record.execution_id) == Some(&Some(STARTED));
        let exists = |record: &&&Record| {
            (record.create.is_some() && !record.deletes) || statuses.contains_key(&record.execution_id)
        };
        let created: Vec<&NewExecution> = records
            .iter()
            .filter(|record| !record.deletes)
            .filter_map(|record| record.create.as_ref())
            .collect();
        store.insert_executions(tx, &created).await?;
        for record in records {
            if let Some(update) = record.update.as_ref().filter(|_| is_started(record)) {
                store.update_execution(tx, record.execution_id, update, now).await?;
            }
        }
        let runs_on = |record: &Record| record.create.is_some() || is_started(record);
        self.write_jobs(tx, &records.iter().filter(exists).copied().collect::<Vec<_>>(), runs_on).await?;
        self.write_leases(tx, records).await?;
        let deleted: Vec<i64> = records
            .iter()
            .filter(|record| record.deletes && is_started(record))
            .map(|record| record.execution_id)
            .collect();
        store.delete_jobs_of(tx, &deleted).await?;
        store.delete_executions(tx, &deleted).await?;
        let mut counts = Counts::default();
        for row in records.iter().filter_map(|record| record.create.as_ref()) {
            counts.add(&row.key, row.workflow_id);
        }
        store.count(tx, &counts, now).await?;
        let outcome = |record: &&Record| match runs_on(record) {
            true => Written::Committed,
            false => Written::EndedElsewhere,
        };
        Ok(records.iter().map(outcome).collect())
    }

    async fn lock_existing(
        &self,
        tx: &DatabaseTransaction,
        records: &[&Record],
    ) -> Result<HashMap<i64, Option<i32>>, DbErr> {
        let mut ids: Vec<i64> = records
            .iter()
            .filter(|record| record.create.is_none())
            .map(|record| record.execution_id)
            .collect();
        ids.sort_unstable();
        Ok(self.store.lock_executions(tx, &ids).await?.into_iter().collect())
    }

    async fn write_jobs(
        &self,
        tx: &DatabaseTransaction,
        records: &[&Record],
        runs_on: impl Fn(&Record) -> bool,
    ) -> Result<(), DbErr> {
        let replaced: Vec<i64> =
            records.iter().filter(|record| record.replaces_jobs).map(|record| record.execution_id).collect();
        self.store.delete_jobs_of(tx, &replaced).await?;
        let late = records.iter().filter(|record| !runs_on(record)).flat_map(|record| &record.new_jobs);
        let late: Vec<NewJob> = late.filter(|row| row.status == PENDING).map(aborted).collect();
        let in_time = |record: &&&Record, row: &NewJob| runs_on(record) || row.status != PENDING;
        let mut new: Vec<&NewJob> = records
            .iter()
            .flat_map(|record| record.new_jobs.iter().filter(move |row| in_time(&record, row)))
            .chain(&late)
            .collect();
        new.sort_unstable_by_key(|row| row.id);
        self.store.insert_jobs(tx, &new).await?;
        let mut changed: Vec<(&JobUpdate, bool)> = records
            .iter()
            .flat_map(|record| record.job_updates.iter().map(|row| (row, runs_on(record))))
            .collect();
        changed.sort_unstable_by_key(|(row, _)| row.id);
        for (row, runs_on) in changed {
            match runs_on {
                true => self.store.update_job(tx, row).await?,
                false => self.store.update_late_job(tx, row).await?,
            }
        }
        Ok(())
    }

    async fn write_leases(&self, tx: &DatabaseTransaction, records: &[&Record]) -> Result<(), DbErr> {
        let (mut taken, mut waiting, mut released) = (Vec::new(), Vec::new(), Vec::new());
        let mut by_id: Vec<&Record> = records.to_vec();
        by_id.sort_unstable_by_key(|record| record.execution_id);
        for record in &by_id {
            match &record.lease {
                LeaseChange::Keep => {}
                LeaseChange::Take(lease) => taken.push((record.execution_id, lease)),
                LeaseChange::Wait(lease) => waiting.push((record.execution_id, lease)),
                LeaseChange::Release => released.push(record.execution_id),
            }
        }
        self.store.write_leases(tx, &taken, Some(self.owner)).await?;
        self.store.write_leases(tx, &waiting, None).await?;
        self.store.delete_leases(tx, &released).await?;
        let timers: Vec<&timer::Model> = by_id.iter().flat_map(|record| &record.timers).collect();
        self.store.insert_timers(tx, &timers).await?;
        let ended: Vec<i64> = by_id.iter().flat_map(|record| &record.ended_timers).copied().collect();
        self.store.delete_timers(tx, &ended).await
    }
}

fn aborted(row: &NewJob) -> NewJob {
    NewJob { status: ABORTED, ..row.clone() }
}

fn event_key(record: &Record) -> Option<&str> {
    record.create.as_ref().map(|row| row.event_key.as_str())
}

enum Failure {
    Fenced,
    Database(DbErr),
}

impl Failure {
    fn into_error(self) -> RecordError {
        match self {
            Failure::Fenced => RecordError::Fenced,
            Failure::Database(err) if is_transient(&err) => RecordError::Unavailable(err.to_string()),
            Failure::Database(err) => RecordError::Refused(err.to_string()),
        }
    }
}

impl From<DbErr> for Failure {
    fn from(err: DbErr) -> Self {
        Failure::Database(err)
    }
}

/// Whether the same transaction may succeed later: the connection was lost or the server is away, or it
/// lost a race (serialization failure, deadlock, lock wait).
fn is_transient(err: &DbErr) -> bool {
    let driver = match err {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return true,
        DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver)) => driver,
        _ => return false,
    };
    match driver.as_database_error() {
        // The driver failed without an answer of the server: the connection is gone.
        None => true,
        Some(database) => {
            let code = database.code().unwrap_or_default();
            let is_mysql_race = database
                .try_downcast_ref::<sea_orm::sqlx::mysql::MySqlDatabaseError>()
                .is_some_and(|err| matches!(err.number(), 1205 | 1213));
            // Class 57P: the server is shutting down or starting up; 08: connection exceptions; 5 and 6:
            // SQLite is busy or locked, whose extended codes end in that byte.
            let is_busy = database.try_downcast_ref::<sea_orm::sqlx::sqlite::SqliteError>().is_some()
                && code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6));
            is_mysql_race
                || is_busy
                || matches!(&*code, "40001" | "40P01" | "53300")
                || code.starts_with("57P")
                || code.starts_with("08")
        }
    }
}
