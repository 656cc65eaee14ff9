//! Settings that are made while sidehook runs, such as on NocoBase's screens.

use entity::{Names, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, prelude::DeriveMigrationName};

use crate::{
    column::{Kind, column},
    definition::Definition,
};

/// What is set wins over the environment; a setting without a row is as the environment says. A few rows at most.
const SETTINGS: Definition = Definition {
    table: Table::Settings,
    columns: &[column("name", Kind::Varchar(100)).primary_key(), column("value", Kind::LongText).not_null()],
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
        SETTINGS.create(manager, &self.names).await
    }
}
