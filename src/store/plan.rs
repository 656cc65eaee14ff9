//! What records become in the rows of a transaction: first what the database says of each execution, then all rows
//! table by table, in the one order of locks.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::status::job::{ABORTED, PENDING};
use entity::{handover, request, timer};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr};

use super::Store;
use super::execution::NewExecution;
use super::gathered::Gathered;
use super::instance::Owner;
use super::job::{JobUpdate, NewJob};
use super::record::{LeaseChange, Record, Written};
use super::stats::Counts;

/// So many counters at most are changed in one statement with the other rows.
const FEW_COUNTERS: usize = 8;

/// What the database says of a record's execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its row is written with the record.
    New,
    Started,
    EndedElsewhere,
    Gone,
    /// The record gives a lease away that this instance does not have any more: an earlier attempt at it was
    /// committed, only its answer got lost, and whoever has taken the execution since then must not be disturbed.
    HandedOn,
}

struct Plan<'a> {
    record: &'a Record,
    state: State,
    /// Whether this instance has the lease that the record gives away.
    is_owned: bool,
}

impl Plan<'_> {
    /// Whether the execution was not over before this record.
    fn runs_on(&self) -> bool {
        matches!(self.state, State::New | State::Started)
    }

    /// The row of a new execution, unless it is not to be kept.
    fn created(&self) -> Option<&NewExecution> {
        self.record.create.as_ref().filter(|_| !self.record.deletes)
    }

    /// Whether jobs have an execution that they belong to.
    fn has_row(&self) -> bool {
        match self.state {
            State::New => !self.record.deletes,
            State::Started | State::EndedElsewhere => true,
            State::Gone | State::HandedOn => false,
        }
    }

    /// The key and the version that the execution counts for now.
    fn counted(&self) -> Option<(&str, i64)> {
        match (&self.record.create, &self.record.counts) {
            (Some(row), _) if !self.record.counts_later => Some((&row.key, row.workflow_id)),
            (None, Some(counts)) if self.is_owned => Some((&counts.key, counts.workflow_id)),
            _ => None,
        }
    }

    fn outcome(&self) -> Written {
        match self.state {
            State::New | State::Started | State::HandedOn => Written::Committed,
            State::EndedElsewhere | State::Gone => Written::EndedElsewhere,
        }
    }
}

/// Whether a record leaves an execution that is there to others.
fn gives_away(record: &Record) -> bool {
    record.create.is_none() && matches!(record.lease, LeaseChange::Wait(_))
}

/// Whether no two statements that write a record are about the same row, and none needs to see what another has changed.
fn touches_rows_once(record: &Record) -> bool {
    let has_both = |one: bool, other: bool| one && other;
    record.frees.is_none()
        && !record.replaces_jobs
        && !record.deletes
        && !has_both(!record.new_jobs.is_empty(), !record.job_updates.is_empty())
        && !has_both(!record.timers.is_empty(), !record.ended_timers.is_empty())
        && !has_both(record.request.is_some(), record.answered.is_some())
}

impl Store {
    /// Writes records in a transaction that has passed the fence. Returns what becomes of each.
    pub(super) async fn write_records(
        &self,
        tx: &DatabaseTransaction,
        records: &[&Record],
        owner: Owner,
        now: DateTime<Utc>,
    ) -> Result<Vec<Written>, DbErr> {
        let (written, counts) = self.write_rows(tx, records, owner, now).await?;
        self.count(tx, &counts, now).await?;
        Ok(written)
    }

    /// Whether [`Store::write_gathered`] can write these records.
    pub(super) fn may_gather(&self, records: &[&Record]) -> bool {
        let mut ids = HashSet::with_capacity(records.len());
        self.codec.backend() == DbBackend::Postgres
            && records.iter().all(|record| ids.insert(record.execution_id) && touches_rows_once(record))
    }

    /// The same as [`Store::write_records`], with the fence and the request log, in as few statements as there can be.
    /// `None` where this instance does not own its number any more, or a counter has yet to be made: the transaction is
    /// to be rolled back then.
    pub(super) async fn write_gathered(
        &self,
        tx: &DatabaseTransaction,
        records: &[&Record],
        owner: Owner,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Written>>, DbErr> {
        let gathered = Gathered::new(tx);
        // It comes first in the order of locks, and executions that are there are locked by a question of their own.
        if records.iter().all(|record| record.create.is_some()) {
            gathered.ask(&self.fencing(owner));
        } else if !self.fence(tx, owner).await? {
            return Ok(None);
        }
        let (written, counts) = self.write_rows(&gathered, records, owner, now).await?;
        // Each number of counters is a statement of its own to be prepared.
        let are_few = counts.len() <= FEW_COUNTERS;
        if are_few {
            self.additions(&counts, now).into_iter().for_each(|addition| gathered.change(addition));
        }
        self.log_requests(&gathered, records).await?;
        if !gathered.carry_out().await? {
            return Ok(None);
        }
        if !are_few {
            self.count(tx, &counts, now).await?;
        }
        Ok(Some(written))
    }

    /// The same of one record in a transaction that has passed the fence before, and written other rows since.
    pub(super) async fn write_gathered_within(
        &self,
        tx: &DatabaseTransaction,
        record: &Record,
        owner: Owner,
        now: DateTime<Utc>,
    ) -> Result<Written, DbErr> {
        let gathered = Gathered::new(tx);
        let (written, counts) = self.write_rows(&gathered, &[record], owner, now).await?;
        self.log_requests(&gathered, &[record]).await?;
        gathered.carry_out().await?;
        self.count(tx, &counts, now).await?;
        Ok(written.first().copied().unwrap_or(Written::Committed))
    }

    /// All rows but those of the counters and of the request log.
    async fn write_rows<C: ConnectionTrait>(
        &self,
        tx: &C,
        records: &[&Record],
        owner: Owner,
        now: DateTime<Utc>,
    ) -> Result<(Vec<Written>, Counts), DbErr> {
        let plans = self.plan(tx, records, owner).await?;
        let mut open: Vec<&Plan> = plans.iter().filter(|plan| plan.state != State::HandedOn).collect();
        for freed in open.iter().filter_map(|plan| plan.record.frees.as_ref()) {
            self.free_event_key(tx, freed.execution_id, &freed.event_key).await?;
        }
        self.insert_executions(tx, &open.iter().filter_map(|plan| plan.created()).collect::<Vec<_>>())
            .await?;
        let started = open.iter().filter(|plan| plan.state == State::Started);
        let updated =
            started.filter_map(|plan| Some((plan.record.execution_id, plan.record.update.as_ref()?)));
        self.update_executions(tx, &updated.collect::<Vec<_>>(), now).await?;
        self.write_jobs(tx, &open).await?;
        open.sort_unstable_by_key(|plan| plan.record.execution_id);
        self.write_lease_changes(tx, &open, owner).await?;
        self.write_timers(tx, &open).await?;
        let is_deleted = |plan: &&&Plan| plan.record.deletes && plan.state == State::Started;
        let deleted: Vec<i64> = open.iter().filter(is_deleted).map(|plan| plan.record.execution_id).collect();
        self.delete_jobs_of(tx, &deleted).await?;
        self.delete_executions(tx, &deleted).await?;
        let mut counts = Counts::default();
        open.iter().filter_map(|plan| plan.counted()).for_each(|(key, version)| counts.add(key, version));
        Ok((plans.iter().map(Plan::outcome).collect(), counts))
    }

    /// What the request log says of some records.
    pub(super) async fn log_requests<C: ConnectionTrait>(
        &self,
        tx: &C,
        records: &[&Record],
    ) -> Result<(), DbErr> {
        let rows: Vec<&request::Model> =
            records.iter().filter_map(|record| record.request.as_deref()).collect();
        self.insert_requests(tx, &rows).await?;
        // In one order, as everything that others may lock.
        let mut answered: Vec<_> = records.iter().filter_map(|record| record.answered.as_ref()).collect();
        answered.sort_unstable_by_key(|answered| answered.id);
        self.answer_requests(tx, &answered).await
    }

    /// Locks the executions that have rows, and finds out what is to be done with each record.
    async fn plan<'a, C: ConnectionTrait>(
        &self,
        tx: &C,
        records: &[&'a Record],
        owner: Owner,
    ) -> Result<Vec<Plan<'a>>, DbErr> {
        let known = records.iter().filter(|record| record.create.is_none());
        let freed = records.iter().filter_map(|record| record.frees.as_ref());
        let freed = freed.map(|freed| freed.execution_id);
        let mut ids: Vec<i64> = known.map(|record| record.execution_id).chain(freed).collect();
        ids.sort_unstable();
        let statuses: HashMap<i64, Option<i32>> = self.lock_executions(tx, &ids).await?.into_iter().collect();
        let owned = self.owned(tx, records, owner).await?;
        let plan = |record: &&'a Record| {
            let is_owned = owned.contains(&record.execution_id);
            let state = match statuses.get(&record.execution_id) {
                _ if gives_away(record) && !is_owned => State::HandedOn,
                _ if record.create.is_some() => State::New,
                Some(Some(STARTED)) => State::Started,
                Some(_) => State::EndedElsewhere,
                None => State::Gone,
            };
            Plan { record, state, is_owned }
        };
        Ok(records.iter().map(plan).collect())
    }

    /// The executions that this instance has the lease of, as far as their records go by that.
    async fn owned<C: ConnectionTrait>(
        &self,
        tx: &C,
        records: &[&Record],
        owner: Owner,
    ) -> Result<HashSet<i64>, DbErr> {
        let asked = records.iter().filter(|record| gives_away(record) || record.counts.is_some());
        let asked: HashSet<i64> = asked.map(|record| record.execution_id).collect();
        if asked.is_empty() { Ok(asked) } else { self.owned_among(tx, owner, &asked).await }
    }

    /// Jobs by id. Of an execution that somebody else has ended, none stays pending.
    async fn write_jobs<C: ConnectionTrait>(&self, tx: &C, plans: &[&Plan<'_>]) -> Result<(), DbErr> {
        let plans: Vec<&Plan> = plans.iter().filter(|plan| plan.has_row()).copied().collect();
        let replaced: Vec<i64> = plans
            .iter()
            .filter(|plan| plan.record.replaces_jobs)
            .map(|plan| plan.record.execution_id)
            .collect();
        self.delete_jobs_of(tx, &replaced).await?;
        let (mut new, mut late, mut changed): (Vec<&NewJob>, Vec<NewJob>, Vec<(&JobUpdate, bool)>) =
            Default::default();
        for plan in &plans {
            for row in &plan.record.new_jobs {
                if plan.runs_on() || row.status != PENDING {
                    new.push(row);
                } else {
                    late.push(NewJob { status: ABORTED, ..row.clone() });
                }
            }
            changed.extend(plan.record.job_updates.iter().map(|row| (row, plan.runs_on())));
        }
        new.extend(&late);
        new.sort_unstable_by_key(|row| row.id);
        self.insert_jobs(tx, &new).await?;
        changed.sort_unstable_by_key(|(row, _)| row.id);
        let (changed, late): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, runs_on)| *runs_on);
        self.update_jobs(tx, &changed.iter().map(|(row, _)| *row).collect::<Vec<_>>()).await?;
        for (row, _) in late {
            self.update_late_job(tx, row).await?;
        }
        Ok(())
    }

    async fn write_lease_changes<C: ConnectionTrait>(
        &self,
        tx: &C,
        plans: &[&Plan<'_>],
        owner: Owner,
    ) -> Result<(), DbErr> {
        let (mut taken, mut waiting, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for Plan { record, .. } in plans {
            match &record.lease {
                LeaseChange::Keep => {}
                LeaseChange::Take(lease) => taken.push((record.execution_id, lease)),
                LeaseChange::Wait(lease) => waiting.push((record.execution_id, lease)),
                LeaseChange::Release => released.push(record.execution_id),
            }
        }
        self.write_leases(tx, &taken, Some(owner)).await?;
        self.write_leases(tx, &waiting, None).await?;
        self.delete_leases(tx, &released).await
    }

    async fn write_timers<C: ConnectionTrait>(&self, tx: &C, plans: &[&Plan<'_>]) -> Result<(), DbErr> {
        let records = || plans.iter().map(|plan| plan.record);
        let timers: Vec<&timer::Model> = records().flat_map(|record| &record.timers).collect();
        self.insert_timers(tx, &timers).await?;
        let ended: Vec<i64> = records().flat_map(|record| &record.ended_timers).copied().collect();
        self.delete_timers(tx, &ended).await?;
        let handovers: Vec<&handover::Model> = records().flat_map(|record| &record.handovers).collect();
        self.insert_handovers(tx, &handovers).await
    }
}
