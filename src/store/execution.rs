//! Rows of `executions`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::{Table, Timestamp, execution};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, QueryResult};

use super::Store;
use super::insert::{Column, Get};
use super::update::Change;

/// A row to be inserted. JSON columns are texts. By default one that queues, without a caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewExecution {
    pub id: i64,
    pub workflow_id: i64,
    pub key: String,
    pub event_key: String,
    pub context: String,
    /// `None` while queueing.
    pub status: Option<i32>,
    pub reason: Option<String>,
    pub output: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    /// The execution that has called this one.
    pub parent_execution_id: Option<i64>,
    /// That one and those above it, as JSON.
    pub stack: Option<String>,
}

impl NewExecution {
    /// The row of an execution that has yet to be begun with.
    pub(crate) fn queue(&mut self) {
        (self.status, self.started_at, self.expires_at) = (None, None, None);
    }
}

/// What changes in a row that exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecutionUpdate {
    /// The outer option: whether the column is set at all.
    pub output: Option<Option<String>>,
    /// The final status.
    pub status: Option<i32>,
    pub reason: Option<String>,
}

/// Where an execution stands.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub id: i64,
    pub workflow_id: Option<i64>,
    /// `None` while queueing.
    pub status: Option<i32>,
    pub created_at: Option<DateTime<Utc>>,
}

/// The columns of a row that is inserted. All are marked as dispatched: NocoBase takes over any that are not.
const COLUMNS: [Column<NewExecution>; 15] = [
    Column::new("id", Get::Id(|row| Some(row.id))),
    Column::new("createdAt", Get::Time(|row| Some(row.created_at))),
    Column::new("updatedAt", Get::Time(|row| Some(row.updated_at))),
    Column::new("workflowId", Get::Id(|row| Some(row.workflow_id))),
    Column::new("key", Get::Text(|row| Some(&row.key))),
    Column::new("eventKey", Get::Text(|row| Some(&row.event_key))),
    Column::new("context", Get::Json(|row| Some(&row.context))),
    Column::or_null("status", Get::Status(|row| row.status)),
    Column::or_null("reason", Get::Text(|row| row.reason.as_deref())),
    Column::or_null("output", Get::Json(|row| row.output.as_deref())),
    Column::or_null("startedAt", Get::Time(|row| row.started_at)),
    Column::or_null("expiresAt", Get::Time(|row| row.expires_at)),
    Column::or_null("parentExecutionId", Get::Id(|row| row.parent_execution_id)),
    Column::or_null("stack", Get::Json(|row| row.stack.as_deref())),
    Column::new("dispatched", Get::True),
];

/// A row that changes.
struct Changed<'a> {
    id: i64,
    update: &'a ExecutionUpdate,
    now: DateTime<Utc>,
}

fn changes<'a>() -> [Change<Changed<'a>>; 5] {
    [
        Change::key("id", Get::Id(|row| Some(row.id))),
        Change::always("updatedAt", Get::Time(|row| Some(row.now))),
        Change::given("status", Get::Status(|row| row.update.status)),
        Change::given("reason", Get::Text(|row| row.update.reason.as_deref())),
        Change::where_set(
            "output",
            |row| Some(row.update.output.is_some()),
            Get::Json(|row| row.update.output.as_ref()?.as_deref()),
        ),
    ]
}

/// What is read of an execution that is to run, beside its context.
pub(super) const READ: [&str; 8] =
    ["id", "workflowId", "key", "eventKey", "status", "dispatched", "startedAt", "expiresAt"];
pub(super) const READ_JSON: [&str; 2] = ["stack", "output"];

impl Store {
    pub(super) async fn insert_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&NewExecution],
    ) -> Result<(), DbErr> {
        self.insert_rows(db, Table::Executions, &COLUMNS, rows).await
    }

    /// Locks rows and returns their ids with their statuses; ids that are missing have been deleted.
    pub(super) async fn lock_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        ids: &[i64],
    ) -> Result<Vec<(i64, Option<i32>)>, DbErr> {
        self.lock_rows(db, ids, None).await
    }

    /// The same for those rows that nobody else has locked.
    pub(super) async fn lock_free_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        ids: &[i64],
    ) -> Result<Vec<(i64, Option<i32>)>, DbErr> {
        self.lock_rows(db, ids, Some(LockBehavior::SkipLocked)).await
    }

    async fn lock_rows<C: ConnectionTrait>(
        &self,
        db: &C,
        ids: &[i64],
        of_others: Option<LockBehavior>,
    ) -> Result<Vec<(i64, Option<i32>)>, DbErr> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let id = self.column("id");
        let mut select = Query::select();
        select
            .columns(self.columns(["id", "status"]))
            .from(self.table(Table::Executions))
            .and_where(self.is_among(id.clone(), ids.iter().copied()))
            .order_by(id, sea_orm::Order::Asc);
        match of_others {
            _ if self.codec.backend() == DbBackend::Sqlite => {}
            Some(behavior) => drop(select.lock_with_behavior(LockType::Update, behavior)),
            None => drop(select.lock_exclusive()),
        }
        let rows = db.query_all(&select).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Changes rows that have been locked before and found started.
    pub(super) async fn update_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        changed: &[(i64, &ExecutionUpdate)],
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let changed: Vec<_> = changed.iter().map(|(id, update)| Changed { id: *id, update, now }).collect();
        self.update_rows(db, Table::Executions, &changes(), &changed.iter().collect::<Vec<_>>()).await
    }

    pub(super) async fn delete_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        ids: &[i64],
    ) -> Result<(), DbErr> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut delete = Query::delete();
        delete
            .from_table(self.table(Table::Executions))
            .and_where(self.is_among(self.column("id"), ids.iter().copied()));
        db.execute(&delete).await.map(drop)
    }

    /// Executions by their ids, oldest first; those that are gone are missing.
    pub async fn find_executions(&self, ids: &[i64]) -> Result<Vec<execution::Model>, DbErr> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Query::select();
        self.select(&mut select, &READ);
        self.select_json(&mut select, &["context"]);
        self.select_json(&mut select, &READ_JSON);
        select
            .from(self.table(Table::Executions))
            .and_where(self.is_among(self.column("id"), ids.iter().copied()))
            .order_by(self.column("id"), sea_orm::Order::Asc);
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| execution::Model::from_query_result(row, "")).collect()
    }

    /// Gives another key to an execution that has ended: the old one with its id, by which it can still be found.
    pub(super) async fn free_event_key<C: ConnectionTrait>(
        &self,
        db: &C,
        execution_id: i64,
        event_key: &str,
    ) -> Result<(), DbErr> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Executions))
            .value(self.column("eventKey"), format!("{event_key}#{execution_id}"))
            .and_where(Expr::col(self.column("id")).eq(execution_id))
            .and_where(Expr::col(self.column("eventKey")).eq(event_key))
            .and_where(Expr::col(self.column("status")).ne(STARTED));
        db.execute(&update).await.map(drop)
    }

    /// The execution of an event.
    pub async fn find_by_event_key(&self, event_key: &str) -> Result<Option<State>, DbErr> {
        Ok(self.states(Expr::col(self.column("eventKey")).eq(event_key)).await?.pop())
    }

    /// The ids of the executions that have some of these event keys, with the keys.
    pub(super) async fn find_holders(&self, event_keys: &[&str]) -> Result<Vec<(i64, String)>, DbErr> {
        if event_keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Query::select();
        self.select(&mut select, &["id", "eventKey"]);
        select
            .from(self.table(Table::Executions))
            .and_where(Expr::col(self.column("eventKey")).is_in(event_keys.iter().copied()));
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Where executions stand; those that are gone are missing.
    pub async fn find_states(&self, ids: &[i64]) -> Result<Vec<State>, DbErr> {
        self.states(self.is_among(self.column("id"), ids.iter().copied())).await
    }

    async fn states(&self, which: Expr) -> Result<Vec<State>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["id", "workflowId", "status", "createdAt"]);
        select.from(self.table(Table::Executions)).and_where(which);
        let rows = self.db.query_all(&select).await?;
        let state = |row: &QueryResult| {
            let created_at: Option<Timestamp> = row.try_get_by_index(3)?;
            Ok(State {
                id: row.try_get_by_index(0)?,
                workflow_id: row.try_get_by_index(1)?,
                status: row.try_get_by_index(2)?,
                created_at: created_at.map(|time| self.codec.read_time(time)),
            })
        };
        rows.iter().map(state).collect()
    }

    /// Marks executions as started that have been locked before and found queueing.
    pub(super) async fn start_executions<C: ConnectionTrait>(
        &self,
        db: &C,
        ids: &[i64],
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        if ids.is_empty() {
            return Ok(());
        }
        let which = self.is_among(self.column("id"), ids.iter().copied());
        db.execute(&self.starting(which, now)).await.map(drop)
    }

    /// Starts executions whose ids are among the given ones.
    pub(super) fn starting(&self, which: Expr, now: DateTime<Utc>) -> UpdateStatement {
        let mut update = Query::update();
        update
            .table(self.table(Table::Executions))
            .value(self.column("dispatched"), true)
            .value(self.column("status"), STARTED)
            .value(self.column("startedAt"), self.codec.time(now))
            .value(self.column("updatedAt"), self.codec.time(now))
            .and_where(which);
        update
    }

    /// Sets when an execution has to be over.
    pub async fn set_expiry(&self, id: i64, expires_at: DateTime<Utc>) -> Result<(), DbErr> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Executions))
            .value(self.column("expiresAt"), self.codec.time(expires_at))
            .and_where(Expr::col(self.column("id")).eq(id));
        self.db.execute(&update).await.map(drop)
    }

    /// Those of the given executions that somebody else has ended or deleted.
    pub async fn ended_among(&self, ids: &[i64]) -> Result<Vec<i64>, DbErr> {
        let mut ended = Vec::new();
        for ids in ids.chunks(self.codec.bind_limit()) {
            let status = Expr::col(self.column("status"));
            let mut select = Query::select();
            select
                .column(self.column("id"))
                .from(self.table(Table::Executions))
                .and_where(self.is_among(self.column("id"), ids.iter().copied()))
                // Without a status it has yet to begin.
                .and_where(status.clone().is_null().or(status.eq(STARTED)));
            let rows = self.db.query_all(&select).await?;
            let open: Result<HashSet<i64>, DbErr> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
            let open = open?;
            ended.extend(ids.iter().filter(|id| !open.contains(id)));
        }
        Ok(ended)
    }
}
