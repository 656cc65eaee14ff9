//! `sidehook_timers`: pending jobs that wait for a time. NocoBase resumes every pending delay that it sees in
//! `jobs` when it starts, so as a rule such a job gets its row there only when it is over.

use chrono::{DateTime, Utc};
use entity::status::job::ABORTED;
use entity::{Table, timer};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::job::NewJob;
use super::{Store, own_column as column};

const COLUMNS: [&str; 9] = [
    "job_id",
    "execution_id",
    "node_id",
    "node_key",
    "upstream_id",
    "result",
    "created_at",
    "due_at",
    "is_visible",
];

impl Store {
    pub(super) async fn insert_timers<C: ConnectionTrait>(
        &self,
        db: &C,
        timers: &[&timer::Model],
    ) -> Result<(), DbErr> {
        for timers in timers.chunks(self.codec.bind_limit() / COLUMNS.len()) {
            let mut insert = Query::insert();
            insert.into_table(self.table(Table::Timers)).columns(COLUMNS.map(column));
            for row in timers {
                insert.values_panic([
                    row.job_id.into(),
                    row.execution_id.into(),
                    row.node_id.into(),
                    Expr::val(&row.node_key),
                    row.upstream_id.into(),
                    Expr::val(row.result.clone()),
                    row.created_at.into(),
                    row.due_at.into(),
                    row.is_visible.into(),
                ]);
            }
            let again = OnConflict::column(column("job_id")).update_column(column("due_at")).to_owned();
            insert.on_conflict(again);
            db.execute(&insert).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_timers<C: ConnectionTrait>(&self, db: &C, jobs: &[i64]) -> Result<(), DbErr> {
        for jobs in jobs.chunks(self.codec.bind_limit()) {
            let mut delete = Query::delete();
            delete
                .from_table(self.table(Table::Timers))
                .and_where(self.is_among(column("job_id"), jobs.iter().copied()));
            db.execute(&delete).await?;
        }
        Ok(())
    }

    /// Removes the leases and timers of executions that run no further. Where somebody else has ended one
    /// (`over`), its jobs that waited without a row get theirs, aborted like all that NocoBase saw pending.
    pub async fn end_waits(&self, executions: &[i64], over: &[i64]) -> Result<(), DbErr> {
        if executions.is_empty() {
            return Ok(());
        }
        let mut hidden: Vec<NewJob> = Vec::new();
        for id in over {
            hidden.extend(self.find_timers(*id).await?.into_iter().filter_map(aborted));
        }
        let tx = self.begin().await?;
        self.insert_jobs(&tx, &hidden.iter().collect::<Vec<_>>()).await?;
        self.delete_leases(&tx, executions).await?;
        for executions in executions.chunks(self.codec.bind_limit()) {
            let mut delete = Query::delete();
            delete
                .from_table(self.table(Table::Timers))
                .and_where(self.is_among(column("execution_id"), executions.iter().copied()));
            tx.execute(&delete).await?;
        }
        tx.commit().await
    }

    /// The timers of an execution, by job id.
    pub async fn find_timers(&self, execution_id: i64) -> Result<Vec<timer::Model>, DbErr> {
        let mut select = Query::select();
        select
            .columns(COLUMNS.map(column))
            .from(self.table(Table::Timers))
            .and_where(Expr::col(column("execution_id")).eq(execution_id))
            .order_by(column("job_id"), sea_orm::Order::Asc);
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| timer::Model::from_query_result(row, "")).collect()
    }
}

/// The row of a job that had none while it waited.
fn aborted(timer: timer::Model) -> Option<NewJob> {
    let created_at = DateTime::<Utc>::from_timestamp_millis(timer.created_at)?;
    (!timer.is_visible).then_some(NewJob {
        id: timer.job_id,
        execution_id: timer.execution_id,
        node_id: timer.node_id,
        node_key: timer.node_key,
        upstream_id: timer.upstream_id,
        status: ABORTED,
        result: timer.result.map(Into::into),
        meta: None,
        log: None,
        created_at,
        started_at: Some(created_at),
    })
}
