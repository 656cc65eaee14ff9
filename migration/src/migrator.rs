//! The list of migrations.

use entity::{Names, Table};
use sea_orm_migration::{
    MigrationTrait, MigratorTraitSelf,
    sea_orm::{
        DynIden,
        sea_query::{Alias, IntoIden},
    },
};

use crate::{
    applied::Applied, m20261122_000001_stand_alone, m20261122_000002_nocobase_tables,
    m20261122_000003_own_tables, m20261122_000004_waiting, m20261122_000005_handovers,
};

/// Which tables are sidehook's to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The `sidehook_` tables.
    Own,
    /// Those, and NocoBase-style ones.
    StandAlone,
}

/// The migrations of one scope, for the names of one deployment.
pub(crate) struct Migrator {
    names: Names,
    scope: Scope,
}

impl Migrator {
    pub(crate) fn new(names: &Names, scope: Scope) -> Self {
        Self { names: names.clone(), scope }
    }

    /// Whether the database lacks one of these migrations.
    pub(crate) fn has_pending(&self, applied: &Applied) -> bool {
        self.migrations().iter().any(|migration| !applied.contains(migration.name()))
    }
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let names = || self.names.clone();
        let own: Vec<Box<dyn MigrationTrait>> = vec![
            Box::new(m20261122_000003_own_tables::Migration::new(names())),
            Box::new(m20261122_000004_waiting::Migration::new(names())),
            Box::new(m20261122_000005_handovers::Migration::new(names())),
        ];
        let nocobase: Vec<Box<dyn MigrationTrait>> = vec![
            Box::new(m20261122_000001_stand_alone::Migration),
            Box::new(m20261122_000002_nocobase_tables::Migration::new(names())),
        ];
        match self.scope {
            Scope::Own => own,
            Scope::StandAlone => nocobase.into_iter().chain(own).collect(),
        }
    }

    fn migration_table_name(&self) -> DynIden {
        Alias::new(table_name(&self.names)).into_iden()
    }
}

/// `sidehook_<prefix>migrations`, made from the name of another own table because `Names` keeps the prefix
/// to itself.
pub(crate) fn table_name(names: &Names) -> String {
    let leases = names.table_name(Table::Leases);
    format!("{}migrations", leases.strip_suffix("leases").unwrap_or(&leases))
}
