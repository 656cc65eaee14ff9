//! One run of a workflow (`executions`).

use sea_orm::FromQueryResult;

use crate::{JsonText, Timestamp};

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i64,
    pub workflow_id: Option<i64>,
    pub key: Option<String>,
    pub event_key: Option<String>,
    pub context: Option<JsonText>,
    pub status: Option<i32>,
    pub dispatched: Option<bool>,
    pub stack: Option<JsonText>,
    pub output: Option<JsonText>,
    pub started_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}
