//! The storages of NocoBase's file manager: where the files of `attachments` and of file collections lie.

use entity::{JsonText, Table};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::Store;
use crate::expr::{Value, json};

/// A row of `storages`, as far as it says where files are.
#[derive(Clone, Debug)]
pub struct Storage {
    /// `local`, `s3`, `ali-oss` and so on.
    pub type_name: String,
    /// `{documentRoot}` of a local one.
    pub options: Value,
}

/// Reads storages from NocoBase's database.
#[derive(Clone, Debug)]
pub struct Storages(Store);

impl Storages {
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    pub async fn find(&self, id: i64) -> Result<Option<Storage>, DbErr> {
        let Store { db, names, codec } = &self.0;
        let column = |field: &str| Alias::new(names.column_name(field));
        let mut select = Query::select();
        select
            .column(column("type"))
            .expr(codec.json_column(column("options")))
            .from(names.table(Table::Storages))
            .and_where(Expr::col(column("id")).eq(id));
        let Some(row) = db.query_one(&select).await? else { return Ok(None) };
        let type_name: Option<String> = row.try_get_by_index(0)?;
        let options: Option<JsonText> = row.try_get_by_index(1)?;
        let options = options.and_then(|text| json::parse(text.0.as_bytes()).ok()).unwrap_or_default();
        Ok(Some(Storage { type_name: type_name.unwrap_or_default(), options }))
    }
}
