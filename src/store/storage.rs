//! The storages of NocoBase's file manager: where the files of `attachments` and of file collections lie.

use entity::{JsonText, Names, Table};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::{Codec, Store};
use crate::expr::{Value, json};

/// A row of `storages`, as far as it says where files are.
#[derive(Clone, Debug)]
pub struct Storage {
    pub id: i64,
    /// `local`, `s3`, `ali-oss` and so on.
    pub type_name: String,
    /// What the addresses of its files begin with.
    pub base_url: Option<String>,
    /// `{documentRoot}` of a local one, `{useOriginalUrl, thumbnailRule}` of any.
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
        Ok(by_ids(db, names, codec, &[id]).await?.pop())
    }
}

/// The storages of these ids that exist, in no order.
pub async fn by_ids<C: ConnectionTrait>(
    db: &C,
    names: &Names,
    codec: &Codec,
    ids: &[i64],
) -> Result<Vec<Storage>, DbErr> {
    let column = |field: &str| Alias::new(names.column_name(field));
    let mut select = Query::select();
    select
        .columns([column("id"), column("type"), column("baseUrl")])
        .expr(codec.json_column(column("options")))
        .from(names.table(Table::Storages))
        .and_where(Expr::col(column("id")).is_in(ids.iter().copied()));
    let mut storages = Vec::new();
    for row in db.query_all(&select).await? {
        let type_name: Option<String> = row.try_get_by_index(1)?;
        let options: Option<JsonText> = row.try_get_by_index(3)?;
        let options = options.and_then(|text| json::parse(text.0.as_bytes()).ok()).unwrap_or_default();
        storages.push(Storage {
            id: row.try_get_by_index(0)?,
            type_name: type_name.unwrap_or_default(),
            base_url: row.try_get_by_index(2)?,
            options,
        });
    }
    Ok(storages)
}
