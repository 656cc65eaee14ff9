//! A running sidehook: its worker number (0 to 31), how often that number was taken, its last sign of life on the database's clock, and the time up to which it has given out ids.

use sea_orm::FromQueryResult;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i32,
    pub generation: i64,
    pub token: String,
    pub heartbeat_at: i64,
    pub ids_used_until: i64,
}
