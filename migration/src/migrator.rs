//! The list of migrations.

use entity::Names;
use sea_orm_migration::{
    MigrationTrait, MigratorTraitSelf,
    sea_orm::{
        DynIden,
        sea_query::{Alias, IntoIden},
    },
};

use crate::{
    applied::{Applied, Scope, table_name},
    m20261122_000001_stand_alone, m20261122_000002_nocobase_tables, m20261122_000003_own_tables,
    m20261122_000004_waiting, m20261122_000005_handovers, m20261127_000006_requests,
    m20261127_000007_listening, m20261127_000008_settings,
};

/// The migrations of one scope, for the names of one deployment.
pub(crate) struct Migrator {
    names: Names,
    scope: Scope,
}

impl Migrator {
    pub(crate) fn new(names: &Names, scope: Scope) -> Self {
        Self { names: names.clone(), scope }
    }

    /// Whether NocoBase's tables have to be there already.
    pub(crate) fn is_beside_nocobase(&self) -> bool {
        self.scope == Scope::Own
    }

    /// The names of all migrations that there are.
    pub(crate) fn known(names: &Names) -> Vec<String> {
        let all = Self::new(names, Scope::StandAlone).migrations();
        all.iter().map(|migration| migration.name().to_owned()).collect()
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
            Box::new(m20261122_000003_own_tables::migration(names())),
            Box::new(m20261122_000004_waiting::Migration::new(names())),
            Box::new(m20261122_000005_handovers::migration(names())),
            Box::new(m20261127_000006_requests::migration(names())),
            Box::new(m20261127_000007_listening::migration(names())),
            Box::new(m20261127_000008_settings::migration(names())),
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
