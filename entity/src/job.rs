//! One run of a node (`jobs`).

use sea_orm::FromQueryResult;

use crate::JsonText;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i64,
    pub execution_id: Option<i64>,
    pub node_id: Option<i64>,
    pub node_key: Option<String>,
    pub upstream_id: Option<i64>,
    pub status: Option<i32>,
    pub meta: Option<JsonText>,
    pub result: Option<JsonText>,
}
