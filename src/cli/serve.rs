//! `sidehook serve`: joins the app and its ways in, and ends them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use super::descriptors;
use super::signals::{self, Told};
use crate::app::App;
use crate::config::Config;
use crate::control::Control;
use crate::http::Server;

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(config: Config) -> anyhow::Result<()> {
    run_then(config, |_| {}).await
}

/// The same, telling the address as soon as requests are taken there.
pub async fn run_then(config: Config, tell: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let listen = config.http.listen;
    // Bound first: a port that is taken is told before an instance number is.
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on; choose another with --listen"))?;
    if let Some(file) = config.database.address.missing_file() {
        bail!("the database file {file} does not exist; check --database or DB_STORAGE");
    }
    let control = Control::start().context("no thread can be started")?;
    let (drain, grace) = (config.http.drain, config.http.grace);
    let mut told = signals::listen(&control, drain + grace)?;
    let address = listener.local_addr()?;
    let connections = descriptors::connections(&config);
    // Callers are told at once that they have to wait, while the database is awaited.
    let server = Server::start(listener, config.http.clone(), connections, &control)?;
    let app = tokio::select! {
        app = Box::pin(App::start(config, control.handle())) => app?,
        _ = &mut told => return Ok(()),
    };
    let stop = async {
        match told.await {
            Ok(Told::Terminate) => drain,
            _ => Duration::ZERO,
        }
    };
    server.open(app.clone());
    tracing::info!(%address, "serving");
    tell(address);
    Box::pin(serve(&app, &server, stop)).await
}

/// Serves until `stop` is done, or the app has to end, and ends both. `stop` says how long requests are taken on
/// while readiness sends new ones elsewhere; after that the end takes no longer than the time of grace.
pub async fn serve(
    app: &Arc<App>,
    server: &Server,
    stop: impl Future<Output = Duration>,
) -> anyhow::Result<()> {
    let drain = tokio::select! { drain = stop => drain, () = app.failed() => Duration::ZERO };
    app.leave();
    server.leave();
    tracing::info!(drain_seconds = drain.as_secs_f64(), "readiness sends new requests elsewhere");
    tokio::select! { () = tokio::time::sleep(drain) => {}, () = app.failed() => {} }
    let (stopped_at, grace) = (Instant::now(), app.config.http.grace);
    tracing::info!("no new requests are taken");
    app.stop();
    server.close(grace).await;
    app.shut_down(grace.saturating_sub(stopped_at.elapsed())).await
}
