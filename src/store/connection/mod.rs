//! Opening the database: one connection first, whose errors are told as they are, then the pool.

mod address;
mod mysql;
mod options;
mod postgres;
mod socket;
mod sqlite;

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, SqlxError};

pub use address::{Address, Host, Pem, Server, Tls, TlsMode};

use super::Store;
use super::fault::{Fault, words_of};
use super::pool::{Pool, Retirement};

/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Why the database does not open, in words for the operator. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {reason}")]
pub struct OpenError {
    address: String,
    reason: String,
    is_passing: bool,
}

impl OpenError {
    /// Whether the database may open later: it is away, starting or has no connection left. A wrong password, a
    /// certificate that is not trusted or a missing database stay wrong.
    pub fn is_passing(&self) -> bool {
        self.is_passing
    }
}

/// Opens the pool, of at most `max_connections` and no more than the server has to give, and makes sure that the
/// database answers.
pub async fn open(address: &Address, max_connections: u32) -> Result<Pool, OpenError> {
    let failed = |err: SqlxError| open_error(address, &err);
    let retired = Retirement::default();
    let mut locks_gaps = false;
    let db = match address {
        Address::Sqlite { file, creates } => {
            sqlite::open(file, *creates, max_connections).await.map_err(failed)?
        }
        Address::Postgres(server) => {
            let granted = in_time(postgres::granted(server)).await.map_err(failed)?;
            let max = bounded(max_connections, granted);
            postgres::pool(server, max, retired.clone())
        }
        Address::Mysql(server) => {
            let met = in_time(mysql::meet(server)).await.map_err(failed)?;
            locks_gaps = met.logs_statements;
            mysql::pool(server, bounded(max_connections, met.granted), met.idle, retired.clone())
        }
    };
    Ok(Pool::new(db, retired, locks_gaps))
}

/// What `DB_POOL_MAX` comes down to where the server gives fewer.
fn bounded(wanted: u32, granted: Option<i64>) -> u32 {
    let Some(granted) = granted else { return wanted };
    // One is for the signs of life, which have a connection of their own.
    let for_pool = if wanted > 1 { granted - 1 } else { granted };
    let max = u32::try_from(for_pool.max(1)).unwrap_or(u32::MAX).min(wanted);
    if max < wanted {
        tracing::warn!(
            connections = max,
            "a database gives fewer connections than the {wanted} of DB_POOL_MAX (SIDEHOOK_SOURCE_POOL_MAX for a data \
             source); a restart asks again"
        );
    }
    max
}

async fn in_time<T>(work: impl Future<Output = Result<T, SqlxError>>) -> Result<T, SqlxError> {
    let silent = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 5 seconds");
    tokio::time::timeout(CONNECT_TIMEOUT, work).await.unwrap_or_else(|_| Err(silent().into()))
}

fn open_error(address: &Address, err: &SqlxError) -> OpenError {
    let is_passing = match err {
        // What is wrong with a certificate comes as invalid data.
        SqlxError::Io(err) => err.kind() != std::io::ErrorKind::InvalidData,
        SqlxError::Database(_) => matches!(Fault::of_driver(err), Fault::Away | Fault::NoConnections),
        _ => false,
    };
    let reason = match Fault::of_driver(err).explanation() {
        Some(explanation) => format!("{explanation}: {}", words_of(err)),
        None => words_of(err),
    };
    OpenError { address: address.to_string(), reason, is_passing }
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
