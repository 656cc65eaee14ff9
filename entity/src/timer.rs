//! What a waiting execution waits for (`sidehook_timers`): one pending job and when it is due.

use sea_orm::FromQueryResult;

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub job_id: i64,
    pub execution_id: i64,
    pub node_id: i64,
    pub node_key: String,
    pub upstream_id: Option<i64>,
    /// JSON.
    pub result: Option<String>,
    /// When the job was saved, in milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub due_at: i64,
    /// Whether the pending job has a row in `jobs`.
    pub is_visible: bool,
}
