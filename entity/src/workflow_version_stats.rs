//! How often one version has been executed (`workflowVersionStats`); NocoBase makes a version read-only once this is above 0.

use sea_orm::FromQueryResult;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i64,
    pub executed: Option<i32>,
}
