//! Where a database is and how it is reached, in parts: nothing has to be escaped, and nothing is printed.

use std::fmt;
use std::path::PathBuf;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Sqlite {
        file: PathBuf,
        /// Whether a file that does not exist is made.
        creates: bool,
    },
    Postgres(Server),
    Mysql(Server),
}

/// A database on a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    pub host: Host,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    /// The schema of NocoBase's tables, on PostgreSQL.
    pub schema: Option<String>,
    pub tls: Tls,
    /// How many prepared statements a connection keeps; the driver's default when not given.
    pub statement_cache: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an address; IPv6 without brackets.
    Name(String),
    /// A Unix socket: its folder on PostgreSQL, itself on MySQL.
    Socket(PathBuf),
}

/// How the connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    pub mode: TlsMode,
    /// Certificates of authorities to trust beside the well-known ones, as PEM.
    pub ca: Option<Pem>,
    /// The client's certificate and its key.
    pub identity: Option<(Pem, Pem)>,
}

/// As libpq's `sslmode` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    #[default]
    Off,
    /// Where the server offers it; nothing is verified.
    Prefer,
    /// Nothing is verified.
    Require,
    /// The certificate is, the name in it is not.
    VerifyCa,
    VerifyFull,
}

/// Certificates or a key in PEM's text.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(pub String);

impl Address {
    pub fn schema(&self) -> Option<&str> {
        match self {
            Self::Postgres(server) => server.schema.as_deref(),
            Self::Sqlite { .. } | Self::Mysql(_) => None,
        }
    }

    /// The SQLite file, where it does not exist. Opening it would create an empty one.
    pub fn missing_file(&self) -> Option<String> {
        match self {
            Self::Sqlite { file, .. } if !file.exists() => Some(file.display().to_string()),
            _ => None,
        }
    }

    /// The same, with an SQLite file that has to exist.
    #[must_use]
    pub fn without_creating(self) -> Self {
        match self {
            Self::Sqlite { file, .. } => Self::Sqlite { file, creates: false },
            server => server,
        }
    }
}

/// Such as `PostgreSQL at db:5432`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { file, .. } => write!(f, "{}", file.display()),
            Self::Postgres(server) => write!(f, "PostgreSQL at {}", server.place()),
            Self::Mysql(server) => write!(f, "MySQL at {}", server.place()),
        }
    }
}

impl Server {
    fn place(&self) -> String {
        match &self.host {
            Host::Name(name) if name.contains(':') => format!("[{name}]:{}", self.port),
            Host::Name(name) => format!("{name}:{}", self.port),
            Host::Socket(path) => path.display().to_string(),
        }
    }
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("schema", &self.schema)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[PEM]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_holds_the_password() {
        let server = Server {
            host: Host::Name("::1".to_owned()),
            port: 5432,
            user: "u".to_owned(),
            password: Some("hunter2".to_owned()),
            database: "d".to_owned(),
            schema: None,
            tls: Tls { ca: Some(Pem("hunter2".to_owned())), ..Tls::default() },
            statement_cache: None,
        };
        let address = Address::Postgres(server);
        assert_eq!(address.to_string(), "PostgreSQL at [::1]:5432");
        assert!(!format!("{address:?}").contains("hunter2"));
    }

    #[test]
    fn looking_does_not_create_a_file() {
        let address = Address::Sqlite { file: "a".into(), creates: true };
        assert_eq!(address.without_creating(), Address::Sqlite { file: "a".into(), creates: false });
    }
}
