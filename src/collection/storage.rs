//! The storages of NocoBase's file manager, with their settings as values.

use crate::expr::{Value, json};
use crate::store::storage::StorageRow;

/// Where files are.
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

impl From<StorageRow> for Storage {
    fn from(row: StorageRow) -> Self {
        let options = row.options.and_then(|text| json::parse(text.0.as_bytes()).ok());
        Self {
            id: row.id,
            type_name: row.type_name.unwrap_or_default(),
            base_url: row.base_url,
            options: options.unwrap_or_default(),
        }
    }
}
