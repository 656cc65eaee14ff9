//! The list of migrations, and how those that a database lacks are run.

use std::time::{SystemTime, UNIX_EPOCH};

use entity::Names;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr,
    sea_query::{Alias, ColumnDef, Query, Table},
};

use crate::{
    applied::{APPLIED_AT, Applied, Scope, VERSION, table_name},
    m20261122_000001_stand_alone, m20261122_000002_nocobase_tables, m20261122_000003_own_tables,
    m20261122_000004_waiting, m20261122_000005_handovers, m20261127_000006_requests,
    m20261127_000007_listening, m20261127_000008_settings,
    step::Migration,
};

/// The migrations that a database lacks, for the names of one deployment.
pub(crate) struct Migrator {
    table: String,
    scope: Scope,
    missing: Vec<Box<dyn Migration>>,
}

impl Migrator {
    /// `None` where the database has had all migrations of the scope.
    pub(crate) fn new(names: &Names, scope: Scope, applied: &Applied) -> Option<Self> {
        let mut missing = migrations(names, scope);
        missing.retain(|migration| !applied.contains(migration.name()));
        (!missing.is_empty()).then(|| Self { table: table_name(names), scope, missing })
    }

    /// Whether NocoBase's tables have to be there already.
    pub(crate) fn is_beside_nocobase(&self) -> bool {
        self.scope == Scope::Own
    }

    /// Runs what is missing, in order, and records each.
    pub(crate) async fn run(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        transaction.execute(&self.table_of_records()).await?;
        for migration in &self.missing {
            migration.up(transaction).await?;
            self.record(transaction, migration.name()).await?;
        }
        Ok(())
    }

    fn table_of_records(&self) -> sea_orm::sea_query::TableCreateStatement {
        Table::create()
            .table(Alias::new(&self.table))
            .if_not_exists()
            .col(ColumnDef::new(VERSION).string().not_null().primary_key())
            .col(ColumnDef::new(APPLIED_AT).big_integer().not_null())
            .take()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "when it was run is for people to read; nothing is decided by it"
    )]
    async fn record(&self, transaction: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new(&self.table))
            .columns([VERSION, APPLIED_AT])
            .values([name.into(), i64::try_from(now).unwrap_or(i64::MAX).into()])
            .map_err(|err| DbErr::Migration(err.to_string()))?;
        transaction.execute(&insert).await?;
        Ok(())
    }
}

/// The names of all migrations that there are.
pub(crate) fn known(names: &Names) -> Vec<&'static str> {
    migrations(names, Scope::StandAlone).iter().map(|migration| migration.name()).collect()
}

fn migrations(names: &Names, scope: Scope) -> Vec<Box<dyn Migration>> {
    let names = || names.clone();
    let own: Vec<Box<dyn Migration>> = vec![
        Box::new(m20261122_000003_own_tables::migration(names())),
        Box::new(m20261122_000004_waiting::Waiting::new(names())),
        Box::new(m20261122_000005_handovers::migration(names())),
        Box::new(m20261127_000006_requests::migration(names())),
        Box::new(m20261127_000007_listening::migration(names())),
        Box::new(m20261127_000008_settings::migration(names())),
    ];
    let nocobase: Vec<Box<dyn Migration>> = vec![
        Box::new(m20261122_000001_stand_alone::StandAlone),
        Box::new(m20261122_000002_nocobase_tables::NocoBaseTables::new(names())),
    ];
    match scope {
        Scope::Own => own,
        Scope::StandAlone => nocobase.into_iter().chain(own).collect(),
    }
}
