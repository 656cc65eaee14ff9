//! Claims a database: the record of this migration says that its NocoBase-style tables are sidehook's. It
//! comes before the tables, because MySQL commits each of them by itself: a process that dies half-way would
//! otherwise find its own tables at the next start and take them for NocoBase's.

use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, prelude::DeriveMigrationName};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
