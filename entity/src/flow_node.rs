//! A node of a workflow version (`flow_nodes`).

use sea_orm::FromQueryResult;

use crate::JsonText;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i64,
    pub key: Option<String>,
    pub title: Option<String>,
    pub upstream_id: Option<i64>,
    pub branch_index: Option<i32>,
    pub downstream_id: Option<i64>,
    pub r#type: Option<String>,
    pub config: Option<JsonText>,
    pub workflow_id: Option<i64>,
}
