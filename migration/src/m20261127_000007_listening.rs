//! Webhooks whose requests somebody waits for.

use entity::{Names, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, prelude::DeriveMigrationName};

use crate::{
    column::{Kind, column},
    definition::Definition,
};

/// Until `ends_at`, in milliseconds since 1970, the bodies of all requests for a workflow are kept. A few rows at most.
const LISTENING: Definition = Definition {
    table: Table::Listening,
    columns: &[
        column("id", Kind::BigInt).primary_key(),
        column("workflow_key", Kind::LongText).not_null(),
        column("ends_at", Kind::BigInt).not_null(),
    ],
    indexes: &[],
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration {
    names: Names,
}

impl Migration {
    pub(crate) fn new(names: Names) -> Self {
        Self { names }
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        LISTENING.create(manager, &self.names).await
    }
}
