//! Jobs that an earlier run of an execution has left, as far as going on needs them: not all that a long loop has had.

use std::collections::{HashMap, HashSet};

use entity::status::job::PENDING;
use entity::{Table, job};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, WindowStatement};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, JoinType, Order, QueryResult};

use super::Store;

/// At most so many pending jobs of an execution are read. Those of branches that wait are few; more than these are
/// work that loops have left behind, round by round, and of it the newest counts.
const PENDING_JOBS: u64 = 10_000;

/// A job of an execution in which nobody runs.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftJob {
    pub row: job::Model,
    /// Which of the jobs of its node it is, from 1.
    pub run: u32,
}

impl Store {
    /// The newest job of each node of an execution, by id. Its `run` is how many jobs the node has had.
    pub async fn newest_jobs(&self, execution_id: i64) -> Result<Vec<LeftJob>, DbErr> {
        let (newest, runs) = (Alias::new("newest"), Alias::new("run"));
        let mut per_node = Query::select();
        per_node
            .expr_as(Expr::col(self.column("id")).max(), newest.clone())
            .expr_as(Expr::col(self.column("id")).count(), runs.clone())
            .from(self.table(Table::Jobs))
            .and_where(Expr::col(self.column("executionId")).eq(execution_id))
            .group_by_col(self.column("nodeId"));
        let per_node_name = Alias::new("per_node");
        let mut select = self.select_jobs();
        select.column(runs).join_subquery(
            JoinType::InnerJoin,
            per_node,
            per_node_name.clone(),
            Expr::col(self.column("id")).equals((per_node_name, newest)),
        );
        select.order_by(self.column("id"), Order::Asc);
        let rows = self.db.query_all(&select).await?;
        let newest = |row: &QueryResult| {
            Ok(LeftJob { row: job::Model::from_query_result(row, "")?, run: count(row.try_get("", "run")?) })
        };
        rows.iter().map(newest).collect()
    }

    /// What a run needs to go on, by id: the newest job of each node, the pending ones that are older (a loop goes on
    /// beside the losers of a race), those that are named, and the job before each pending one.
    pub async fn jobs_to_go_on(&self, execution_id: i64, named: &[i64]) -> Result<Vec<LeftJob>, DbErr> {
        let mut jobs = self.newest_jobs(execution_id).await?;
        let mut older = self.pending_jobs(execution_id).await?;
        if older.len() as u64 == PENDING_JOBS {
            tracing::warn!(
                execution.id = execution_id,
                "only the newest of very many pending jobs are followed"
            );
        }
        let mut wanted: HashSet<i64> = older.iter().filter_map(|row| row.upstream_id).collect();
        wanted.extend(named);
        let newest: HashSet<i64> = jobs.iter().map(|job| job.row.id).collect();
        older.retain(|row| !newest.contains(&row.id));
        for known in newest.iter().chain(older.iter().map(|row| &row.id)) {
            wanted.remove(known);
        }
        older.extend(self.jobs_among(execution_id, wanted.into_iter().collect()).await?);
        jobs.extend(self.numbered(execution_id, older).await?);
        jobs.sort_unstable_by_key(|job| job.row.id);
        Ok(jobs)
    }

    /// The newest pending jobs of an execution.
    async fn pending_jobs(&self, execution_id: i64) -> Result<Vec<job::Model>, DbErr> {
        let mut select = self.select_jobs();
        select
            .and_where(Expr::col(self.column("executionId")).eq(execution_id))
            .and_where(Expr::col(self.column("status")).eq(PENDING))
            .order_by(self.column("id"), Order::Desc)
            .limit(PENDING_JOBS);
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| job::Model::from_query_result(row, "")).collect()
    }

    /// Those of some jobs that an execution has.
    async fn jobs_among(&self, execution_id: i64, ids: Vec<i64>) -> Result<Vec<job::Model>, DbErr> {
        let mut jobs = Vec::new();
        for ids in ids.chunks(self.codec.bind_limit() - 1) {
            let mut select = self.select_jobs();
            select
                .and_where(Expr::col(self.column("executionId")).eq(execution_id))
                .and_where(Expr::col(self.column("id")).is_in(ids.iter().copied()));
            for row in self.db.query_all(&select).await? {
                jobs.push(job::Model::from_query_result(&row, "")?);
            }
        }
        Ok(jobs)
    }

    /// Finds out which of the jobs of its node each of these is.
    async fn numbered(&self, execution_id: i64, jobs: Vec<job::Model>) -> Result<Vec<LeftJob>, DbErr> {
        let (id, run, all) = (self.column("id"), Alias::new("run"), Alias::new("numbered"));
        let ids: Vec<i64> = jobs.iter().map(|row| row.id).collect();
        let mut numbers: HashMap<i64, u32> = HashMap::new();
        for ids in ids.chunks(self.codec.bind_limit() - 1) {
            let mut window = WindowStatement::partition_by(self.column("nodeId"));
            window.order_by(id.clone(), Order::Asc);
            let mut per_node = Query::select();
            per_node
                .column(id.clone())
                // ROW_NUMBER() has no sign on MySQL, which is another type.
                .expr_window_as(Expr::col(id.clone()).count(), window, run.clone())
                .from(self.table(Table::Jobs))
                .and_where(Expr::col(self.column("executionId")).eq(execution_id));
            let mut select = Query::select();
            select
                .columns([id.clone(), run.clone()])
                .from_subquery(per_node, all.clone())
                .and_where(Expr::col(id.clone()).is_in(ids.iter().copied()));
            for row in self.db.query_all(&select).await? {
                numbers.insert(row.try_get_by_index(0)?, count(row.try_get_by_index(1)?));
            }
        }
        let numbered = |row: job::Model| LeftJob { run: numbers.get(&row.id).copied().unwrap_or(1), row };
        Ok(jobs.into_iter().map(numbered).collect())
    }

    fn select_jobs(&self) -> SelectStatement {
        let mut select = Query::select();
        self.select(&mut select, &["id", "executionId", "nodeId", "nodeKey", "upstreamId", "status"]);
        self.select_json(&mut select, &["meta", "result"]);
        select.from(self.table(Table::Jobs));
        select
    }
}

fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
