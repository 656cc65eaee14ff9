//! A version of a workflow (`workflows`).

use sea_orm::FromQueryResult;

use crate::{JsonText, Timestamp};

/// The columns that sidehook reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Model {
    pub id: i64,
    pub updated_at: Timestamp,
    pub key: Option<String>,
    pub title: Option<String>,
    pub enabled: Option<bool>,
    pub r#type: Option<String>,
    pub config: Option<JsonText>,
    pub current: Option<bool>,
    pub sync: Option<bool>,
    pub options: Option<JsonText>,
}
