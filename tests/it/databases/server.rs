//! A database server of our own on a free port of the loopback interface. Tests that stop
//! their server start one for themselves.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::Rng;
use reqwest::Url;
use tokio::net::TcpStream;

use super::daemon::Daemon;
use super::mariadb::MARIADB;
use super::mysql::MYSQL;
use super::postgres::POSTGRES;
use super::{Kind, Place, Product, TestDatabase, connect, unavailable};

/// May do anything on its server.
pub const USER: &str = "sidehook";
/// Many tests at a time, each with pools of its own.
pub const MAX_CONNECTIONS: u16 = 300;

/// How long a server may take to accept connections, recovery after a crash included.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What the servers do in their own ways.
pub struct Software {
    pub name: &'static str,
    /// Of its URLs, as sea-orm takes them.
    pub scheme: &'static str,
    /// A database that is always there.
    pub admin_database: &'static str,
    /// Users to run as instead of root, the preferred one first.
    pub accounts: [&'static str; 2],
    /// Ends the server in an orderly way.
    pub stop_signal: &'static str,
    /// Ends the server at once, with no regard for its data.
    pub kill_signal: &'static str,
    /// The command that makes an empty data folder, where `USER` will have the given password.
    pub set_up: fn(&Daemon, &str) -> Result<Command>,
    /// The command that runs the server whose folder is given.
    pub start: fn(&Path, &Settings) -> Result<Command>,
}

/// What stays the same when a server is stopped and started again.
pub struct Settings {
    pub port: u16,
    /// Whether what was committed survives a crash of the machine; a crash of the server it survives anyway.
    pub durable: bool,
}

/// A running or stopped server. It goes, with its data, when this is dropped or this process ends.
pub struct Server {
    product: Product,
    software: &'static Software,
    settings: Settings,
    password: String,
    /// What its command is given besides.
    arguments: Vec<&'static str>,
    daemon: Daemon,
}

impl Server {
    /// Starts a new, empty server for one test. None when it cannot be had, as with `TestDatabase::create`.
    pub async fn start(kind: Kind, durable: bool) -> Option<Self> {
        let product = Product::of(kind).next()?;
        match Self::launch(product, durable).await {
            Ok(server) => Some(server),
            Err(error) => {
                unavailable(product, &format!("{error:#}"));
                None
            }
        }
    }

    pub(super) async fn launch(product: Product, durable: bool) -> Result<Self> {
        let software = match product {
            Product::Sqlite => bail!("SQLite has no server"),
            Product::Postgres => &POSTGRES,
            Product::Mariadb => &MARIADB,
            Product::Mysql => &MYSQL,
        };
        let mut daemon = Daemon::new(software.name, software.kill_signal, &software.accounts)?;
        // Other users of the machine must not get in: whoever rules the server can run programs as its user.
        let password = format!("{:032x}", rand::random::<u128>());
        let set_up = (software.set_up)(&daemon, &password)?;
        daemon.run(set_up).await?;
        let settings = Settings { port: free_port()?, durable };
        let mut server = Self { product, software, settings, password, arguments: Vec::new(), daemon };
        server.start_again().await?;
        Ok(server)
    }

    /// The URL of one of its databases, as sea-orm takes it.
    pub fn url(&self, database: &str) -> String {
        let (scheme, port) = (self.software.scheme, self.settings.port);
        format!("{scheme}://{USER}:{}@127.0.0.1:{port}/{database}", self.password)
    }

    /// A new, empty database on this server.
    pub async fn create_database(&self) -> Result<TestDatabase> {
        TestDatabase::on_server(self.product, &self.admin_url()?, Place::Private).await
    }

    pub(super) fn admin_url(&self) -> Result<Url> {
        Ok(Url::parse(&self.url(self.software.admin_database))?)
    }

    /// Stops the server in an orderly way; open connections end.
    pub async fn stop(&mut self) -> Result<()> {
        self.daemon.stop(self.software.stop_signal).await
    }

    /// Starts the stopped server on the same port, with the same data, and waits until it accepts connections.
    pub async fn start_again(&mut self) -> Result<()> {
        let mut command = (self.software.start)(self.daemon.folder(), &self.settings)?;
        command.args(&self.arguments);
        self.daemon.spawn(command)?;
        self.accepts_connections().await
    }

    /// The same, from now on with further arguments.
    pub async fn start_again_with(&mut self, arguments: &[&'static str]) -> Result<()> {
        self.arguments.extend(arguments);
        self.start_again().await
    }

    async fn accepts_connections(&mut self) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.daemon.ended()? {
                bail!("the server ended with {status}:\n{}", self.daemon.log());
            }
            match self.try_connection().await {
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("the server is not ready:\n{}", self.daemon.log())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn try_connection(&self) -> Result<()> {
        // Asked first because sqlx repeats a refused connection, and then an ended server is noticed late.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.settings.port)).await?;
        let connection = connect(&self.url(self.software.admin_database)).await?;
        Ok(connection.close().await?)
    }
}

/// A port on which nothing listens. It is below those that systems give out by themselves, so that nobody gets it
/// by chance before the server listens, or while it is stopped.
pub fn free_port() -> Result<u16> {
    let mut random = rand::rng();
    (0..100)
        .map(|_| random.random_range(20_000..32_000))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port found")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::execute;

    #[tokio::test]
    async fn committed_rows_survive_a_stop() {
        for kind in [Kind::Postgres, Kind::Mysql] {
            let Some(mut server) = Server::start(kind, true).await else { continue };
            let database = server.create_database().await.unwrap();
            execute(&database.url, "CREATE TABLE t (n int)").await.unwrap();
            server.stop().await.unwrap();
            assert!(server.try_connection().await.is_err());
            server.start_again().await.unwrap();
            execute(&database.url, "SELECT n FROM t").await.unwrap();
        }
    }
}
