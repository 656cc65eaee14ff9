//! The same in one statement, on PostgreSQL. How long rows are locked is how many others have to pass them, and each
//! statement of several is a way to the server and back during which they are.

use chrono::{DateTime, Utc};
use entity::Table;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, ExprTrait, Func, LockBehavior, LockType, Query, SelectStatement,
    SubQueryStatement, WithClause, WithQuery,
};
use sea_orm::{ConnectionTrait, DbErr, JoinType};

use super::{Found, Mark, Wanted};
use crate::store::instance::Owner;
use crate::store::{Store, own_column as column};

// The parts of the statement.
/// The row of an instance that still owns its number.
const FENCE: &str = "fence";
/// The leases whose turn it is.
const NEXT: &str = "next";
/// Those of their executions that nobody else has locked.
const FREE: &str = "free";
/// Those that somebody else has locked, and which are left alone.
const OTHERS: &str = "others";
/// The leases that are taken.
const TAKEN: &str = "taken";
/// The executions that begin.
const STARTED: &str = "started";

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
        let mut last = None;
        for row in &rows {
            let execution_id = row.try_get_by_index(1)?;
            last = Some(Mark { due_at: row.try_get_by_index(0)?, execution_id });
            if row.try_get_by_index(2)? {
                claimed.push(execution_id);
            }
        }
        tx.commit().await?;
        Ok(Found { last, has_more: rows.len() == wanted.limit })
    }

    /// Each part asks for what those before it have found, so that locks are taken in their order. It is looked for by
    /// lists of ids, for which PostgreSQL goes by an index whatever it takes the number of rows for.
    fn claiming(&self, owner: Owner, wanted: Wanted, now: DateTime<Utc>) -> WithQuery {
        let [next, taken] = [NEXT, TAKEN].map(Alias::new);
        let [due_at, execution_id] = ["due_at", "execution_id"].map(column);
        let mut with = WithClause::new();
        let id = self.column("id");
        let mut giving = self.giving_leases(is_listed(execution_id.clone(), left()), owner);
        let mut starting = self.starting(is_listed(id.clone(), self.queueing()), now);
        let parts: [(&str, SubQueryStatement); 6] = [
            (FENCE, self.fencing(owner).into()),
            (NEXT, self.next_past_fence(wanted, now).into()),
            (FREE, self.free_of_next().into()),
            (OTHERS, self.others_of_next().into()),
            (TAKEN, giving.returning_col(execution_id.clone()).take().into()),
            (STARTED, starting.returning_col(id).take().into()),
        ];
        for (name, query) in parts {
            with.cte(CommonTableExpression::new().query(query).table_name(Alias::new(name)).to_owned());
        }
        let is_taken = Expr::col((taken.clone(), execution_id.clone())).is_not_null();
        let mut select = Query::select();
        select
            .columns([(next.clone(), due_at.clone()), (next.clone(), execution_id.clone())])
            .expr(is_taken)
            .from(next.clone())
            .join(
                JoinType::LeftJoin,
                taken.clone(),
                Expr::col((taken, execution_id.clone())).equals((next.clone(), execution_id.clone())),
            )
            .order_by((next.clone(), due_at), sea_orm::Order::Asc)
            .order_by((next, execution_id), sea_orm::Order::Asc);
        select.with(with)
    }

    fn next_past_fence(&self, wanted: Wanted, now: DateTime<Utc>) -> SelectStatement {
        let mut fence = Query::select();
        fence.expr(Expr::val(1)).from(Alias::new(FENCE));
        let mut select = self.next(wanted, now);
        select.and_where(Expr::exists(fence));
        select
    }

    fn free_of_next(&self) -> SelectStatement {
        let id = self.column("id");
        let mut select = Query::select();
        select
            .columns(self.columns(["id", "status"]))
            .from(self.table(Table::Executions))
            .and_where(is_listed(id.clone(), list_of(NEXT, column("execution_id"), None)))
            .order_by(id, sea_orm::Order::Asc)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        select
    }

    /// Those that are not there any more are not among them: their leases are taken, so that they go.
    fn others_of_next(&self) -> SelectStatement {
        let id = self.column("id");
        let is_passed = is_missing(column("execution_id"), FREE, id.clone());
        let mut select = Query::select();
        select
            .expr_as(Expr::col(id.clone()), column("execution_id"))
            .from(self.table(Table::Executions))
            .and_where(is_listed(id, list_of(NEXT, column("execution_id"), Some(is_passed))));
        select
    }

    /// The ids of those that have yet to begin.
    fn queueing(&self) -> SelectStatement {
        list_of(FREE, self.column("id"), Some(Expr::col(self.column("status")).is_null()))
    }
}

/// The ids of the leases that are to be taken.
fn left() -> SelectStatement {
    let execution_id = column("execution_id");
    let is_left = is_missing(execution_id.clone(), OTHERS, execution_id.clone());
    list_of(NEXT, execution_id, Some(is_left))
}

fn is_missing(column: Alias, part: &'static str, of_part: Alias) -> Expr {
    let mut select = Query::select();
    select.column(of_part).from(Alias::new(part));
    Expr::col(column).not_in_subquery(select)
}

/// A column of the rows of a part, as one list.
fn list_of(part: &'static str, column: Alias, condition: Option<Expr>) -> SelectStatement {
    let mut select = Query::select();
    select.expr(Func::cust("array_agg").arg(Expr::col(column))).from(Alias::new(part));
    if let Some(condition) = condition {
        select.and_where(condition);
    }
    select
}

/// Whether a column is in a list. Without the cast it would be the rows of a query that are looked through.
fn is_listed(column: Alias, list: SelectStatement) -> Expr {
    let list = Expr::SubQuery(None, Box::new(list.into())).cast_as("bigint[]");
    Expr::col(column).eq(PgFunc::any(list))
}
