//! Which execution belongs to which instance; one without an instance waits for a worker or for a time.

use sea_orm::FromQueryResult;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub execution_id: i64,
    pub instance_id: Option<i32>,
    pub generation: Option<i64>,
    pub workflow_id: Option<i64>,
    /// JSON: where the run stands; none while it has yet to begin.
    pub position: Option<String>,
    /// From when an instance may take it, in milliseconds since 1970.
    pub due_at: i64,
}
