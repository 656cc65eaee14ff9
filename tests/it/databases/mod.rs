//! Databases for tests: each test has a fresh, empty one of its own. SQLite is a file; those of PostgreSQL, MariaDB
//! and MySQL are on a server that all tests of the process share. It is started from the installed programs when first
//! asked for and goes when the process goes, unless `TEST_POSTGRES_URL`, `TEST_MARIADB_URL` or `TEST_MYSQL_URL` names
//! another one. What is in a database is up to the tests.

mod account;
pub mod daemon;
pub mod installed;
mod mariadb;
mod mysql;
mod mysql_kin;
mod postgres;
mod server;

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub use server::{Server, free_port};

/// How long a server may take to accept a connection, or to drop a database.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Makes it a failure when a database cannot be had, otherwise its tests have nothing to do: with `1` for those that
/// Debian has, with `all` for MySQL, too.
pub const REQUIRE_VARIABLE: &str = "SIDEHOOK_REQUIRE_DATABASES";
/// The URL of a queue that is put in front of all databases, where it is set.
pub const QUEUE_VARIABLE: &str = "SIDEHOOK_TEST_QUEUE_URL";

/// The dialects that a NocoBase speaks. MariaDB goes as MySQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    Mysql,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// As in `DB_DIALECT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What can be installed. Two of them are `Kind::Mysql`, and differ: in JSON, for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Sqlite,
    Postgres,
    Mariadb,
    Mysql,
}

impl Product {
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::Mariadb, Self::Mysql];

    /// Those of a kind; the first one is taken where a test wants just one.
    pub fn of(kind: Kind) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |product| product.kind() == kind)
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::Sqlite => Kind::Sqlite,
            Self::Postgres => Kind::Postgres,
            Self::Mariadb | Self::Mysql => Kind::Mysql,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mariadb => "MariaDB",
            Self::Mysql => "MySQL",
        })
    }
}

/// A fresh, empty database. It goes when this is dropped.
pub struct TestDatabase {
    pub kind: Kind,
    pub product: Product,
    /// As sea-orm takes it.
    pub url: String,
    place: Place,
}

/// Where a database is, and so how it goes.
enum Place {
    Folder(TempDir),
    /// On a server that outlives the test.
    Shared(&'static SharedServer),
    /// On a server of the test's own, with which it goes.
    Private,
}

impl TestDatabase {
    /// None when this kind cannot be had on this machine, which is said once on standard error; a panic instead
    /// with `SIDEHOOK_REQUIRE_DATABASES=1`.
    pub async fn create(kind: Kind) -> Option<Self> {
        Self::create_on(Product::of(kind).next()?).await
    }

    /// The same for one of several products of a kind.
    pub async fn create_on(product: Product) -> Option<Self> {
        let created = match shared_server(product).await {
            None => Self::in_folder(),
            Some(Ok(shared)) => Self::on_server(product, &shared.url, Place::Shared(shared)).await,
            Some(Err(reason)) => {
                unavailable(product, reason);
                return None;
            }
        };
        Some(created.unwrap_or_else(|error| panic!("cannot create a {product} database: {error:#}")))
    }

    fn in_folder() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sidehook-sqlite-").tempdir()?;
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("nocobase.sqlite").display());
        Ok(Self { kind: Kind::Sqlite, product: Product::Sqlite, url, place: Place::Folder(folder) })
    }

    async fn on_server(product: Product, server: &Url, place: Place) -> Result<Self> {
        let name = format!("sh_{:016x}", rand::random::<u64>());
        // The other template may hold things of its owner's where the server was given.
        let template = if product == Product::Postgres { " TEMPLATE template0" } else { "" };
        execute(server.as_str(), &format!("CREATE DATABASE {name}{template}")).await?;
        let mut url = server.clone();
        url.set_path(&name);
        Ok(Self { kind: product.kind(), product, url: url.into(), place })
    }

    /// NocoBase's `DB_*` settings for this database, and those of the queue in front of it where one is asked for.
    pub fn env(&self) -> Vec<(String, String)> {
        let settings = match &self.place {
            Place::Folder(folder) => {
                let file = folder.path().join("nocobase.sqlite").display().to_string();
                vec![("DB_STORAGE", file)]
            }
            Place::Shared(_) | Place::Private => self.server_settings(),
        };
        let dialect = ("DB_DIALECT", self.kind.to_string());
        let all = [dialect].into_iter().chain(settings).chain(self.queue_settings());
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A part of that queue of this database's own.
    fn queue_settings(&self) -> Vec<(&'static str, String)> {
        let Ok(url) = env::var(QUEUE_VARIABLE) else { return Vec::new() };
        // A name has at most 32 characters; the end of the URL is what differs.
        let letters = self.url.chars().rev().filter(char::is_ascii_alphanumeric).take(32);
        let name = letters.collect::<Vec<_>>().into_iter().rev().collect();
        vec![("SIDEHOOK_QUEUE_URL", url), ("SIDEHOOK_QUEUE_NAME", name)]
    }

    fn server_settings(&self) -> Vec<(&'static str, String)> {
        let url = Url::parse(&self.url).unwrap_or_else(|error| panic!("{}: {error}", self.url));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let usual_port = if self.kind == Kind::Postgres { 5432 } else { 3306 };
        vec![
            ("DB_HOST", url.host_str().unwrap_or("localhost").to_owned()),
            ("DB_PORT", url.port().unwrap_or(usual_port).to_string()),
            ("DB_DATABASE", url.path().trim_start_matches('/').to_owned()),
            ("DB_USER", decoded(url.username())),
            ("DB_PASSWORD", decoded(url.password().unwrap_or_default())),
        ]
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Shared(server) = self.place else { return };
        let name = self.url.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        // Connections that the test has left open hold PostgreSQL back.
        let force = if self.kind == Kind::Postgres { " WITH (FORCE)" } else { "" };
        let statement = format!("DROP DATABASE {name}{force}");
        // In a thread of its own, because inside of a runtime no other one can be waited for. What could not be
        // dropped stays on the server, which is no reason for a test to fail.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(async {
                    tokio::time::timeout(TIMEOUT, execute(server.url.as_str(), &statement)).await
                })?
                .map_err(io::Error::other)
        });
        // Our own server goes anyway, and waiting may be long: PostgreSQL drops nothing while a client is logging
        // in, and that client may be of the runtime that would be held up here.
        if server.started.is_none() {
            let _ = dropping.join();
        }
    }
}

/// A server that all tests of this process share.
struct SharedServer {
    /// With the database that one connects to for creating others.
    url: Url,
    /// None where the server was given.
    started: Option<Server>,
}

/// None for SQLite, which has no server. An error says why there is none and what to do about it; it is kept, so
/// that only the first test waits for a server that doesn't start.
async fn shared_server(product: Product) -> Option<Result<&'static SharedServer, &'static str>> {
    type Shared = OnceCell<Result<SharedServer, String>>;
    static POSTGRES: Shared = OnceCell::const_new();
    static MARIADB: Shared = OnceCell::const_new();
    static MYSQL: Shared = OnceCell::const_new();
    let (cell, variable) = match product {
        Product::Sqlite => return None,
        Product::Postgres => (&POSTGRES, "TEST_POSTGRES_URL"),
        Product::Mariadb => (&MARIADB, "TEST_MARIADB_URL"),
        Product::Mysql => (&MYSQL, "TEST_MYSQL_URL"),
    };
    let shared = cell
        .get_or_init(async || match env::var(variable).ok().filter(|url| !url.is_empty()) {
            Some(url) => given(&url).await.map_err(|error| format!("{variable} is of no use: {error}")),
            None => started(product).await.map_err(|error| format!("{variable} is not set, and {error:#}")),
        })
        .await;
    Some(shared.as_ref().map_err(String::as_str))
}

async fn given(url: &str) -> Result<SharedServer> {
    let url = Url::parse(url)?;
    connect(url.as_str()).await?.close().await?;
    Ok(SharedServer { url, started: None })
}

async fn started(product: Product) -> Result<SharedServer> {
    let server = Server::launch(product, false).await?;
    Ok(SharedServer { url: server.admin_url()?, started: Some(server) })
}

/// Written past the capture of the test harness, so that it is seen although the test passes.
fn unavailable(product: Product, reason: &str) {
    static NAMED: [Once; Product::ALL.len()] = [const { Once::new() }; Product::ALL.len()];
    let text = format!("no {product} database for tests: {reason}");
    let required = env::var(REQUIRE_VARIABLE).unwrap_or_default();
    let required = required == "all" || (required == "1" && product != Product::Mysql);
    assert!(!required, "{text} ({REQUIRE_VARIABLE} is set)");
    NAMED[product as usize].call_once(|| {
        let _ = writeln!(io::stderr(), "{text}; its tests do nothing");
    });
}

async fn execute(url: &str, statement: &str) -> Result<(), DbErr> {
    let connection = connect(url).await?;
    connection.execute_unprepared(statement).await?;
    connection.close().await
}

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).connect_timeout(TIMEOUT).sqlx_logging(false);
    Database::connect(options).await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn every_test_has_an_empty_database_of_its_own() {
        for product in Product::ALL {
            let Some(first) = TestDatabase::create_on(product).await else { continue };
            let Some(second) = TestDatabase::create_on(product).await else { continue };
            for database in [&first, &second] {
                execute(&database.url, "CREATE TABLE t (n int)").await.unwrap();
            }
            assert_ne!(first.url, second.url);
        }
    }

    #[tokio::test]
    async fn dropped_database_is_gone_although_a_connection_is_open() {
        for product in [Product::Postgres, Product::Mariadb, Product::Mysql] {
            let Some(database) = TestDatabase::create_on(product).await else { continue };
            let url = database.url.clone();
            let _open = connect(&url).await.unwrap();
            drop(database);
            let begin = Instant::now();
            while connect(&url).await.is_ok() {
                assert!(begin.elapsed() < TIMEOUT, "{product}");
            }
        }
    }

    #[tokio::test]
    async fn env_holds_the_settings_of_the_database() {
        for product in Product::ALL {
            let Some(database) = TestDatabase::create_on(product).await else { continue };
            let env = database.env();
            let get = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            assert_eq!(get("DB_DIALECT"), Some(product.kind().name()));
            if let Some(storage) = get("DB_STORAGE") {
                assert_eq!(database.url, format!("sqlite://{storage}?mode=rwc"));
                continue;
            }
            let part = |name| get(name).unwrap_or_default();
            let server = [part("DB_HOST"), part("DB_PORT")].join(":");
            let end = format!("@{server}/{}", part("DB_DATABASE"));
            assert!(database.url.contains(part("DB_USER")) && database.url.contains(&end), "{end}");
        }
    }
}
