//! The transactions of the recorder: what records become in the database, and what is tried again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::status::job::{ABORTED, PENDING};
use entity::{handover, timer};
use sea_orm::{DatabaseTransaction, DbErr, IsolationLevel, RuntimeErr, SqlErr};
use tokio::time::Instant;

use super::Store;
use super::execution::NewExecution;
use super::instance::Owner;
use super::job::{JobUpdate, NewJob};
use super::recorder::{LeaseChange, Record, RecordError, Waiting, Written};
use super::stats::Counts;

/// Waits between the attempts at one transaction.
const RETRY_DELAYS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// After so long a transaction is not tried again: its callers are told 503 while they still listen.
const RETRY_PATIENCE: Duration = Duration::from_secs(2);

/// Writes batches of records, each as one transaction.
pub(super) struct Writer {
    store: Store,
    owner: Owner,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        owner: Owner,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
        waiting_bytes: Arc<AtomicUsize>,
    ) -> Self {
        Self { store, owner, now: Box::new(now), waiting_bytes }
    }

    /// See [`super::recorder::Recorder::begin`].
    pub(super) async fn begin(
        &self,
        isolation: Option<IsolationLevel>,
    ) -> Result<DatabaseTransaction, RecordError> {
        let begun = async {
            let tx = self.store.begin_isolated(isolation).await?;
            match self.store.fence(&tx, self.owner).await? {
                true => Ok(tx),
                false => Err(Failure::Fenced),
            }
        };
        begun.await.map_err(Failure::into_error)
    }

    /// See [`super::recorder::Recorder::write_within`].
    pub(super) async fn write_within(
        &self,
        tx: DatabaseTransaction,
        record: &Record,
    ) -> Result<Written, RecordError> {
        let written = async {
            let written = self.write_rows(&tx, &[record]).await?;
            tx.commit().await?;
            Ok(written.first().copied().unwrap_or(Written::Committed))
        };
        written.await.map_err(|failure| match failure {
            Failure::Database(err) if is_race(&err) => RecordError::Refused(err.to_string()),
            failure => failure.into_error(),
        })
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
        let handed_on = self.handed_on(tx, records).await?;
        let all = records;
        let is_open = |record: &&&Record| !handed_on.contains(&record.execution_id);
        let records = &all.iter().filter(is_open).copied().collect::<Vec<_>>()[..];
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
        let outcome = |record: &&Record| match runs_on(record) || handed_on.contains(&record.execution_id) {
            true => Written::Committed,
            false => Written::EndedElsewhere,
        };
        Ok(all.iter().map(outcome).collect())
    }

    /// The executions whose records give away a lease that this instance does not have any more. An earlier
    /// attempt at the record was committed, only its answer got lost, and whoever has taken the execution since
    /// then must not be disturbed.
    async fn handed_on(&self, tx: &DatabaseTransaction, records: &[&Record]) -> Result<HashSet<i64>, DbErr> {
        let gives_away =
            |record: &&&Record| record.create.is_none() && matches!(record.lease, LeaseChange::Wait(_));
        let mut open: HashSet<i64> =
            records.iter().filter(gives_away).map(|record| record.execution_id).collect();
        if !open.is_empty() {
            let owned = self.store.owned_among(tx, self.owner, &open).await?;
            open.retain(|id| !owned.contains(id));
        }
        Ok(open)
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
        self.store.delete_timers(tx, &ended).await?;
        let handovers: Vec<&handover::Model> = by_id.iter().flat_map(|record| &record.handovers).collect();
        self.store.insert_handovers(tx, &handovers).await
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
/// lost a race.
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
            // 5 and 6: SQLite is busy or locked, whose extended codes end in that byte.
            let is_busy = database.try_downcast_ref::<sea_orm::sqlx::sqlite::SqliteError>().is_some()
                && code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6));
            // Interrupted and killed by a server that stops (1317, 1927), a full disk (1021), read-only servers
            // of a failover (1290, 1836).
            let is_mysql_passing = database
                .try_downcast_ref::<sea_orm::sqlx::mysql::MySqlDatabaseError>()
                .is_some_and(|err| matches!(err.number(), 1021 | 1290 | 1317 | 1836 | 1927));
            is_race(err) || is_busy || is_mysql_passing || is_passing(&code)
        }
    }
}

/// Whether an SQLSTATE is about the state of the server, not about the statement.
fn is_passing(code: &str) -> bool {
    // A transaction that was idle for too long; a read-only standby.
    matches!(code, "25P03" | "25006")
        // Connections; resources, such as a full disk; a server that is shutting down or starting up.
        || ["08", "53", "57P"].iter().any(|class| code.starts_with(class))
}

/// Whether the transaction lost a race against another: serialization failure, deadlock, lock wait, a snapshot
/// that is too old.
fn is_race(err: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver))) = err
    else {
        return false;
    };
    let Some(database) = driver.as_database_error() else { return false };
    let is_mysql_race = database
        .try_downcast_ref::<sea_orm::sqlx::mysql::MySqlDatabaseError>()
        .is_some_and(|err| matches!(err.number(), 1020 | 1205 | 1213));
    is_mysql_race || matches!(&*database.code().unwrap_or_default(), "40001" | "40P01" | "55P03")
}
