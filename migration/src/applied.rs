//! The migrations that a database has had.

use entity::Names;
use sea_orm_migration::{
    MigrationName, MigratorTraitSelf, SchemaManager,
    sea_orm::{
        ConnectionTrait, DatabaseTransaction, DbErr,
        sea_query::{Alias, Query},
    },
    seaql_migrations::Column,
};

use crate::{
    MigrationError, m20261122_000001_stand_alone,
    migrator::{self, Migrator, Scope},
};

/// Names of migrations, as recorded in the database.
pub(crate) struct Applied(Vec<String>);

impl Applied {
    /// Reads the records without creating their table: a user without the right to create tables may do it.
    ///
    /// A record of an unknown migration is an error, because a later sidehook may have changed the meaning
    /// of tables that this one writes.
    pub(crate) async fn read(
        connection: &DatabaseTransaction,
        names: &Names,
    ) -> Result<Self, MigrationError> {
        let applied = Self(versions(connection, names).await?);
        let known = Migrator::new(names, Scope::StandAlone).migrations();
        let unknown =
            applied.0.iter().find(|version| known.iter().all(|migration| migration.name() != *version));
        match unknown {
            Some(version) => Err(MigrationError::Newer { version: version.clone() }),
            None => Ok(applied),
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|version| version == name)
    }

    /// Whether sidehook created, or began to create, the NocoBase-style tables of this database.
    pub(crate) fn stand_alone(&self) -> bool {
        self.contains(m20261122_000001_stand_alone::Migration.name())
    }
}

async fn versions(connection: &DatabaseTransaction, names: &Names) -> Result<Vec<String>, DbErr> {
    let table = migrator::table_name(names);
    if !SchemaManager::new(connection).has_table(&table).await? {
        return Ok(vec![]);
    }
    let select = Query::select().column(Column::Version).from(Alias::new(table)).to_owned();
    let rows = connection.query_all(&select).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}
