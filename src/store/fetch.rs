//! Executions that are fetched to be run: as many as have room in memory.

use entity::{Table, execution};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, WindowStatement};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Order};

use super::Store;
use super::execution::{READ, READ_JSON};

/// Executions that were asked for.
#[derive(Default)]
pub struct Fetch {
    /// Those that have room, oldest first.
    pub executions: Vec<execution::Model>,
    /// Those that have none.
    pub others: Vec<i64>,
}

impl Store {
    /// Executions by their ids, oldest first, as long as their contexts have room in so many bytes together, as text; the
    /// first one in any case. Those that are gone are missing.
    pub async fn fetch_executions(&self, ids: &[i64], room: usize) -> Result<Fetch, DbErr> {
        let mut fetch = Fetch::default();
        if ids.is_empty() {
            return Ok(fetch);
        }
        let (length, until, sized) = (Alias::new("length"), Alias::new("until"), Alias::new("sized"));
        let (context, has_room) = (Alias::new("context"), Alias::new("has_room"));
        let bytes = || {
            let text = self.codec.json_column(self.column("context"));
            Expr::from(Func::coalesce([Func::cust("octet_length").arg(text).into(), Expr::cust("0")]))
        };
        let mut window = WindowStatement::new();
        window.order_by(self.column("id"), Order::Asc);
        let mut inner = Query::select();
        self.select(&mut inner, &READ);
        self.select_json(&mut inner, &["context"]);
        self.select_json(&mut inner, &READ_JSON);
        inner
            .expr_as(bytes(), length.clone())
            .expr_window_as(bytes().sum(), window, until.clone())
            .from(self.table(Table::Executions))
            .and_where(self.is_among(self.column("id"), ids.iter().copied()));
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let is_first = || Expr::col(until.clone()).eq(Expr::col(length.clone()));
        let fits = || Expr::col(until.clone()).lte(room).or(is_first());
        let mut select = Query::select();
        for field in READ.iter().chain(&READ_JSON) {
            select.column(Alias::new(entity::snake_case(field)));
        }
        select
            .expr_as(Expr::case(fits(), Expr::col(context.clone())), context)
            // A parameter would have no type of a number on MySQL.
            .expr_as(Expr::case(fits(), Expr::cust("1")).finally(Expr::cust("0")), has_room)
            .from_subquery(inner, sized)
            .order_by(Alias::new("id"), Order::Asc);
        for row in self.db.query_all(&select).await? {
            let execution = execution::Model::from_query_result(&row, "")?;
            match row.try_get::<i32>("", "has_room")? {
                0 => fetch.others.push(execution.id),
                _ => fetch.executions.push(execution),
            }
        }
        Ok(fetch)
    }
}
