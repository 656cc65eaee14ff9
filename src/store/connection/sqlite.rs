//! Connections to an SQLite file.

use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{ConnectOptions, Connection, Executor};
use sea_orm::{DatabaseConnection, SqlxError, SqlxSqliteConnector};

use super::options::pool_options;

/// How long a statement waits for somebody else's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the file once, so that its errors are told, and then the pool.
pub(super) async fn open(
    file: &Path,
    creates: bool,
    max_connections: u32,
) -> Result<DatabaseConnection, SqlxError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(creates)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .disable_statement_logging();
    let pool = pool_options(max_connections)
        .after_release(|connection: &mut SqliteConnection, _| {
            Box::pin(async move { Ok(is_idle(connection).await) })
        })
        .connect_with(options)
        .await?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// Whether a connection that comes back is outside of any transaction, for the driver and for SQLite. After a full
/// disk or an I/O error SQLite ends a transaction by itself, and the driver does not notice: what it takes for commits
/// from then on are savepoints that nothing ever commits.
async fn is_idle(connection: &mut SqliteConnection) -> bool {
    !connection.is_in_transaction() && connection.execute("BEGIN; ROLLBACK").await.is_ok()
}
