//! Removes executions of the past: once from the oldest to the newest that may be removed, in steps of a bounded size.

use std::vec::IntoIter;

use entity::Table;
use entity::status::execution::STARTED;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, JoinType, Order};

use super::Store;
use super::history::ExecutionFilter;

/// At most so many executions are removed in one transaction.
const REMOVED_AT_ONCE: usize = 500;
/// At most so many are looked at in one statement.
const READ_AT_ONCE: u64 = 2_000;

/// What may be removed of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removable {
    pub workflow_id: i64,
    pub key: String,
    pub title: String,
    pub executions: i64,
    /// The ids of the first and the last of them.
    pub ids: (i64, i64),
    /// The types of its nodes.
    pub node_types: Vec<String>,
}

/// A removal, and how far it has come. What it has passed it does not read again.
pub struct Removal {
    workflows: Vec<i64>,
    filter: ExecutionFilter,
    /// The ids that have yet to be looked through; none where the first is above the last.
    ids: (i64, i64),
    /// Those that come before them and may be removed.
    found: IntoIter<i64>,
}

impl Removal {
    /// Of what has been found for the same filter.
    pub fn new(removable: &[Removable], filter: ExecutionFilter) -> Self {
        let first = removable.iter().map(|one| one.ids.0).min();
        let last = removable.iter().map(|one| one.ids.1).max();
        Self {
            workflows: removable.iter().map(|one| one.workflow_id).collect(),
            filter,
            ids: first.zip(last).unwrap_or((1, 0)),
            found: Vec::new().into_iter(),
        }
    }

    /// Removes some of the oldest that are left, with their jobs, as NocoBase does it. Returns how many were removed, none
    /// where all that were found have been started anew; `None` when nothing is left.
    pub async fn step(&mut self, store: &Store) -> Result<Option<usize>, DbErr> {
        if self.found.len() == 0 {
            self.read(store).await?;
        }
        let next: Vec<i64> = self.found.by_ref().take(REMOVED_AT_ONCE).collect();
        if next.is_empty() { Ok(None) } else { store.remove_executions(&next, &self.filter).await.map(Some) }
    }

    /// Finds what comes next. That may take its time where much in between stays.
    async fn read(&mut self, store: &Store) -> Result<(), DbErr> {
        if self.ids.0 > self.ids.1 {
            return Ok(());
        }
        let e = Alias::new("e");
        let is = |field: &str| Expr::col((e.clone(), store.column(field)));
        let mut select = Query::select();
        select
            .expr(is("id"))
            .from_as(store.table(Table::Executions), e.clone())
            .and_where(is("workflowId").is_in(self.workflows.iter().copied()))
            .and_where(is("status").ne(STARTED))
            .cond_where(store.holds(&self.filter, &e))
            .and_where(is("id").gte(self.ids.0))
            .and_where(is("id").lte(self.ids.1))
            .order_by((e.clone(), store.column("id")), Order::Asc)
            .limit(READ_AT_ONCE);
        let rows = store.beside.query_all(&select).await?;
        let found: Vec<i64> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        self.ids.0 = found.last().map_or(i64::MAX, |last| last + 1);
        self.found = found.into_iter();
        Ok(())
    }
}

impl Store {
    /// How many executions of each webhook workflow may be removed: those that are over, as NocoBase has it
    /// (`plugin-workflow/src/server/actions/executions.ts`).
    pub async fn removable(&self, filter: &ExecutionFilter) -> Result<Vec<Removable>, DbErr> {
        let (e, w) = (Alias::new("e"), Alias::new("w"));
        let mut select = Query::select();
        let of = |table: &Alias, field: &str| (table.clone(), self.column(field));
        select
            .column(of(&w, "id"))
            .column(of(&w, "key"))
            .column(of(&w, "title"))
            .expr(Expr::col(of(&e, "id")).count())
            .expr(Expr::col(of(&e, "id")).min())
            .expr(Expr::col(of(&e, "id")).max())
            .from_as(self.table(Table::Executions), e.clone())
            .join_as(
                JoinType::InnerJoin,
                self.table(Table::Workflows),
                w.clone(),
                Expr::col(of(&w, "id")).equals(of(&e, "workflowId")),
            )
            .and_where(Expr::col(of(&w, "type")).eq("webhook"))
            .and_where(Expr::col(of(&e, "status")).ne(STARTED))
            .cond_where(self.holds(filter, &e))
            .group_by_columns([of(&w, "id"), of(&w, "key"), of(&w, "title")])
            .order_by(of(&w, "id"), Order::Asc);
        let mut removable = Vec::new();
        for row in self.db.query_all(&select).await? {
            let (workflow_id, title): (i64, Option<String>) =
                (row.try_get_by_index(0)?, row.try_get_by_index(2)?);
            removable.push(Removable {
                workflow_id,
                key: row.try_get_by_index(1)?,
                title: title.unwrap_or_default(),
                executions: row.try_get_by_index(3)?,
                ids: (row.try_get_by_index(4)?, row.try_get_by_index(5)?),
                node_types: self.node_types(workflow_id).await?,
            });
        }
        Ok(removable)
    }

    async fn node_types(&self, workflow_id: i64) -> Result<Vec<String>, DbErr> {
        let mut select = Query::select();
        select
            .distinct()
            .column(self.column("type"))
            .from(self.table(Table::FlowNodes))
            .and_where(Expr::col(self.column("workflowId")).eq(workflow_id));
        let rows = self.db.query_all(&select).await?;
        let types: Result<Vec<Option<String>>, DbErr> =
            rows.iter().map(|row| row.try_get_by_index(0)).collect();
        Ok(types?.into_iter().flatten().collect())
    }

    /// Removes executions that may be removed, with their jobs. Returns how many.
    async fn remove_executions(&self, ids: &[i64], filter: &ExecutionFilter) -> Result<usize, DbErr> {
        let tx = self.begin().await?;
        // One that was started anew in the meantime is no longer over: its row says so while it is locked.
        let found = self.lock_executions(&tx, ids).await?;
        let may_be_removed = |status: &Option<i32>| {
            let is_asked_for = filter.statuses.as_ref().is_none_or(|statuses| statuses.contains(status));
            status.is_some_and(|status| status != STARTED) && is_asked_for
        };
        let over: Vec<i64> =
            found.into_iter().filter(|(_, status)| may_be_removed(status)).map(|(id, _)| id).collect();
        self.delete_jobs_of(&tx, &over).await?;
        self.delete_executions(&tx, &over).await?;
        tx.commit().await?;
        Ok(over.len())
    }
}
