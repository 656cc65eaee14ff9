//! `sidehook serve`: joins the applications and the ways in, and ends them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use tokio::net::{TcpListener, TcpSocket};

use super::Settings;
use super::descriptors;
use super::manage::Managing;
use super::signals::{self, Told};
use crate::apps::Apps;
use crate::config::{Config, Place};
use crate::control::Control;
use crate::http::Server;

const SERVE_HELP: &str = "\
The database comes from NocoBase's own variables (DB_DIALECT, DB_HOST, DB_PORT, DB_DATABASE,
DB_USER, DB_PASSWORD, DB_STORAGE, DB_SCHEMA, DB_TABLE_PREFIX, DB_UNDERSCORED);
config.example.toml lists all settings.

Examples:
  sidehook serve --env-file .env
  sidehook serve --database postgres://nocobase:secret@127.0.0.1/nocobase --listen 127.0.0.1:13080
  sidehook serve --page --database storage/db/nocobase.sqlite";

/// Serves the webhooks of a NocoBase database.
#[derive(Args)]
#[command(after_help = SERVE_HELP)]
pub(super) struct Serve {
    /// Show webhooks and executions to a browser on this machine, at the address that is served on
    #[arg(long)]
    page: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        ensure!(self.settings.app.is_none(), "`serve` serves the applications that SIDEHOOK_APPS names");
        let (mut config, _log) = self.settings.load().await?;
        config.page.is_shown |= self.page;
        run(config).await
    }
}

/// How many connections may wait to be accepted, as tokio has it.
const BACKLOG: u32 = 1024;

/// For so long the port stays closed at the start. A proxy that asks for no health passes over a server that refuses
/// connections, but hands on what one says that has to wait for its database.
const CLOSED_START: Duration = Duration::from_secs(3);

/// So many connections are served where metrics are told.
const METRICS_CONNECTIONS: usize = 16;

/// A port that nobody else gets, and that nobody can connect to yet.
struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let open = || -> std::io::Result<TcpSocket> {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        };
        let socket = open().with_context(|| Self::refused(address))?;
        Ok(Self { socket, address })
    }

    /// Takes connections from now on.
    fn listen(self) -> anyhow::Result<TcpListener> {
        self.socket.listen(BACKLOG).with_context(|| Self::refused(self.address))
    }

    fn refused(address: SocketAddr) -> String {
        format!("{address} cannot be listened on; choose another with --listen")
    }
}

/// Serves until SIGTERM or Ctrl-C.
async fn run(config: Config) -> anyhow::Result<()> {
    run_then(config, |_| {}).await
}

/// The same, telling the address as soon as requests are taken there.
pub async fn run_then(config: Config, tell: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    // Bound first: a port that is taken is told before an instance number is.
    let port = Port::bind(config.http.listen)?;
    if let Some(file) = config.database.address.missing_file() {
        bail!("the database file {file} does not exist; check --database or DB_STORAGE");
    }
    let control = Control::start().context("no thread can be started")?;
    let (drain, grace) = (config.http.drain, config.http.grace);
    let mut told = signals::listen(&control, drain + grace)?;
    let address = port.socket.local_addr()?;
    let (http, connections) = (config.http.clone(), descriptors::connections(&config));
    let metrics = match config.metrics.listen {
        Some(Place::Own(address)) => {
            let listener = Port::bind(address)?.listen()?;
            tracing::info!(%address, "metrics are told");
            Some(Server::start(listener, http.clone(), METRICS_CONNECTIONS, &control)?)
        }
        _ => None,
    };
    let mut starting = Box::pin(Apps::start(config, control.handle()));
    let early = tokio::select! {
        apps = &mut starting => Some(apps?),
        () = tokio::time::sleep(CLOSED_START) => None,
        _ = &mut told => return Ok(()),
    };
    let server = Server::start(port.listen()?, http, connections, &control)?;
    let apps = match early {
        Some(apps) => apps,
        // The database is awaited: from now on callers are told to wait.
        None => tokio::select! { apps = starting => apps?, _ = &mut told => return Ok(()) },
    };
    let stop = async {
        match told.await {
            Ok(Told::Terminate) => drain,
            _ => Duration::ZERO,
        }
    };
    server.open_managed(apps.clone(), Arc::new(Managing::new(apps.clone())));
    if let Some(metrics) = &metrics {
        metrics.open_for_metrics(apps.clone());
    }
    tracing::info!(%address, "serving");
    tell(address);
    Box::pin(serve(&apps, &server, stop)).await
}

/// Serves until `stop` is done, or the main application has to end, and ends all. `stop` says how long requests are taken on
/// while readiness sends new ones elsewhere; after that the end takes no longer than the time of grace.
pub async fn serve(
    apps: &Arc<Apps>,
    server: &Server,
    stop: impl Future<Output = Duration>,
) -> anyhow::Result<()> {
    let drain = tokio::select! { drain = stop => drain, () = apps.failed() => Duration::ZERO };
    apps.leave();
    server.leave();
    tracing::info!(drain_seconds = drain.as_secs_f64(), "readiness sends new requests elsewhere");
    tokio::select! { () = tokio::time::sleep(drain) => {}, () = apps.failed() => {} }
    let (stopped_at, grace) = (Instant::now(), apps.main().config.http.grace);
    tracing::info!("no new requests are taken");
    apps.stop();
    server.close(grace).await;
    apps.shut_down(grace.saturating_sub(stopped_at.elapsed())).await
}
