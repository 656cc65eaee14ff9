//! The migrations that a database has had, and the table that records them.

use entity::{Names, Table};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr,
    sea_query::{Alias, Query},
};

use crate::{MigrationError, m20261122_000001_stand_alone::StandAlone, present::has_table, step::Migration};

/// Columns of the records: the name of a migration, and when it was run, in seconds since 1970.
pub(crate) const VERSION: &str = "version";
pub(crate) const APPLIED_AT: &str = "applied_at";

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
        known: &[&str],
    ) -> Result<Self, MigrationError> {
        let applied = Self(versions(connection, names).await?);
        let unknown = applied.0.iter().find(|version| !known.contains(&version.as_str()));
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
        self.contains(StandAlone.name())
    }
}

async fn versions(connection: &DatabaseTransaction, names: &Names) -> Result<Vec<String>, DbErr> {
    let table = table_name(names);
    if !has_table(connection, &table).await? {
        return Ok(vec![]);
    }
    let select = Query::select().column(VERSION).from(Alias::new(table)).to_owned();
    let rows = connection.query_all(&select).await?;
    rows.iter().map(|row| row.try_get("", VERSION)).collect()
}

/// `sidehook_<prefix>migrations`, made from the name of another own table because `Names` keeps the prefix
/// to itself.
pub(crate) fn table_name(names: &Names) -> String {
    let leases = names.table_name(Table::Leases);
    format!("{}migrations", leases.strip_suffix("leases").unwrap_or(&leases))
}
