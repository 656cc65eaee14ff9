//! Connections to PostgreSQL.

use futures_util::future::BoxFuture;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode, Postgres};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use sea_orm::{DatabaseConnection, SqlxError, SqlxPostgresConnector};

use super::address::{Host, Server, TlsMode};
use super::options::{IDLE_TIMEOUT, IDLE_TRANSACTION, server_pool};
use crate::store::pool::Retirement;

/// How many more connections there may be of this role, to this database and on this server; NULL for any number. The
/// connection that asks does not count.
const GRANTED: &str = "\
WITH others AS (SELECT usename, datname FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL) \
SELECT LEAST( \
  CASE WHEN r.rolsuper OR r.rolconnlimit < 0 THEN NULL \
       ELSE r.rolconnlimit - (SELECT count(*) FROM others WHERE usename = r.rolname) END, \
  CASE WHEN r.rolsuper OR d.datconnlimit < 0 THEN NULL \
       ELSE d.datconnlimit - (SELECT count(*) FROM others WHERE datname = d.datname) END, \
  current_setting('max_connections')::bigint - (SELECT count(*) FROM others) \
    - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::bigint END \
)::bigint FROM pg_roles r, pg_database d WHERE r.rolname = session_user AND d.datname = current_database()";

fn options(server: &Server) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(server.port)
        .username(&server.user)
        .database(&server.database)
        .application_name("sidehook")
        // PgBouncer refuses a connection that sets it; since PostgreSQL 12 nothing is lost without.
        .extra_float_digits(None)
        .ssl_mode(match server.tls.mode {
            TlsMode::Off => PgSslMode::Disable,
            TlsMode::Prefer => PgSslMode::Prefer,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
        })
        .disable_statement_logging();
    options = match &server.host {
        Host::Name(name) => options.host(name),
        Host::Socket(folder) => options.socket(folder),
    };
    if let Some(password) = &server.password {
        options = options.password(password);
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_root_cert_from_pem(ca.0.clone().into_bytes());
    }
    if let Some((certificate, key)) = &server.tls.identity {
        options = options.ssl_client_cert_from_pem(&certificate.0).ssl_client_key_from_pem(&key.0);
    }
    match server.statement_cache {
        Some(capacity) => options.statement_cache_capacity(capacity),
        None => options,
    }
}

/// Connects once, and asks how many connections there may be. `None` where the server does not say.
pub(super) async fn granted(server: &Server) -> Result<Option<i64>, SqlxError> {
    let mut connection = PgConnection::connect_with(&options(server)).await?;
    let granted = connection.fetch_one(GRANTED).await.and_then(|row| row.try_get(0)).unwrap_or_default();
    let _ = connection.close().await;
    Ok(granted)
}

pub(super) fn pool(server: &Server, max_connections: u32, retired: Retirement) -> DatabaseConnection {
    let setup = setup(server.schema.as_deref());
    let pool = server_pool::<Postgres>(
        max_connections,
        server.port,
        IDLE_TIMEOUT,
        retired,
        move |connection| {
            let setup = setup.clone();
            Box::pin(async move { connection.execute(AssertSqlSafe(setup)).await.map(drop) })
        },
        is_idle,
    );
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(options(server)))
}

/// What a connection begins with.
fn setup(schema: Option<&str>) -> String {
    let idle = format!("SET idle_in_transaction_session_timeout = {}", IDLE_TRANSACTION.as_millis());
    match schema {
        Some(schema) => format!("{idle}; SET search_path = \"{}\"", schema.replace('"', "\"\"")),
        None => idle,
    }
}

/// Whether a connection is outside of any transaction, as the server sees it. Within a transaction the two times differ;
/// in one that has failed the question is an error.
fn is_idle(connection: &mut PgConnection) -> BoxFuture<'_, Result<bool, SqlxError>> {
    Box::pin(async move { connection.fetch_one("SELECT now() = statement_timestamp()").await?.try_get(0) })
}
