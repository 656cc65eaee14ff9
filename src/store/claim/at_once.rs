//! The same in one statement each, on PostgreSQL. How long rows are locked is how many others have to pass them, and each
//! statement of several is a way to the server and back during which they are.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, ExprTrait, Func, LockBehavior, LockType, Query, SelectStatement,
    SubQueryStatement, WithClause, WithQuery,
};
use sea_orm::{ConnectionTrait, DbErr};

use super::{Found, Mark, Wanted};
use crate::store::instance::Owner;
use crate::store::{Store, own_column as column};

// The parts of the statements.
/// The row of an instance that still owns its number.
const FENCE: &str = "fence";
/// The leases whose turn it is.
const NEXT: &str = "next";
/// Executions that nobody else has locked.
const FREE: &str = "free";

impl Store {
    /// Takes what comes next as [`Store::claim_next`] does.
    pub(super) async fn claim_at_once(
        &self,
        owner: Owner,
        wanted: Wanted,
        now: DateTime<Utc>,
        claimed: &mut Vec<i64>,
    ) -> Result<Found, DbErr> {
        // In a transaction, so that what has been taken is known before it is committed.
        let tx = self.begin().await?;
        let rows = tx.query_all(&self.claiming(owner, wanted, now)).await?;
        let mut marks = rows.iter().map(Mark::read).collect::<Result<Vec<_>, DbErr>>()?;
        marks.sort_unstable();
        claimed.extend(marks.iter().map(|mark| mark.execution_id));
        tx.commit().await?;
        Ok(Found { last: marks.last().copied(), has_more: rows.len() == wanted.limit })
    }

    /// Each part asks for what those before it have found, so that locks are taken in their order.
    fn claiming(&self, owner: Owner, wanted: Wanted, now: DateTime<Utc>) -> WithQuery {
        let [due_at, execution_id] = ["due_at", "execution_id"].map(column);
        let next = list_of(NEXT, execution_id.clone());
        let mut giving = self.giving_leases(is_listed(execution_id.clone(), next), owner);
        let returned = Query::returning().columns([due_at, execution_id]);
        let with =
            parts([(FENCE, self.fencing(owner).into()), (NEXT, self.next_past_fence(wanted, now).into())]);
        giving.returning(returned).take().with(with)
    }

    fn next_past_fence(&self, wanted: Wanted, now: DateTime<Utc>) -> SelectStatement {
        let mut fence = Query::select();
        fence.expr(Expr::val(1)).from(Alias::new(FENCE));
        let mut select = self.next(wanted, now);
        select.and_where(Expr::exists(fence));
        select
    }

    /// Starts executions as [`Store::start_queueing`] does.
    pub(super) async fn start_at_once(
        &self,
        executions: &[i64],
        now: DateTime<Utc>,
    ) -> Result<Vec<i64>, DbErr> {
        let [id, status] = self.columns(["id", "status"]);
        let mut free = Query::select();
        // By the primary key alone: PostgreSQL might take an index on the status for the better one.
        free.columns([id.clone(), status.clone()])
            .from(self.table(Table::Executions))
            .and_where(self.is_among(id.clone(), executions.iter().copied()))
            .order_by(id.clone(), sea_orm::Order::Asc)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let mut queueing = list_of(FREE, id.clone());
        queueing.and_where(Expr::col(status).is_null());
        let mut starting = self.starting(is_listed(id.clone(), queueing), now);
        let with = parts([(FREE, free.into())]);
        let rows = self.db.query_all(&starting.returning_col(id).take().with(with)).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }
}

fn parts<const N: usize>(parts: [(&str, SubQueryStatement); N]) -> WithClause {
    let mut with = WithClause::new();
    for (name, query) in parts {
        with.cte(CommonTableExpression::new().query(query).table_name(Alias::new(name)).to_owned());
    }
    with
}

/// A column of the rows of a part, as one list.
fn list_of(part: &str, column: Alias) -> SelectStatement {
    let mut select = Query::select();
    select.expr(Func::cust("array_agg").arg(Expr::col(column))).from(Alias::new(part));
    select
}

/// Whether a column is in a list, for which PostgreSQL goes by an index whatever it takes the number of rows for. Without the
/// cast it would be the rows of a query that are looked through.
fn is_listed(column: Alias, list: SelectStatement) -> Expr {
    let list = Expr::SubQuery(None, Box::new(list.into())).cast_as("bigint[]");
    Expr::col(column).eq(PgFunc::any(list))
}
