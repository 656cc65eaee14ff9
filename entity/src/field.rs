//! A field of a collection (`fields`).

use sea_orm::FromQueryResult;

use crate::JsonText;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub name: String,
    pub r#type: Option<String>,
    pub interface: Option<String>,
    pub collection_name: Option<String>,
    pub options: Option<JsonText>,
}
