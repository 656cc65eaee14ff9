//! Rows of `jobs`.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::Store;

/// A row to be inserted. JSON columns are texts; `None` is SQL NULL.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub id: i64,
    pub execution_id: i64,
    pub node_id: i64,
    pub node_key: String,
    pub upstream_id: Option<i64>,
    pub status: i32,
    pub result: Option<String>,
    pub meta: Option<String>,
    pub log: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
}

/// What changes in a row that exists. NocoBase leaves `updatedAt` and `log` alone here, so sidehook does.
#[derive(Clone, Debug, PartialEq)]
pub struct JobUpdate {
    pub id: i64,
    pub status: i32,
    pub result: Option<String>,
    pub meta: Option<String>,
}

/// The columns of a row that is inserted, in the order of its values.
pub(super) const COLUMNS: [&str; 12] = [
    "id",
    "createdAt",
    "updatedAt",
    "executionId",
    "nodeId",
    "nodeKey",
    "upstreamId",
    "status",
    "result",
    "meta",
    "log",
    "startedAt",
];

impl Store {
    pub(super) async fn insert_jobs<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&NewJob],
    ) -> Result<(), DbErr> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.codec.backend() == DbBackend::Postgres {
            return self.unnest_jobs(db, rows).await;
        }
        for rows in rows.chunks(self.codec.bind_limit() / COLUMNS.len()) {
            let mut insert = Query::insert();
            insert.into_table(self.table(Table::Jobs)).columns(self.columns(COLUMNS));
            for row in rows {
                insert.values_panic([
                    row.id.into(),
                    self.codec.time(row.created_at),
                    self.codec.time(row.created_at),
                    row.execution_id.into(),
                    row.node_id.into(),
                    Expr::val(&row.node_key),
                    row.upstream_id.into(),
                    row.status.into(),
                    self.codec.json(row.result.clone()),
                    self.codec.json(row.meta.clone()),
                    Expr::val(row.log.clone()),
                    self.codec.optional_time(row.started_at),
                ]);
            }
            db.execute(&insert).await?;
        }
        Ok(())
    }

    pub(super) async fn update_job<C: ConnectionTrait>(&self, db: &C, row: &JobUpdate) -> Result<(), DbErr> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Jobs))
            .value(self.column("status"), row.status)
            .value(self.column("result"), self.codec.json(row.result.clone()))
            .value(self.column("meta"), self.codec.json(row.meta.clone()))
            .and_where(Expr::col(self.column("id")).eq(row.id));
        db.execute(&update).await.map(drop)
    }

    pub(super) async fn has_job(&self, id: i64) -> Result<bool, DbErr> {
        let mut select = Query::select();
        select
            .column(self.column("id"))
            .from(self.table(Table::Jobs))
            .and_where(Expr::col(self.column("id")).eq(id));
        Ok(self.db.query_one(&select).await?.is_some())
    }

    /// Deletes all jobs of some executions.
    pub(super) async fn delete_jobs_of<C: ConnectionTrait>(
        &self,
        db: &C,
        executions: &[i64],
    ) -> Result<(), DbErr> {
        if executions.is_empty() {
            return Ok(());
        }
        let mut delete = Query::delete();
        delete
            .from_table(self.table(Table::Jobs))
            .and_where(Expr::col(self.column("executionId")).is_in(executions.iter().copied()));
        db.execute(&delete).await.map(drop)
    }
}
