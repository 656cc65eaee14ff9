//! Which execution belongs to which instance; one without an instance waits for a worker.

use sea_orm::FromQueryResult;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub execution_id: i64,
    pub instance_id: Option<i32>,
    pub generation: Option<i64>,
}
