//! Executions of the past, for those who look at them. NocoBase's screen shows the same rows.

use chrono::{DateTime, Utc};
use entity::{JsonText, Table, Timestamp, job};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, JoinType, Order, QueryResult};

use super::Store;
use super::job::NewJob;

/// Which executions are asked for; everything that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    pub key: Option<String>,
    /// `executions.status`; an inner none is one that waits for its turn.
    pub statuses: Option<Vec<Option<i32>>>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    pub id: Option<i64>,
}

/// An execution in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    pub id: i64,
    pub workflow_id: Option<i64>,
    pub key: Option<String>,
    /// The workflow's.
    pub title: Option<String>,
    pub status: Option<i32>,
    pub reason: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The newest executions, newest first, at most `limit`.
    pub async fn past_executions(&self, filter: &ExecutionFilter, limit: u64) -> Result<Vec<Past>, DbErr> {
        let (e, w) = (Alias::new("e"), Alias::new("w"));
        let mut select = Query::select();
        for field in ["id", "workflowId", "key", "status", "reason", "createdAt", "updatedAt", "startedAt"] {
            let name = Alias::new(entity::snake_case(field));
            select.expr_as(Expr::col((e.clone(), self.column(field))), name);
        }
        select.expr_as(Expr::col((w.clone(), self.column("title"))), Alias::new("title"));
        let same_workflow =
            Expr::col((w.clone(), self.column("id"))).equals((e.clone(), self.column("workflowId")));
        select
            .from_as(self.table(Table::Executions), e.clone())
            .join_as(JoinType::LeftJoin, self.table(Table::Workflows), w, same_workflow)
            .cond_where(self.holds(filter, &e))
            .order_by((e, self.column("id")), Order::Desc)
            .limit(limit);
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| self.past(row)).collect()
    }

    fn past(&self, row: &QueryResult) -> Result<Past, DbErr> {
        let time = |name: &str| -> Result<Option<DateTime<Utc>>, DbErr> {
            let stored: Option<Timestamp> = row.try_get("", name)?;
            Ok(stored.map(|stored| self.codec.read_time(stored)))
        };
        Ok(Past {
            id: row.try_get("", "id")?,
            workflow_id: row.try_get("", "workflow_id")?,
            key: row.try_get("", "key")?,
            title: row.try_get("", "title")?,
            status: row.try_get("", "status")?,
            reason: row.try_get("", "reason")?,
            created_at: time("created_at")?,
            updated_at: time("updated_at")?,
            started_at: time("started_at")?,
        })
    }

    /// All jobs of an execution, oldest first, each with the title of its node, at most `limit`.
    pub async fn past_jobs(
        &self,
        execution_id: i64,
        limit: u64,
    ) -> Result<Vec<(job::Model, Option<String>)>, DbErr> {
        let fields = ["id", "executionId", "nodeId", "nodeKey", "upstreamId", "status"];
        let rows = self.rows_of_jobs(&fields, execution_id, limit).await?;
        let jobs: Result<Vec<job::Model>, DbErr> =
            rows.iter().map(|row| job::Model::from_query_result(row, "")).collect();
        let jobs = jobs?;
        let mut nodes: Vec<i64> = jobs.iter().filter_map(|job| job.node_id).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let titles = self.node_titles(&nodes).await?;
        let title = |job: &job::Model| titles.iter().find(|(id, _)| Some(*id) == job.node_id)?.1.clone();
        Ok(jobs.into_iter().map(|job| (job.clone(), title(&job))).collect())
    }

    /// The jobs of an execution as rows that can be inserted for another, oldest first, at most `limit`; each with the
    /// time of its last change.
    pub async fn jobs_as_rows(
        &self,
        execution_id: i64,
        limit: u64,
    ) -> Result<Vec<(NewJob, DateTime<Utc>)>, DbErr> {
        let fields = [
            "id",
            "executionId",
            "nodeId",
            "nodeKey",
            "upstreamId",
            "status",
            "log",
            "createdAt",
            "updatedAt",
            "startedAt",
        ];
        let rows = self.rows_of_jobs(&fields, execution_id, limit).await?;
        rows.iter().map(|row| self.job_as_row(row)).collect()
    }

    /// These fields of the jobs of an execution, with `meta` and `result`, oldest first, at most `limit`.
    async fn rows_of_jobs(
        &self,
        fields: &[&str],
        execution_id: i64,
        limit: u64,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, fields);
        self.select_json(&mut select, &["meta", "result"]);
        select
            .from(self.table(Table::Jobs))
            .and_where(Expr::col(self.column("executionId")).eq(execution_id))
            .order_by(self.column("id"), Order::Asc)
            .limit(limit);
        self.db.query_all(&select).await
    }

    fn job_as_row(&self, row: &QueryResult) -> Result<(NewJob, DateTime<Utc>), DbErr> {
        let time = |name: &str| -> Result<Option<DateTime<Utc>>, DbErr> {
            let stored: Option<Timestamp> = row.try_get("", name)?;
            Ok(stored.map(|stored| self.codec.read_time(stored)))
        };
        let job = job::Model::from_query_result(row, "")?;
        let created_at = time("created_at")?.unwrap_or_default();
        let new = NewJob {
            id: job.id,
            execution_id: job.execution_id.unwrap_or_default(),
            node_id: job.node_id.unwrap_or_default(),
            node_key: job.node_key.unwrap_or_default(),
            upstream_id: job.upstream_id,
            status: job.status.unwrap_or_default(),
            result: job.result.map(|json| json.0.into()),
            meta: job.meta.map(|json| json.0.into()),
            log: row.try_get("", "log")?,
            created_at,
            started_at: time("started_at")?,
        };
        Ok((new, time("updated_at")?.unwrap_or(created_at)))
    }

    async fn node_titles(&self, nodes: &[i64]) -> Result<Vec<(i64, Option<String>)>, DbErr> {
        let mut titles = Vec::new();
        for nodes in nodes.chunks(self.codec.bind_limit()) {
            let mut select = Query::select();
            select
                .columns(self.columns(["id", "title"]))
                .from(self.table(Table::FlowNodes))
                .and_where(Expr::col(self.column("id")).is_in(nodes.iter().copied()));
            for row in self.db.query_all(&select).await? {
                titles.push((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
            }
        }
        Ok(titles)
    }

    /// That executions are those that a filter asks for.
    pub(super) fn holds(&self, filter: &ExecutionFilter, table: &Alias) -> Cond {
        let is = |field: &str| Expr::col((table.clone(), self.column(field)));
        let mut all = Cond::all();
        if let Some(key) = &filter.key {
            all = all.add(is("key").eq(key));
        }
        if let Some(id) = filter.id {
            all = all.add(is("id").eq(id));
        }
        if let Some(statuses) = &filter.statuses {
            let one = |status: &Option<i32>| match status {
                Some(status) => is("status").eq(*status),
                None => is("status").is_null(),
            };
            all = all.add(statuses.iter().fold(Cond::any(), |any, status| any.add(one(status))));
        }
        if let Some(time) = filter.created_from {
            all = all.add(is("createdAt").gte(self.codec.time(time)));
        }
        if let Some(time) = filter.created_before {
            all = all.add(is("createdAt").lt(self.codec.time(time)));
        }
        all
    }

    /// The context and the output of an execution, as JSON.
    pub async fn context_and_output(
        &self,
        id: i64,
    ) -> Result<Option<(Option<JsonText>, Option<JsonText>)>, DbErr> {
        let mut select = Query::select();
        self.select_json(&mut select, &["context", "output"]);
        select.from(self.table(Table::Executions)).and_where(Expr::col(self.column("id")).eq(id));
        let row = self.db.query_one(&select).await?;
        row.map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).transpose()
    }
}
