//! What a migration is.

use std::path::Path;

use sea_orm::{DatabaseTransaction, DbErr};

/// One step from a database to the next state of its tables.
#[async_trait::async_trait]
pub(crate) trait Migration: Send + Sync {
    /// As it is recorded in the database: what its file is called.
    fn name(&self) -> &'static str;

    /// Takes the step. It may have been taken in part, on MySQL, which commits each statement that creates or alters.
    async fn up(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr>;
}

/// The name of a migration, from its `file!()`.
pub(crate) fn name_of(file: &'static str) -> &'static str {
    Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or(file)
}
