//! `sidehook_handovers`: pending jobs whose nodes NocoBase is to run. A row stays until NocoBase has begun.

use entity::status::execution::STARTED;
use entity::status::job::PENDING;
use entity::{Table, handover};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, JoinType, QueryResult};

use super::{Store, own_column as column};

const COLUMNS: [&str; 5] = ["job_id", "execution_id", "node_id", "due_at", "attempts"];

/// A job that was handed over, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    pub row: handover::Model,
    /// Whether NocoBase has run the node, or the execution is over.
    pub is_done: bool,
}

impl Store {
    pub(super) async fn insert_handovers<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&handover::Model],
    ) -> Result<(), DbErr> {
        for rows in rows.chunks(self.codec.bind_limit() / COLUMNS.len()) {
            let mut insert = Query::insert();
            insert.into_table(self.table(Table::Handovers)).columns(COLUMNS.map(column));
            for row in rows {
                insert.values_panic([
                    row.job_id.into(),
                    row.execution_id.into(),
                    row.node_id.into(),
                    row.due_at.into(),
                    row.attempts.into(),
                ]);
            }
            db.execute(&insert).await?;
        }
        Ok(())
    }

    /// The oldest handovers, at most `limit`. NocoBase has begun with one when it has set when its job started.
    pub async fn handovers(&self, limit: u64) -> Result<Vec<Handover>, DbErr> {
        let (own, execution, job) = (Alias::new("h"), Alias::new("e"), Alias::new("j"));
        let id = self.column("id");
        let mut select = Query::select();
        for name in COLUMNS {
            select.expr_as(Expr::col((own.clone(), column(name))), column(name));
        }
        let is_open = Expr::col((execution.clone(), self.column("status")))
            .eq(STARTED)
            .and(Expr::col((job.clone(), self.column("status"))).eq(PENDING))
            .and(Expr::col((job.clone(), self.column("startedAt"))).is_null());
        select
            .expr_as(Expr::case(is_open, 1).finally(0), Alias::new("is_open"))
            .from_as(self.table(Table::Handovers), own.clone())
            .join_as(
                JoinType::LeftJoin,
                self.table(Table::Executions),
                execution.clone(),
                Expr::col((execution, id.clone())).equals((own.clone(), column("execution_id"))),
            )
            .join_as(
                JoinType::LeftJoin,
                self.table(Table::Jobs),
                job.clone(),
                Expr::col((job, id)).equals((own.clone(), column("job_id"))),
            )
            .order_by((own, column("job_id")), sea_orm::Order::Asc)
            .limit(limit);
        let rows = self.db.query_all(&select).await?;
        let handover = |row: &QueryResult| {
            let is_open: i32 = row.try_get("", "is_open")?;
            Ok(Handover { row: handover::Model::from_query_result(row, "")?, is_done: is_open == 0 })
        };
        rows.iter().map(handover).collect()
    }

    /// Makes the next try one's own by moving it; `false` when somebody else was faster.
    pub async fn move_handover(&self, row: &handover::Model, next: &handover::Model) -> Result<bool, DbErr> {
        let mut update = Query::update();
        update
            .table(self.table(Table::Handovers))
            .value(column("due_at"), next.due_at)
            .value(column("attempts"), next.attempts)
            .and_where(Expr::col(column("job_id")).eq(row.job_id))
            .and_where(Expr::col(column("due_at")).eq(row.due_at))
            .and_where(Expr::col(column("attempts")).eq(row.attempts));
        Ok(self.db.execute(&update).await?.rows_affected() == 1)
    }

    /// Forgets a handover.
    pub async fn drop_handover(&self, job_id: i64) -> Result<(), DbErr> {
        let mut delete = Query::delete();
        delete.from_table(self.table(Table::Handovers)).and_where(Expr::col(column("job_id")).eq(job_id));
        self.db.execute(&delete).await.map(drop)
    }
}
