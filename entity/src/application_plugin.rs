//! An installed plugin of NocoBase (`applicationPlugins`); the row of `workflow` gives the epoch of job ids.

use sea_orm::FromQueryResult;

use crate::Timestamp;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i64,
    pub name: Option<String>,
    pub created_at: Timestamp,
}
