//! `sidehook_listening`: webhooks whose requests somebody waits for. Their bodies are kept for a while, on every instance.

use entity::Table;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::{Store, own_column as column};

/// So many are waited for at a time.
const MOST: usize = 50;

/// A webhook whose requests somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listened {
    pub id: i64,
    pub key: String,
    /// In milliseconds since 1970.
    pub ends_at: i64,
}

impl Store {
    /// All webhooks whose requests somebody waits for, also those of the past.
    pub async fn listened(&self) -> Result<Vec<Listened>, DbErr> {
        let mut select = Query::select();
        select.columns(["id", "workflow_key", "ends_at"].map(column)).from(self.table(Table::Listening));
        let rows = self.db.query_all(&select).await?;
        let listened = |row: &sea_orm::QueryResult| {
            Ok(Listened {
                id: row.try_get_by_index(0)?,
                key: row.try_get_by_index(1)?,
                ends_at: row.try_get_by_index(2)?,
            })
        };
        rows.iter().map(listened).collect()
    }

    /// Waits for the requests of a webhook until a time, or, without one, no more. Returns false where there are too
    /// many already. `id` is new; `now` and `ends_at` are in milliseconds since 1970.
    pub async fn listen(&self, id: i64, key: &str, ends_at: Option<i64>, now: i64) -> Result<bool, DbErr> {
        let (over, left): (Vec<Listened>, Vec<Listened>) =
            self.listened().await?.into_iter().partition(|one| one.key == key || one.ends_at <= now);
        if let Some(ends_at) = ends_at {
            if left.len() >= MOST {
                return Ok(false);
            }
            let mut insert = Query::insert();
            insert
                .into_table(self.table(Table::Listening))
                .columns(["id", "workflow_key", "ends_at"].map(column))
                .values_panic([id.into(), Expr::val(key), ends_at.into()]);
            self.db.execute(&insert).await?;
        }
        if !over.is_empty() {
            let mut delete = Query::delete();
            delete
                .from_table(self.table(Table::Listening))
                .and_where(Expr::col(column("id")).is_in(over.iter().map(|one| one.id)));
            self.db.execute(&delete).await?;
        }
        Ok(true)
    }
}
