//! Migrations that create tables and do nothing else.

use entity::Names;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, util::get_file_stem};

use crate::definition::Definition;

/// Creates tables under the names of one deployment. It is called what its file is called.
pub(crate) struct Creation {
    file: &'static str,
    tables: &'static [Definition],
    names: Names,
}

impl Creation {
    pub(crate) fn new(file: &'static str, tables: &'static [Definition], names: Names) -> Self {
        Self { file, tables, names }
    }
}

impl MigrationName for Creation {
    fn name(&self) -> &str {
        get_file_stem(self.file)
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Creation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in self.tables {
            table.create(manager, &self.names).await?;
        }
        Ok(())
    }
}
