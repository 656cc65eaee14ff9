//! `sidehook_requests`: what senders have sent, and what became of it. Rows are written beside executions by the
//! recorder, and alone by [`super::request_log`]; here are the statements.

use entity::{Table, request};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Func, LikeExpr, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Order};

use super::insert::{Column, Get, fields};
use super::update::Change;
use super::{Store, own_column as column};

/// The columns of a row.
const COLUMNS: [Column<request::Model>; 22] = [
    Column::new("id", Get::Id(|row| Some(row.id))),
    Column::new("received_at", Get::Id(|row| Some(row.received_at))),
    Column::or_null("workflow_key", Get::Text(|row| row.workflow_key.as_deref())),
    Column::or_null("workflow_id", Get::Id(|row| row.workflow_id)),
    Column::new("method", Get::Text(|row| Some(&row.method))),
    Column::new("path", Get::Text(|row| Some(&row.path))),
    Column::new("query", Get::Text(|row| Some(&row.query))),
    Column::new("headers", Get::Text(|row| Some(&row.headers))),
    Column::or_null("content_type", Get::Text(|row| row.content_type.as_deref())),
    Column::or_null("body", Get::Text(|row| row.body.as_deref())),
    Column::or_null("body_encoding", Get::Text(|row| row.body_encoding.as_deref())),
    Column::new("body_size", Get::Id(|row| Some(row.body_size))),
    Column::or_null("body_sha256", Get::Text(|row| row.body_sha256.as_deref())),
    Column::or_null("peer", Get::Text(|row| row.peer.as_deref())),
    Column::or_null("duration_ms", Get::Id(|row| row.duration_ms)),
    Column::or_null("status", Get::Status(|row| row.status)),
    Column::new("is_admitted", Get::Flag(|row| Some(row.is_admitted))),
    Column::or_null("reason", Get::Text(|row| row.reason.as_deref())),
    Column::or_null("execution_id", Get::Id(|row| row.execution_id)),
    Column::or_null("delivery_id", Get::Text(|row| row.delivery_id.as_deref())),
    Column::or_null("duplicate_of", Get::Id(|row| row.duplicate_of)),
    Column::new("instance", Get::Status(|row| Some(row.instance))),
];

/// What is known of a request at the end only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    pub id: i64,
    pub status: i32,
    pub duration_ms: i64,
    /// The body and how it is written, where it is kept because of how the request has ended.
    pub body: Option<(String, String)>,
}

/// The columns of a row that is completed.
const CHANGES: [Change<Answered>; 5] = [
    Change::key("id", Get::Id(|row| Some(row.id))),
    Change::always("status", Get::Status(|row| Some(row.status))),
    Change::always("duration_ms", Get::Id(|row| Some(row.duration_ms))),
    Change::given("body", Get::Text(|row| Some(&row.body.as_ref()?.0))),
    Change::given("body_encoding", Get::Text(|row| Some(&row.body.as_ref()?.1))),
];

/// Which requests are asked for; everything that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    pub key: Option<String>,
    /// The status of the answer is in one of these ranges, both ends included.
    pub statuses: Vec<(i32, i32)>,
    /// In milliseconds since 1970.
    pub received_from: Option<i64>,
    pub received_before: Option<i64>,
    /// Somewhere in path, query, headers, body, reason or delivery id, capital or not.
    pub text: Option<String>,
    /// For the workflow with this key, also where nobody has it, or at this path.
    pub about: Option<String>,
    /// These requests only.
    pub ids: Option<Vec<i64>>,
    /// Rows below this id.
    pub below: Option<i64>,
    /// Rows above this id.
    pub above: Option<i64>,
}

impl Answered {
    /// About how large it is on its way to the database.
    pub(super) fn bytes(&self) -> usize {
        100 + self.body.as_ref().map_or(0, |(body, _)| body.len())
    }
}

/// About how large a row is on its way to the database.
pub(super) fn bytes(row: &request::Model) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let texts = [&row.path, &row.query, &row.headers].into_iter().map(String::len).sum::<usize>();
    300 + texts + length(&row.body) + length(&row.reason) + length(&row.delivery_id)
}

impl Store {
    /// Inserts rows of requests.
    pub(super) async fn insert_requests<C: ConnectionTrait>(
        &self,
        db: &C,
        rows: &[&request::Model],
    ) -> Result<(), DbErr> {
        self.insert_rows(db, Table::Requests, &COLUMNS, rows).await
    }

    /// Says how requests have ended whose rows are there.
    pub(super) async fn answer_requests<C: ConnectionTrait>(
        &self,
        db: &C,
        answered: &[&Answered],
    ) -> Result<(), DbErr> {
        self.update_rows(db, Table::Requests, &CHANGES, answered).await
    }

    /// Requests, newest first, at most `limit`.
    pub async fn find_requests(
        &self,
        filter: &RequestFilter,
        limit: u64,
    ) -> Result<Vec<request::Model>, DbErr> {
        let mut select = Query::select();
        select
            .columns(fields(&COLUMNS).map(column))
            .from(self.table(Table::Requests))
            .cond_where(holds(filter))
            .order_by(column("id"), Order::Desc)
            .limit(limit);
        let rows = self.db.query_all(&select).await?;
        rows.iter().map(|row| request::Model::from_query_result(row, "")).collect()
    }

    /// The ids of requests, oldest first.
    pub async fn request_ids(&self, filter: &RequestFilter) -> Result<Vec<i64>, DbErr> {
        let mut select = Query::select();
        select
            .column(column("id"))
            .from(self.table(Table::Requests))
            .cond_where(holds(filter))
            .order_by(column("id"), Order::Asc);
        self.db.query_all(&select).await?.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Removes the oldest rows, at most `limit` of them, as far as they were received before a time (milliseconds since
    /// 1970) or have an id of at most `last`. Returns how many.
    pub async fn remove_requests(&self, before: i64, last: Option<i64>, limit: u64) -> Result<u64, DbErr> {
        let oldest = Alias::new("oldest");
        let mut rows = Query::select();
        rows.columns(["id", "received_at"].map(column))
            .from(self.table(Table::Requests))
            .order_by(column("id"), Order::Asc)
            .limit(limit);
        let mut is_old = Cond::any().add(Expr::col(column("received_at")).lt(before));
        if let Some(last) = last {
            is_old = is_old.add(Expr::col(column("id")).lte(last));
        }
        let mut select = Query::select();
        select.expr(Func::max(Expr::col(column("id")))).from_subquery(rows, oldest).cond_where(is_old);
        let Some(up_to) = self.id(&select).await? else { return Ok(0) };
        let mut delete = Query::delete();
        delete.from_table(self.table(Table::Requests)).and_where(Expr::col(column("id")).lte(up_to));
        Ok(self.db.execute(&delete).await?.rows_affected())
    }

    /// The newest row that is one too many, where there are more than `max`.
    pub async fn surplus_request(&self, max: u64) -> Result<Option<i64>, DbErr> {
        let mut select = Query::select();
        select
            .column(column("id"))
            .from(self.table(Table::Requests))
            .order_by(column("id"), Order::Desc)
            .limit(1)
            .offset(max);
        self.id(&select).await
    }

    async fn id(&self, select: &SelectStatement) -> Result<Option<i64>, DbErr> {
        let row = self.db.query_one(select).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.flatten())
    }
}

fn holds(filter: &RequestFilter) -> Cond {
    let is = |name: &str| Expr::col(column(name));
    let mut all = Cond::all()
        .add_option(filter.key.as_ref().map(|key| is("workflow_key").eq(key)))
        .add_option(filter.about.as_ref().map(|about| is_about(about)))
        .add_option(filter.received_from.map(|from| is("received_at").gte(from)))
        .add_option(filter.received_before.map(|before| is("received_at").lt(before)))
        .add_option(filter.ids.as_ref().map(|ids| is("id").is_in(ids.iter().copied())))
        .add_option(filter.below.map(|id| is("id").lt(id)))
        .add_option(filter.above.map(|id| is("id").gt(id)));
    if !filter.statuses.is_empty() {
        let one = |any: Cond, (from, to): &(i32, i32)| any.add(is("status").between(*from, *to));
        all = all.add(filter.statuses.iter().fold(Cond::any(), one));
    }
    if let Some(text) = &filter.text {
        let pattern = format!("%{}%", escaped(&text.to_lowercase()));
        let has = |any: Cond, name: &&str| {
            any.add(Expr::expr(Func::lower(is(name))).like(LikeExpr::new(pattern.clone()).escape('!')))
        };
        all = all
            .add(["path", "query", "headers", "body", "reason", "delivery_id"].iter().fold(Cond::any(), has));
    }
    all
}

fn is_about(about: &str) -> Cond {
    let path = || Expr::col(column("path"));
    let ending = format!("%/{}", escaped(about.trim_start_matches('/')));
    Cond::any()
        .add(Expr::col(column("workflow_key")).eq(about))
        .add(path().eq(about))
        .add(path().like(LikeExpr::new(ending).escape('!')))
}

/// A text as it stands in a pattern of LIKE; the escape is one that MySQL's texts take as it is.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_patterns_are_taken_literally() {
        assert_eq!(escaped("100%_a!"), "100!%!_a!!");
    }
}
