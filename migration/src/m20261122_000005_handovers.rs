//! What lets an execution be handed over to NocoBase without getting lost on the way.

use entity::{Names, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, prelude::DeriveMigrationName};

use crate::{
    column::{Kind, column},
    definition::{Definition, index},
};

/// A pending job whose node NocoBase is to run. `due_at` says when NocoBase is told, or told again, in
/// milliseconds since 1970, and `attempts` how often it has been.
const HANDOVERS: Definition = Definition {
    table: Table::Handovers,
    columns: &[
        column("job_id", Kind::BigInt).primary_key(),
        column("execution_id", Kind::BigInt).not_null(),
        column("node_id", Kind::BigInt).not_null(),
        column("due_at", Kind::BigInt).not_null(),
        column("attempts", Kind::Integer).not_null(),
    ],
    indexes: &[index(&["execution_id"])],
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
        HANDOVERS.create(manager, &self.names).await
    }
}
