//! Executions that NocoBase has queued: rows of its own that nobody has begun with. A claim of sidehook's and one of
//! NocoBase's are the same change of the same row, so that one of them finds it changed already.
//!
//! Left to NocoBase are rows that it begins with itself right after it has written them (`workflows:execute`), and those
//! that a subflow node waits for, which only NocoBase's own writes wake.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::Store;
use super::fault::Fault;
use super::instance::Owner;
use super::lease::Lease;

/// A row of NocoBase's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    pub id: i64,
    pub workflow_id: i64,
}

impl Store {
    /// What NocoBase has queued after an id, oldest first, at most `limit` rows: of all workflows or of one. NocoBase has
    /// an index over `dispatched` and `id`, so that rows which have been begun with cost nothing.
    pub async fn queued_after(
        &self,
        id: i64,
        workflow_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Queued>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["id", "workflowId"]);
        select.from(self.table(Table::Executions)).and_where(Expr::col(self.column("id")).gt(id));
        self.only_queued(&mut select);
        let is_manual = Expr::col(self.column("manually"));
        select
            .and_where(Expr::col(self.column("parentExecutionId")).is_null())
            .and_where(is_manual.clone().is_null().or(is_manual.eq(false)));
        if let Some(workflow_id) = workflow_id {
            select.and_where(Expr::col(self.column("workflowId")).eq(workflow_id));
        }
        select.order_by(self.column("id"), sea_orm::Order::Asc).limit(limit);
        let rows = self.db.query_all(&select).await?;
        let queued = |row: &sea_orm::QueryResult| {
            let workflow_id: Option<i64> = row.try_get_by_index(1)?;
            Ok(Queued { id: row.try_get_by_index(0)?, workflow_id: workflow_id.unwrap_or_default() })
        };
        rows.iter().map(queued).collect()
    }

    /// Takes queued executions of one workflow: they are started, with leases of this owner. Returns their ids, oldest
    /// first; those are missing with which somebody else was faster, or is about to be. After an error they may have been
    /// taken or not.
    pub async fn claim_queued(
        &self,
        owner: Owner,
        workflow_id: i64,
        executions: &[i64],
        now: DateTime<Utc>,
    ) -> Result<Vec<i64>, DbErr> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        match self.try_to_claim(owner, workflow_id, executions, now).await {
            // Whoever wins a deadlock has changed some of them. The others are still there.
            Err(err) if Fault::of(&err) == Fault::Race => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    async fn try_to_claim(
        &self,
        owner: Owner,
        workflow_id: i64,
        executions: &[i64],
        now: DateTime<Utc>,
    ) -> Result<Vec<i64>, DbErr> {
        let tx = self.begin().await?;
        if !self.fence(&tx, owner).await? {
            return Ok(Vec::new());
        }
        let free = self.lock_queued(&tx, executions).await?;
        self.start_executions(&tx, &free, now).await?;
        let lease = Lease { workflow_id, ..Lease::default() };
        let leases: Vec<(i64, &Lease)> = free.iter().map(|id| (*id, &lease)).collect();
        self.write_leases(&tx, &leases, Some(owner)).await?;
        tx.commit().await?;
        Ok(free)
    }

    /// Locks those of some executions that are still queued. What somebody else has locked is about to be begun with, or
    /// to be ended: it is passed over.
    async fn lock_queued<C: ConnectionTrait>(&self, db: &C, executions: &[i64]) -> Result<Vec<i64>, DbErr> {
        let id = self.column("id");
        let mut select = Query::select();
        select
            .columns(self.columns(["id", "status", "dispatched", "startedAt"]))
            .from(self.table(Table::Executions))
            // By the primary key alone: locks on another index would get in the way of those who insert.
            .and_where(self.is_among(id.clone(), executions.iter().copied()))
            .order_by(id, sea_orm::Order::Asc);
        if self.codec.backend() != DbBackend::Sqlite {
            select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        let mut free = Vec::new();
        for row in db.query_all(&select).await? {
            let status: Option<i32> = row.try_get_by_index(1)?;
            let is_dispatched: Option<bool> = row.try_get_by_index(2)?;
            let started_at: Option<entity::Timestamp> = row.try_get_by_index(3)?;
            if status.is_none() && is_dispatched == Some(false) && started_at.is_none() {
                free.push(row.try_get_by_index(0)?);
            }
        }
        Ok(free)
    }

    fn only_queued(&self, select: &mut SelectStatement) {
        select
            .and_where(Expr::col(self.column("dispatched")).eq(false))
            .and_where(Expr::col(self.column("status")).is_null())
            .and_where(Expr::col(self.column("startedAt")).is_null());
    }
}
