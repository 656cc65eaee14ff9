//! Opening the database.

use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Executor};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr};
use tracing::log::LevelFilter;

use super::Store;
use super::instance::TIME_TO_LIVE;

/// The server ends a transaction in which nothing has happened for so long: its process has been stopped, and
/// others wait for the rows that it has locked.
const IDLE_TRANSACTION: Duration = TIME_TO_LIVE;

/// How to reach the database.
#[derive(Clone)]
pub struct Address {
    /// A sea-orm URL: `postgres://`, `mysql://` or `sqlite://`. Holds the password.
    pub url: String,
    pub schema: Option<String>,
    pub max_connections: u32,
}

/// Opens the pool and makes sure that the database answers.
pub async fn open(address: &Address) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(&address.url);
    options
        .max_connections(address.max_connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(600))
        .test_before_acquire(false)
        .sqlx_logging(false)
        .sqlx_slow_statements_logging_settings(LevelFilter::Off, Duration::ZERO)
        .set_application_name("sidehook");
    // In NocoBase's connections `||` means OR on MySQL, as it does there unless told otherwise.
    options.map_sqlx_mysql_opts(|options| options.pipes_as_concat(false));
    let setup = postgres_setup(address.schema.as_deref());
    options.map_sqlx_postgres_pool_opts(move |pool| {
        let setup = setup.clone();
        pool.after_connect(move |connection, _| {
            let setup = setup.clone();
            Box::pin(async move { connection.execute(AssertSqlSafe(setup)).await.map(drop) })
        })
    });
    options.map_sqlx_mysql_pool_opts(|pool| {
        pool.after_connect(|connection, _| {
            Box::pin(async move {
                // MariaDB only: MySQL knows nothing of the kind.
                let setup = format!("SET SESSION idle_transaction_timeout = {}", IDLE_TRANSACTION.as_secs());
                match connection.execute(AssertSqlSafe(setup)).await {
                    Err(err) if err.as_database_error().is_none() => Err(err),
                    _ => Ok(()),
                }
            })
        })
    });
    options.map_sqlx_sqlite_opts(|options| options.busy_timeout(Duration::from_secs(10)).foreign_keys(false));
    Database::connect(options).await
}

/// What a connection to PostgreSQL begins with.
fn postgres_setup(schema: Option<&str>) -> String {
    let idle = format!("SET idle_in_transaction_session_timeout = {}", IDLE_TRANSACTION.as_millis());
    match schema {
        Some(schema) => format!("{idle}; SET search_path = \"{}\"", schema.replace('"', "\"\"")),
        None => idle,
    }
}

impl Store {
    /// Switches an SQLite file to write-ahead logging, so that reading and writing don't wait for each other.
    /// For stand-alone databases only: NocoBase opens its own file its own way.
    pub async fn use_write_ahead_log(&self) -> Result<(), DbErr> {
        if self.codec.backend() == DbBackend::Sqlite {
            self.db.execute_unprepared("PRAGMA journal_mode = WAL").await?;
        }
        Ok(())
    }
}

/// Whether the database may answer later: it refused the connection or did not answer at all. A wrong
/// password or a missing database stay wrong.
pub fn may_be_starting(err: &DbErr) -> bool {
    match err {
        DbErr::Conn(sea_orm::RuntimeErr::SqlxError(driver)) => match driver.as_database_error() {
            None => !matches!(&**driver, sea_orm::SqlxError::Configuration(_)),
            // 57P03: PostgreSQL is starting up.
            Some(answer) => answer.code().is_some_and(|code| code == "57P03"),
        },
        DbErr::ConnectionAcquire(_) => true,
        _ => false,
    }
}
