//! The migrations that a database has had, and the table that records them.

use entity::{Names, Table};
use sea_orm_migration::{
    MigrationName, SchemaManager,
    sea_orm::{
        ConnectionTrait, DatabaseTransaction, DbErr,
        sea_query::{Alias, Query},
    },
    seaql_migrations::Column,
};

use crate::{MigrationError, m20261122_000001_stand_alone};

/// Which tables are sidehook's to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The `sidehook_` tables.
    Own,
    /// Those, and NocoBase-style ones.
    StandAlone,
}

/// Names of migrations, as recorded in the database.
pub(crate) struct Applied(Vec<String>);

impl Applied {
    /// Reads the records without creating their table: a user without the right to create tables may do it.
    ///
    /// A record of an unknown migration is an error, because a later sidehook may have changed the meaning
    /// of tables that this one writes. `known` are the names of all migrations that there are.
    pub(crate) async fn read(
        connection: &DatabaseTransaction,
        names: &Names,
        known: &[String],
    ) -> Result<Self, MigrationError> {
        let applied = Self(versions(connection, names).await?);
        let unknown = applied.0.iter().find(|version| !known.contains(version));
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
    let table = table_name(names);
    if !SchemaManager::new(connection).has_table(&table).await? {
        return Ok(vec![]);
    }
    let select = Query::select().column(Column::Version).from(Alias::new(table)).to_owned();
    let rows = connection.query_all(&select).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

/// `sidehook_<prefix>migrations`, made from the name of another own table because `Names` keeps the prefix
/// to itself.
pub(crate) fn table_name(names: &Names) -> String {
    let leases = names.table_name(Table::Leases);
    format!("{}migrations", leases.strip_suffix("leases").unwrap_or(&leases))
}
