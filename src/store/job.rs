//! Rows of `jobs`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::Table;
use entity::status::job::{ABORTED, PENDING};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::Store;
use super::insert::{Column, Get, fields};
use super::update::Change;

/// A row to be inserted. JSON columns are texts; `None` is SQL NULL.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub id: i64,
    pub execution_id: i64,
    pub node_id: i64,
    pub node_key: String,
    pub upstream_id: Option<i64>,
    pub status: i32,
    pub result: Option<Arc<str>>,
    pub meta: Option<Arc<str>>,
    pub log: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
}

/// What changes in a row that exists. As in NocoBase `log` never does, and `updatedAt` only where work in the
/// background has settled the job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobUpdate {
    pub id: i64,
    pub status: i32,
    pub result: Option<Arc<str>>,
    pub meta: Option<Arc<str>>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// The columns of a row that is inserted.
const COLUMNS: [Column<NewJob>; 12] = [
    Column::new("id", Get::Id(|row| Some(row.id))),
    Column::new("createdAt", Get::Time(|row| Some(row.created_at))),
    Column::new("updatedAt", Get::Time(|row| Some(row.created_at))),
    Column::new("executionId", Get::Id(|row| Some(row.execution_id))),
    Column::new("nodeId", Get::Id(|row| Some(row.node_id))),
    Column::new("nodeKey", Get::Text(|row| Some(&row.node_key))),
    Column::or_null("upstreamId", Get::Id(|row| row.upstream_id)),
    Column::new("status", Get::Status(|row| Some(row.status))),
    Column::or_null("result", Get::Json(|row| row.result.as_deref())),
    Column::or_null("meta", Get::Json(|row| row.meta.as_deref())),
    Column::or_null("log", Get::Text(|row| row.log.as_deref())),
    Column::or_null("startedAt", Get::Time(|row| row.started_at)),
];

/// The columns of a row that changes.
const CHANGES: [Change<JobUpdate>; 5] = [
    Change::key("id", Get::Id(|row| Some(row.id))),
    Change::always("status", Get::Status(|row| Some(row.status))),
    Change::always("result", Get::Json(|row| row.result.as_deref())),
    Change::always("meta", Get::Json(|row| row.meta.as_deref())),
    Change::given("updatedAt", Get::Time(|row| row.updated_at)),
];

/// The fields of a row that is inserted.
pub(super) const FIELDS: [&str; 12] = fields(&COLUMNS);

impl Store {
    pub(super) async fn insert_jobs<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&NewJob],
    ) -> Result<(), DbErr> {
        self.insert_rows(db, Table::Jobs, &COLUMNS, rows).await
    }

    pub(super) async fn update_jobs<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&JobUpdate],
    ) -> Result<(), DbErr> {
        self.update_rows(db, Table::Jobs, &CHANGES, rows).await
    }

    /// Changes a job of an execution that was ended by somebody else: what that has aborted stays aborted,
    /// and nothing stays pending.
    pub(super) async fn update_late_job<C: ConnectionTrait>(
        &self,
        db: &C,
        row: &JobUpdate,
    ) -> Result<(), DbErr> {
        let status = if row.status == PENDING { ABORTED } else { row.status };
        let mut update = self.update_of(Table::Jobs, &CHANGES, &JobUpdate { status, ..row.clone() });
        update.and_where(Expr::col(self.column("status")).eq(PENDING));
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
            .and_where(self.is_among(self.column("executionId"), executions.iter().copied()));
        db.execute(&delete).await.map(drop)
    }
}
