//! Connections to MySQL and MariaDB.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::sqlx::mysql::{MySql, MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use sea_orm::{DatabaseConnection, SqlxError, SqlxMySqlConnector};

use super::address::{Host, Server, TlsMode};
use super::options::{IDLE_TIMEOUT, IDLE_TRANSACTION, server_pool};
use crate::store::pool::Retirement;

/// How many connections there may be of this account (0 for any number) and on this server.
const LIMITS: &str = "SELECT CAST(@@max_user_connections AS signed), CAST(@@max_connections AS signed)";
/// Those of the same user: others are not shown without a right.
const OTHERS: &str = "SELECT COUNT(*) FROM information_schema.processlist \
                      WHERE id <> CONNECTION_ID() AND user = SUBSTRING_INDEX(USER(), '@', 1)";

/// Whether a server writes statements to its binary log as they are. A server that knows no such format does not.
const LOGS_STATEMENTS: &str = "SELECT CAST(@@log_bin AND @@binlog_format = 'STATEMENT' AS signed)";

/// On MySQL a connection in which nothing has happened for so long is not used any more: the server is about to end it.
const IDLE_CONNECTION: Duration = Duration::from_secs(IDLE_TRANSACTION.as_secs() / 2);
/// MariaDB has it.
const ENDS_TRANSACTIONS: &str = "SHOW VARIABLES LIKE 'idle_transaction_timeout'";

/// What a server says before there is a pool.
pub(super) struct Met {
    /// How many connections there may be; `None` where it does not say.
    pub granted: Option<i64>,
    /// How long connections may be idle.
    pub idle: Duration,
    /// Whether its binary log is one of statements.
    pub logs_statements: bool,
}

fn options(server: &Server) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .port(server.port)
        .username(&server.user)
        .database(&server.database)
        // In NocoBase's connections `||` means OR, as it does there unless told otherwise.
        .pipes_as_concat(false)
        .ssl_mode(match server.tls.mode {
            TlsMode::Off => MySqlSslMode::Disabled,
            TlsMode::Prefer => MySqlSslMode::Preferred,
            TlsMode::Require => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
        })
        .disable_statement_logging();
    options = match &server.host {
        Host::Name(name) => options.host(name),
        Host::Socket(path) => options.socket(path),
    };
    if let Some(password) = &server.password {
        options = options.password(password);
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_ca_from_pem(ca.0.clone().into_bytes());
    }
    if let Some((certificate, key)) = &server.tls.identity {
        options = options.ssl_client_cert_from_pem(&certificate.0).ssl_client_key_from_pem(&key.0);
    }
    match server.statement_cache {
        Some(capacity) => options.statement_cache_capacity(capacity),
        None => options,
    }
}

/// Connects once, and asks what the pool has to know.
pub(super) async fn meet(server: &Server) -> Result<Met, SqlxError> {
    let mut connection = MySqlConnection::connect_with(&options(server)).await?;
    let granted = ask(&mut connection).await.ok();
    let ends_transactions = connection.fetch_optional(ENDS_TRANSACTIONS).await?.is_some();
    let asked = connection.fetch_one(LOGS_STATEMENTS).await.and_then(|row| row.try_get::<i64, _>(0));
    let _ = connection.close().await;
    let idle = if ends_transactions { IDLE_TIMEOUT } else { IDLE_CONNECTION };
    Ok(Met { granted, idle, logs_statements: asked.is_ok_and(|answer| answer != 0) })
}

async fn ask(connection: &mut MySqlConnection) -> Result<i64, SqlxError> {
    let limits = connection.fetch_one(LIMITS).await?;
    let others: i64 = connection.fetch_one(OTHERS).await?.try_get(0)?;
    let (of_user, of_server): (i64, i64) = (limits.try_get(0)?, limits.try_get(1)?);
    let most = if of_user > 0 { of_user.min(of_server) } else { of_server };
    Ok(most - others)
}

pub(super) fn pool(
    server: &Server,
    max_connections: u32,
    idle: Duration,
    retired: Retirement,
) -> DatabaseConnection {
    let pool = server_pool::<MySql>(max_connections, server.port, idle, retired, set_up, is_idle);
    SqlxMySqlConnector::from_sqlx_mysql_pool(pool.connect_lazy_with(options(server)))
}

/// Has the server end transactions in which nothing happens. MySQL knows nothing of the kind: there it is connections
/// in which nothing happens, and the pool has to be done with them before.
fn set_up(connection: &mut MySqlConnection) -> BoxFuture<'_, Result<(), SqlxError>> {
    let seconds = IDLE_TRANSACTION.as_secs();
    Box::pin(async move {
        let of_mariadb = format!("SET SESSION idle_transaction_timeout = {seconds}");
        match connection.execute(AssertSqlSafe(of_mariadb)).await {
            Err(err) if err.as_database_error().is_some() => {
                let of_mysql = format!("SET SESSION wait_timeout = {seconds}");
                connection.execute(AssertSqlSafe(of_mysql)).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    })
}

/// Ends a transaction that a connection may have come back with. A level that was set for the next transaction goes
/// with it.
fn is_idle(connection: &mut MySqlConnection) -> BoxFuture<'_, Result<bool, SqlxError>> {
    Box::pin(async move { connection.execute("ROLLBACK").await.map(|_| true) })
}
