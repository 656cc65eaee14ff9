//! A variable or secret of NocoBase (`environmentVariables`).

use sea_orm::FromQueryResult;

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub name: String,
    pub r#type: Option<String>,
    pub value: Option<String>,
}
