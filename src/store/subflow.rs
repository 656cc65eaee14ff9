//! Executions that others have called by subflow nodes: which version of a workflow is called, how deep it is, how one has
//! ended, and how its caller is woken.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::status::execution::{ABORTED, STARTED};
use entity::status::{job, reason};
use entity::{JsonText, Table, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr};

use super::{Store, own_column};

/// A workflow that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callable {
    pub is_sync: bool,
    pub is_enabled: bool,
}

/// An execution that was called.
#[derive(Clone, Debug)]
pub struct Called {
    /// `None` while queueing.
    pub status: Option<i32>,
    pub output: Option<JsonText>,
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The version of a workflow that is called by its key, enabled or not: the current one, else the newest that is
    /// enabled.
    pub async fn version_to_call(&self, key: &str) -> Result<Option<i64>, DbErr> {
        let mut select = Query::select();
        select
            .columns(self.columns(["id", "current", "enabled"]))
            .from(self.table(Table::Workflows))
            .and_where(Expr::col(self.column("key")).eq(key));
        let rows = self.db.query_all(&select).await?;
        let read = |row: &sea_orm::QueryResult| -> Result<(bool, bool, i64), DbErr> {
            let flag =
                |index| Ok::<_, DbErr>(row.try_get_by_index::<Option<bool>>(index)?.unwrap_or_default());
            Ok((flag(1)?, flag(2)?, row.try_get_by_index(0)?))
        };
        let versions: Vec<(bool, bool, i64)> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let callable = versions.into_iter().filter(|(is_current, is_enabled, _)| *is_current || *is_enabled);
        Ok(callable.max().map(|(.., id)| id))
    }

    /// All workflows that can be called, by their keys.
    pub async fn callable_workflows(&self) -> Result<BTreeMap<String, Callable>, DbErr> {
        let mut select = Query::select();
        select
            .columns(self.columns(["key", "sync", "enabled", "current"]))
            .from(self.table(Table::Workflows))
            .order_by(self.column("current"), sea_orm::Order::Asc);
        let mut callable = BTreeMap::new();
        for row in self.db.query_all(&select).await? {
            let flag =
                |index| Ok::<_, DbErr>(row.try_get_by_index::<Option<bool>>(index)?.unwrap_or_default());
            let (is_sync, is_enabled, is_current) = (flag(1)?, flag(2)?, flag(3)?);
            if let Some(key) = row.try_get_by_index::<Option<String>>(0)?.filter(|_| is_enabled || is_current)
                && (is_current || !callable.contains_key(&key))
            {
                callable.insert(key, Callable { is_sync, is_enabled });
            }
        }
        Ok(callable)
    }

    /// How many of some executions are of a workflow version.
    pub async fn count_of_version(&self, workflow_id: i64, executions: &[i64]) -> Result<i64, DbErr> {
        let mut select = Query::select();
        select
            .expr(Expr::col(self.column("id")).count())
            .from(self.table(Table::Executions))
            .and_where(Expr::col(self.column("workflowId")).eq(workflow_id))
            .and_where(self.is_among(self.column("id"), executions.iter().copied()));
        let row = self.db.query_one(&select).await?;
        row.map_or(Ok(0), |row| row.try_get_by_index(0))
    }

    /// The execution of an event key, with its output.
    pub async fn find_called(&self, event_key: &str) -> Result<Option<Called>, DbErr> {
        let mut select = Query::select();
        select
            .columns(self.columns(["status", "createdAt"]))
            .expr(self.codec.json_column(self.column("output")))
            .from(self.table(Table::Executions))
            .and_where(Expr::col(self.column("eventKey")).eq(event_key));
        let Some(row) = self.db.query_one(&select).await? else { return Ok(None) };
        let created_at: Option<Timestamp> = row.try_get_by_index(1)?;
        Ok(Some(Called {
            status: row.try_get_by_index(0)?,
            output: row.try_get_by_index(2)?,
            created_at: created_at.map(|time| self.codec.read_time(time)).unwrap_or_default(),
        }))
    }

    /// Makes due what an execution has called another one for that has ended. Returns the workflow of the caller, where it
    /// may be waiting for nobody in particular.
    pub async fn wake_caller(&self, called: i64, now: DateTime<Utc>) -> Result<Option<i64>, DbErr> {
        let mut select = Query::select();
        select
            .column(self.column("parentExecutionId"))
            .from(self.table(Table::Executions))
            .and_where(Expr::col(self.column("id")).eq(called));
        let row = self.db.query_one(&select).await?;
        let caller: Option<Option<i64>> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        let Some(caller) = caller.flatten() else { return Ok(None) };
        let now = now.timestamp_millis();
        let mut update = Query::update();
        update
            .table(self.table(Table::Timers))
            .value(own_column("due_at"), now)
            .and_where(Expr::col(own_column("execution_id")).eq(caller))
            .and_where(Expr::col(own_column("node_id")).in_subquery(self.subflow_nodes()));
        self.db.execute(&update).await?;
        let mut update = Query::update();
        update
            .table(self.table(Table::Leases))
            .value(own_column("due_at"), now)
            .and_where(Expr::col(own_column("execution_id")).eq(caller))
            .and_where(Expr::col(own_column("instance_id")).is_null())
            .and_where(Expr::col(own_column("due_at")).gt(now));
        if self.db.execute(&update).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let states = self.find_states(&[caller]).await?;
        Ok(states.first().and_then(|state| state.workflow_id))
    }

    fn subflow_nodes(&self) -> SelectStatement {
        let mut select = Query::select();
        select
            .column(self.column("id"))
            .from(self.table(Table::FlowNodes))
            .and_where(Expr::col(self.column("type")).eq("subflow"));
        select
    }

    /// Aborts what an execution has called and what that has called in turn, as far as it is not over: as NocoBase does
    /// with the children of an execution that it aborts. Returns how many were aborted.
    pub async fn abort_called(&self, caller: i64, now: DateTime<Utc>) -> Result<u64, DbErr> {
        let is_open = || {
            let status = Expr::col(self.column("status"));
            status.clone().is_null().or(status.eq(STARTED))
        };
        let tx = self.begin().await?;
        let (mut callers, mut aborted) = (vec![caller], 0);
        while !callers.is_empty() {
            let mut select = Query::select();
            select
                .column(self.column("id"))
                .from(self.table(Table::Executions))
                .and_where(self.is_among(self.column("parentExecutionId"), callers))
                .and_where(is_open())
                .order_by(self.column("id"), sea_orm::Order::Asc);
            let rows = tx.query_all(&select).await?;
            let open: Vec<i64> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
            if open.is_empty() {
                break;
            }
            let mut update = Query::update();
            update
                .table(self.table(Table::Executions))
                .value(self.column("status"), ABORTED)
                .value(self.column("reason"), reason::PARENT_ABORTED)
                .value(self.column("updatedAt"), self.codec.time(now))
                .and_where(self.is_among(self.column("id"), open.iter().copied()))
                .and_where(is_open());
            aborted += tx.execute(&update).await?.rows_affected();
            let mut update = Query::update();
            update
                .table(self.table(Table::Jobs))
                .value(self.column("status"), job::ABORTED)
                .and_where(self.is_among(self.column("executionId"), open.iter().copied()))
                .and_where(Expr::col(self.column("status")).eq(job::PENDING));
            tx.execute(&update).await?;
            callers = open;
        }
        tx.commit().await?;
        Ok(aborted)
    }
}
