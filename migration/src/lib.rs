//! Creates tables: sidehook's own (`sidehook_…`) anywhere, NocoBase-style ones in a stand-alone database
//! only. NocoBase's own tables are never altered, added to or indexed; where they are found and sidehook
//! did not create them, [`stand_alone`] refuses.
//!
//! What has been applied is recorded beside the tables in `sidehook_migrations`
//! (`sidehook_<prefix>migrations` under a table prefix). A migration that has been released is never
//! changed: another one follows it.

mod applied;
mod column;
mod creation;
mod definition;
mod error;
mod m20261122_000001_stand_alone;
mod m20261122_000002_nocobase_tables;
mod m20261122_000003_own_tables;
mod m20261122_000004_waiting;
mod m20261122_000005_handovers;
mod m20261127_000006_requests;
mod m20261127_000007_listening;
mod m20261127_000008_settings;
mod migrator;
mod nocobase;
mod present;
mod schema;
mod session;
mod step;
#[cfg(test)]
mod tests;

use entity::Names;
use sea_orm::DatabaseConnection;

pub use error::MigrationError;

use applied::{Applied, Scope};
use migrator::Migrator;
use session::Session;

/// Creates or upgrades sidehook's own tables, beside NocoBase's or in a stand-alone database.
///
/// Where they are up to date it does nothing and needs no right to create tables. Processes that start at
/// the same time wait for each other. Creates nothing where NocoBase's tables are not found.
pub async fn own_tables(db: &DatabaseConnection, names: &Names) -> Result<(), MigrationError> {
    migrate(db, names, Scope::Own).await
}

/// Makes a database that NocoBase does not use ready for sidehook: the workflow tables as NocoBase 2.2.15
/// creates them, the row of its `workflow` plugin, and sidehook's own tables.
///
/// Refuses with [`MigrationError::NocoBaseFound`] where one of those workflow tables exists and sidehook did
/// not create it. Does nothing where all is there from an earlier call. Creates the PostgreSQL schema when
/// it does not exist.
pub async fn stand_alone(db: &DatabaseConnection, names: &Names) -> Result<(), MigrationError> {
    migrate(db, names, Scope::StandAlone).await
}

/// Whether [`own_tables`] would create or upgrade anything. Changes nothing.
pub async fn has_pending(db: &DatabaseConnection, names: &Names) -> Result<bool, MigrationError> {
    let session = Session::begin(db).await?;
    let outcome = pending(&session, names, Scope::Own).await;
    session.end(outcome.map(|migrator| migrator.is_some())).await
}

async fn migrate(db: &DatabaseConnection, names: &Names, scope: Scope) -> Result<(), MigrationError> {
    let session = Session::begin(db).await?;
    let outcome = migrate_within(&session, names, scope).await;
    session.end(outcome).await
}

async fn migrate_within(session: &Session, names: &Names, scope: Scope) -> Result<(), MigrationError> {
    if let Some(migrator) = pending(session, names, scope).await? {
        if migrator.is_beside_nocobase() {
            nocobase::refuse_if_absent(session.connection(), names).await?;
        }
        migrator.run(session.connection()).await?;
    }
    Ok(())
}

/// The migrations to run, where the database lacks any.
async fn pending(session: &Session, names: &Names, scope: Scope) -> Result<Option<Migrator>, MigrationError> {
    let connection = session.connection();
    schema::enter(connection, names, scope).await?;

    let applied = Applied::read(connection, names, &migrator::known(names)).await?;
    if scope == Scope::StandAlone && !applied.stand_alone() {
        nocobase::refuse_if_present(connection, names).await?;
    }
    // Own tables of a stand-alone database: its NocoBase-style tables are upgraded with them.
    let scope = if applied.stand_alone() { Scope::StandAlone } else { scope };
    Ok(Migrator::new(names, scope, &applied))
}
