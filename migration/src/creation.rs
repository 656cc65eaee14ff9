//! Migrations that create tables and do nothing else.

use entity::Names;
use sea_orm::{DatabaseTransaction, DbErr};

use crate::{
    definition::Definition,
    step::{Migration, name_of},
};

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

#[async_trait::async_trait]
impl Migration for Creation {
    fn name(&self) -> &'static str {
        name_of(self.file)
    }

    async fn up(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        for table in self.tables {
            table.create(transaction, &self.names).await?;
        }
        Ok(())
    }
}
