//! Which database, how it is reached, and how this deployment names things in it.

use std::path::PathBuf;

use chrono::FixedOffset;

use super::database_url;
use super::reader::Reader;
use super::tls;
use crate::store::connection::{Address, Server, Tls, TlsMode};

#[derive(Clone, Debug)]
pub struct Database {
    /// `SIDEHOOK_DATABASE_URL`, or made of `DB_DIALECT DB_HOST DB_PORT DB_DATABASE DB_USER DB_PASSWORD
    /// DB_STORAGE`, with `DB_SCHEMA` on PostgreSQL and `DB_DIALECT_OPTIONS_SSL_…`.
    pub address: Address,
    /// `DB_TABLE_PREFIX`.
    pub table_prefix: String,
    /// `DB_UNDERSCORED`: whether table and column names are in snake case.
    pub underscored: bool,
    /// `DB_TIMEZONE`: the zone of MySQL's times, such as `+08:00`.
    pub time_zone: FixedOffset,
    /// `DB_POOL_MAX`: how many connections to keep at most.
    pub pool_max: u32,
    /// `SIDEHOOK_SOURCE_POOL_MAX`: the same for each external data source.
    pub source_pool_max: u32,
}

impl Database {
    /// How this deployment names its tables and columns.
    pub fn names(&self) -> entity::Names {
        entity::Names::new(self.address.schema().map(str::to_owned), &self.table_prefix, self.underscored)
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        let is_true = |text: &str| match text {
            "true" | "1" => Some(true),
            "false" | "0" | "" => Some(false),
            _ => None,
        };
        let utc = FixedOffset::east_opt(0).unwrap_or_else(|| unreachable!("zero is an offset"));
        Self {
            address: address(reader),
            table_prefix: reader.text("DB_TABLE_PREFIX").unwrap_or_default(),
            underscored: reader.with("DB_UNDERSCORED", "true or false", is_true).unwrap_or(false),
            time_zone: reader
                .with("DB_TIMEZONE", "an offset such as +08:00", |text| text.parse().ok())
                .unwrap_or(utc),
            pool_max: reader.number("DB_POOL_MAX", 1..=1000).unwrap_or(10),
            source_pool_max: reader.number("SIDEHOOK_SOURCE_POOL_MAX", 1..=1000).unwrap_or(5),
        }
    }
}

const NO_DATABASE: &str = "no database is named: set NocoBase's DB_DIALECT and DB_ settings (or --env-file), \
                           SIDEHOOK_DATABASE_URL, or --database";

/// What stands for a database where the settings are wrong.
fn nowhere() -> Address {
    Address::Sqlite { file: PathBuf::new(), creates: false }
}

fn address(reader: &mut Reader) -> Address {
    let parts = of_parts(reader);
    let tls = tls::read(reader);
    let schema = reader.text("DB_SCHEMA");
    let named = match reader.secret("SIDEHOOK_DATABASE_URL") {
        Some(url) => database_url::parse(url.reveal())
            .map(|url| (url.address, url.says_tls))
            .map_err(|fault| vec![format!("SIDEHOOK_DATABASE_URL {fault}")]),
        None => parts.and_then(|address| match address {
            Some(address) => Ok((address, false)),
            None => Err(vec![NO_DATABASE.to_owned()]),
        }),
    };
    match named {
        Ok((address, says_tls)) => complete(address, schema, tls.filter(|_| !says_tls)),
        Err(faults) => {
            faults.into_iter().for_each(|fault| reader.fault_text(fault));
            nowhere()
        }
    }
}

/// Adds what stands in settings of its own.
fn complete(address: Address, schema: Option<String>, tls: Option<Tls>) -> Address {
    let with_tls = |server: Server| match tls {
        Some(tls) => Server { tls, ..server },
        None => server,
    };
    match address {
        Address::Postgres(server) => Address::Postgres(Server { schema, ..with_tls(server) }),
        Address::Mysql(server) => Address::Mysql(with_tls(server)),
        sqlite @ Address::Sqlite { .. } => sqlite,
    }
}

/// The database that NocoBase's own settings name; `None` where they name none. NocoBase's default is SQLite.
fn of_parts(reader: &mut Reader) -> Result<Option<Address>, Vec<String>> {
    let (dialect, host) = (reader.text("DB_DIALECT"), reader.text("DB_HOST"));
    let (port, user) = (reader.text("DB_PORT"), reader.text("DB_USER"));
    let (password, name) = (reader.secret("DB_PASSWORD"), reader.text("DB_DATABASE"));
    let storage = reader.text("DB_STORAGE");
    let mut faults = Vec::new();
    let default_port = match dialect.as_deref() {
        None | Some("sqlite") => {
            let file = storage.map(|file| std::path::absolute(&file).unwrap_or_else(|_| file.into()));
            return Ok(file.map(|file| Address::Sqlite { file, creates: true }));
        }
        Some("postgres") => 5432,
        Some("mysql" | "mariadb") => 3306,
        Some(_) => {
            faults.push("DB_DIALECT must be postgres, mysql, mariadb or sqlite".to_owned());
            0
        }
    };
    let port = port.map_or(Some(default_port), |port| port.trim().parse().ok().filter(|port| *port > 0));
    if port.is_none() {
        faults.push("DB_PORT must be a port number".to_owned());
    }
    let host = database_url::host(host.as_deref().unwrap_or("localhost"));
    if host.is_none() {
        faults.push("DB_HOST must be a name, an address or the path of a socket".to_owned());
    }
    let (Some(host), Some(port), true) = (host, port, faults.is_empty()) else { return Err(faults) };
    let default = || "nocobase".to_owned();
    let is_postgres = dialect.as_deref() == Some("postgres");
    // MySQL's own login sends the password in a way that needs TLS, or a key exchange that the driver lacks: there
    // the connection is encrypted where the server offers it.
    let mode = if is_postgres { TlsMode::Off } else { TlsMode::Prefer };
    let server = Server {
        host,
        port,
        user: user.unwrap_or_else(default),
        password: password.map(|password| password.reveal().to_owned()),
        database: name.unwrap_or_else(default),
        schema: None,
        tls: Tls { mode, ..Tls::default() },
        statement_cache: None,
    };
    Ok(Some(if is_postgres { Address::Postgres(server) } else { Address::Mysql(server) }))
}
