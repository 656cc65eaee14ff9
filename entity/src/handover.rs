//! A job that NocoBase is to run (`sidehook_handovers`).

use sea_orm::FromQueryResult;

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub job_id: i64,
    pub execution_id: i64,
    pub node_id: i64,
    /// When NocoBase is told, or told again, in milliseconds since 1970.
    pub due_at: i64,
    /// How often NocoBase has taken the request.
    pub attempts: i32,
}
