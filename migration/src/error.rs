//! Why tables could not be created; every text says what to do.

use sea_orm::DbErr;

/// A refusal or a fault while creating tables.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A stand-alone database was asked for, but these are somebody else's tables.
    #[error(
        "the database already has a table {table:?} that sidehook did not create, so this looks like \
         NocoBase's own database: use the command without --stand-alone, and sidehook works with the tables \
         that are there. It never alters NocoBase's tables"
    )]
    NocoBaseFound {
        /// The first of NocoBase's tables that was found.
        table: String,
    },
    /// What should be NocoBase's database has none of its tables, or lets nobody read them.
    #[error(
        "NocoBase's table {table:?} cannot be read: {reason}; is this NocoBase's database? DB_DATABASE, \
         DB_SCHEMA, DB_TABLE_PREFIX and DB_UNDERSCORED have to be as NocoBase has them. Nothing was created"
    )]
    NoNocoBase {
        /// The table that was looked for.
        table: String,
        /// The database's own words.
        reason: String,
    },
    /// A later version of sidehook has upgraded this database.
    #[error(
        "a newer sidehook has upgraded this database (migration {version} is not known here): use that \
         version or a later one"
    )]
    Newer {
        /// The first recorded migration that this version does not have.
        version: String,
    },
    /// The schema of NocoBase's tables is not there.
    #[error("the PostgreSQL schema {schema:?} does not exist: check DB_SCHEMA")]
    NoSchema {
        /// The schema that was looked for.
        schema: String,
    },
    /// The lock around migrations is taken and stays so.
    #[error(
        "another process is creating or upgrading sidehook's tables and does not finish: try again later"
    )]
    Busy,
    /// The database refused a statement or could not be reached.
    #[error(transparent)]
    Database(#[from] DbErr),
}
