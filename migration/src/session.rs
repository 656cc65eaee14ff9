//! The one connection on which migrations run, and the lock that lets a single process run them at a time.
//! What they create is not decided here.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

use crate::MigrationError;

/// Waits at most a minute. Advisory locks are per database, and the number only has to be the same in every
/// sidehook.
const LOCK_POSTGRES: &str =
    "SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock(8316288573622939499)";

/// Waits at most a minute. Names of locks are per server and hold 64 characters; MySQL 9 has no shorter hash.
const LOCK_MYSQL: &str =
    "SELECT GET_LOCK(SHA2(CONCAT(DATABASE(), '/sidehook_migrations'), 256), 60) AS locked";
const UNLOCK_MYSQL: &str = "DO RELEASE_LOCK(SHA2(CONCAT(DATABASE(), '/sidehook_migrations'), 256))";

/// A transaction during which no other process migrates the same database.
///
/// On PostgreSQL and SQLite it makes a migration all or nothing. MySQL commits each `CREATE TABLE` by
/// itself; there the transaction only holds on to the connection that owns the lock.
pub(crate) struct Session {
    transaction: DatabaseTransaction,
}

impl Session {
    pub(crate) async fn begin(db: &DatabaseConnection) -> Result<Self, MigrationError> {
        let options = TransactionOptions {
            // A deferred transaction would fail, not wait, when two processes go from reading to writing.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = db.begin_with_options(options).await?;
        match transaction.get_database_backend() {
            DbBackend::Postgres => {
                transaction.execute_unprepared(LOCK_POSTGRES).await?;
            }
            DbBackend::MySql => lock_mysql(&transaction).await?,
            _ => {}
        }
        Ok(Self { transaction })
    }

    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Commits or rolls back, and lets the next process in.
    pub(crate) async fn end<T>(self, outcome: Result<T, MigrationError>) -> Result<T, MigrationError> {
        let unlocked = self.unlock().await;
        match outcome {
            Ok(outcome) => {
                self.transaction.commit().await?;
                unlocked?;
                Ok(outcome)
            }
            Err(err) => {
                // A rollback that fails has lost its connection, which rolls back too: `err` says more.
                let _ = self.transaction.rollback().await;
                Err(err)
            }
        }
    }

    /// Gives up a lock that belongs to the connection, which goes back to its pool. MySQL has committed all
    /// statements by then; the locks of the other databases end with the transaction.
    async fn unlock(&self) -> Result<(), DbErr> {
        if self.transaction.get_database_backend() == DbBackend::MySql {
            self.transaction.execute_unprepared(UNLOCK_MYSQL).await?;
        }
        Ok(())
    }
}

async fn lock_mysql(transaction: &DatabaseTransaction) -> Result<(), MigrationError> {
    let row = transaction.query_one_raw(Statement::from_string(DbBackend::MySql, LOCK_MYSQL)).await?;
    let locked = row.map(|row| row.try_get::<Option<i64>>("", "locked")).transpose()?.flatten();
    if locked == Some(1) { Ok(()) } else { Err(MigrationError::Busy) }
}
