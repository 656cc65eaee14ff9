//! How often the versions of one key have been executed (`workflowStats`).

use sea_orm::FromQueryResult;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub key: String,
    pub executed: Option<i32>,
}
