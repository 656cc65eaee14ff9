//! What an error of the database means: whether the same may work later, and what to tell the operator. The one
//! place that knows the codes of the databases.

use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr, SqlxError};

/// The kinds of errors that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row with this key is there.
    Duplicate,
    /// The transaction lost a race against another: serialization failure, deadlock, lock wait, a snapshot that is
    /// too old.
    Race,
    /// The connection was lost, or the server is away, starting, stopping or short of something.
    Away,
    /// SQLite's file is locked by somebody else.
    Busy,
    /// The server, the role or the database has as many connections as it may.
    NoConnections,
    /// The connection is inside a transaction that has failed. It belonged to somebody else: whoever writes knows
    /// of his own failed statements.
    Aborted,
    /// The disk is full, or the database may not grow.
    Full,
    /// A standby, or a file that may not be written.
    ReadOnly,
    /// A prepared statement is older than a change of its tables.
    StalePlan,
    /// Something between here and PostgreSQL shares connections between clients, as PgBouncer does.
    SharedConnection,
    MissingTable,
    MissingRight,
    /// Everything else: the statement or its values.
    Refused,
}

impl Fault {
    pub fn of(err: &DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(_)) = err.sql_err() {
            return Self::Duplicate;
        }
        match err {
            DbErr::ConnectionAcquire(_) => Self::Away,
            DbErr::Conn(RuntimeErr::SqlxError(driver)) => match Self::of_driver(driver) {
                // Whatever a connection fails for can be mended on the server while sidehook runs.
                Self::Refused => Self::Away,
                fault => fault,
            },
            DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver)) => {
                Self::of_driver(driver)
            }
            DbErr::Conn(_) => Self::Away,
            _ => Self::Refused,
        }
    }

    /// The same for an error of the driver.
    pub fn of_driver(err: &SqlxError) -> Self {
        let Some(answer) = err.as_database_error() else {
            let is_lost = matches!(
                err,
                SqlxError::Io(_)
                    | SqlxError::Tls(_)
                    | SqlxError::Protocol(_)
                    | SqlxError::PoolTimedOut
                    | SqlxError::PoolClosed
                    | SqlxError::WorkerCrashed
                    | SqlxError::BeginFailed
                    | SqlxError::InvalidSavePointStatement
            );
            return if is_lost { Self::Away } else { Self::Refused };
        };
        let code = answer.code().unwrap_or_default();
        if let Some(answer) = answer.try_downcast_ref::<MySqlDatabaseError>() {
            return of_mysql(answer.number()).unwrap_or_else(|| of_state(&code, answer.message()));
        }
        match answer.try_downcast_ref::<SqliteError>() {
            Some(_) => of_sqlite(&code, answer.message()),
            None => of_state(&code, answer.message()),
        }
    }

    /// Whether the same transaction may succeed later without anybody changing it.
    pub fn is_passing(self) -> bool {
        match self {
            Self::Race
            | Self::Away
            | Self::Busy
            | Self::NoConnections
            | Self::Aborted
            | Self::Full
            | Self::ReadOnly
            | Self::StalePlan => true,
            Self::Duplicate
            | Self::SharedConnection
            | Self::MissingTable
            | Self::MissingRight
            | Self::Refused => false,
        }
    }

    /// Whether the fault is the database's as a whole, so that no event can be recorded, and not one of what was to
    /// be written.
    pub fn is_of_the_database(self) -> bool {
        self.is_passing() || matches!(self, Self::SharedConnection | Self::MissingTable | Self::MissingRight)
    }

    /// What the operator is told before the database's own words.
    pub fn explanation(self) -> Option<&'static str> {
        match self {
            Self::NoConnections => Some("the database takes no more connections"),
            Self::Full => Some("the disk of the database is full"),
            Self::ReadOnly => Some("the database is read-only"),
            Self::MissingRight => Some("the database user lacks a right"),
            Self::SharedConnection => Some(
                "a pooler such as PgBouncer shares connections between clients: use its session mode (pool_mode = \
                 session)",
            ),
            _ => None,
        }
    }
}

/// An error in one line for logs and answers to the operator: what it means, and the database's own words once.
pub fn describe(err: &DbErr) -> String {
    let words = match err {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => {
            "no connection to the database could be had in time: either it does not answer, or all that there may be are in \
             use (DB_POOL_MAX)"
                .to_owned()
        }
        DbErr::Conn(RuntimeErr::Internal(words)) => words.clone(),
        DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver)) => words_of(driver),
        other => other.to_string(),
    };
    match Fault::of(err).explanation() {
        Some(explanation) => format!("{explanation}: {words}"),
        None => words,
    }
}

/// The words of the driver or the server, without those that the layers above put before them.
pub(super) fn words_of(err: &SqlxError) -> String {
    match err {
        SqlxError::Database(answer) => answer.message().to_owned(),
        SqlxError::Configuration(inner) | SqlxError::Tls(inner) => inner.to_string(),
        SqlxError::Io(inner) => inner.to_string(),
        other => other.to_string(),
    }
}

/// Errors of MySQL and MariaDB that their SQLSTATE says nothing of.
fn of_mysql(number: u16) -> Option<Fault> {
    Some(match number {
        // A row has changed since the snapshot (MariaDB); a lock was not had; a deadlock.
        1020 | 1205 | 1213 => Fault::Race,
        // A full disk, seen by the server (1021, 1026), by its engine (1030) or as a table that may not grow.
        1021 | 1026 | 1030 | 1114 => Fault::Full,
        // Read-only servers of a failover, and read-only transactions.
        1290 | 1792 | 1836 => Fault::ReadOnly,
        // Interrupted and killed by a server that stops; idle for too long (MySQL 8).
        1053 | 1317 | 1927 | 4031 => Fault::Away,
        // All, those of one user, those that an account may have.
        1040 | 1203 | 1226 => Fault::NoConnections,
        1044 | 1142 | 1143 | 1227 => Fault::MissingRight,
        1146 => Fault::MissingTable,
        _ => return None,
    })
}

/// SQLite has codes, whose extended forms end in the byte of the plain one, and else texts only.
fn of_sqlite(code: &str, message: &str) -> Fault {
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Fault::Busy,
        Ok(8) => Fault::ReadOnly,
        Ok(13) => Fault::Full,
        // No memory, an I/O error, a file that cannot be opened: for want of file descriptors, for instance.
        Ok(7 | 10 | 14) => Fault::Away,
        _ if message.starts_with("no such table") => Fault::MissingTable,
        _ => Fault::Refused,
    }
}

/// SQLSTATE, as PostgreSQL has it and MySQL where it has nothing better.
fn of_state(code: &str, message: &str) -> Fault {
    match code {
        "40001" | "40P01" | "55P03" => Fault::Race,
        "53100" => Fault::Full,
        "53300" => Fault::NoConnections,
        "25006" => Fault::ReadOnly,
        "25P02" => Fault::Aborted,
        "42501" => Fault::MissingRight,
        "42P01" | "42S02" => Fault::MissingTable,
        "0A000" if message.starts_with("cached plan") => Fault::StalePlan,
        // A prepared statement of somebody else, or none where one's own should be.
        "42P05" | "26000" => Fault::SharedConnection,
        "08P01" if message.contains("startup parameter") => Fault::SharedConnection,
        // A transaction that was idle or took too long; an I/O error of the server.
        "25P03" | "25P04" | "58030" => Fault::Away,
        // Connections; resources; a server that is shutting down or starting up.
        _ if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Fault::Away,
        _ => Fault::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_somebody_left_behind_passes() {
        assert!(of_state("25P02", "current transaction is aborted").is_passing());
        assert!(of_state("0A000", "cached plan must not change result type").is_passing());
        assert!(!of_state("0A000", "cross-database references are not implemented").is_passing());
        assert!(!of_state("22001", "value too long").is_passing());
    }

    #[test]
    fn full_disks_are_known_on_every_database() {
        assert_eq!(of_sqlite("13", "database or disk is full"), Fault::Full);
        assert_eq!(of_mysql(1021), Some(Fault::Full));
        assert_eq!(of_state("53100", "could not extend file"), Fault::Full);
        // SQLITE_IOERR_WRITE and SQLITE_READONLY_DBMOVED.
        assert_eq!(of_sqlite("778", "disk I/O error"), Fault::Away);
        assert_eq!(of_sqlite("1032", "attempt to write a readonly database"), Fault::ReadOnly);
    }

    #[test]
    fn what_the_driver_cannot_encode_does_not_pass() {
        assert_eq!(Fault::of_driver(&SqlxError::InvalidArgument("too many".into())), Fault::Refused);
        assert_eq!(Fault::of_driver(&SqlxError::PoolTimedOut), Fault::Away);
    }

    #[test]
    fn words_are_said_once() {
        let lost = std::io::Error::other("connection reset");
        let err = DbErr::Query(RuntimeErr::SqlxError(SqlxError::Io(lost).into()));
        assert_eq!(describe(&err), "connection reset");
    }
}
