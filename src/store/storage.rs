//! The storages of NocoBase's file manager as they are stored: where the files of `attachments` and of file collections
//! lie.

use entity::{JsonText, Names, Table};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::Codec;

/// A row of `storages`, as far as it says where files are.
#[derive(Clone, Debug)]
pub struct StorageRow {
    pub id: i64,
    /// `local`, `s3`, `ali-oss` and so on.
    pub type_name: Option<String>,
    /// What the addresses of its files begin with.
    pub base_url: Option<String>,
    pub options: Option<JsonText>,
}

/// The storages of these ids that exist, in no order.
pub async fn by_ids<C: ConnectionTrait>(
    db: &C,
    names: &Names,
    codec: &Codec,
    ids: &[i64],
) -> Result<Vec<StorageRow>, DbErr> {
    let column = |field: &str| Alias::new(names.column_name(field));
    let mut select = Query::select();
    select
        .columns([column("id"), column("type"), column("baseUrl")])
        .expr(codec.json_column(column("options")))
        .from(names.table(Table::Storages))
        .and_where(Expr::col(column("id")).is_in(ids.iter().copied()));
    let read = |row: &sea_orm::QueryResult| {
        Ok(StorageRow {
            id: row.try_get_by_index(0)?,
            type_name: row.try_get_by_index(1)?,
            base_url: row.try_get_by_index(2)?,
            options: row.try_get_by_index(3)?,
        })
    };
    db.query_all(&select).await?.iter().map(read).collect()
}
