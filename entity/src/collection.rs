//! A collection of NocoBase (`collections`).

use sea_orm::FromQueryResult;

use crate::JsonText;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub name: String,
    pub options: Option<JsonText>,
}
