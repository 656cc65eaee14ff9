//! `sidehook serve`: joins the app and its ways in, and ends them in order.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::Config;
use crate::http;

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(config: Config) -> anyhow::Result<()> {
    run_then(config, |_| {}).await
}

/// The same, telling the address as soon as requests are taken there.
pub async fn run_then(config: Config, tell: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    // Bound first: a port that is taken is told before an instance number is.
    let listener = TcpListener::bind(config.http.listen).await.with_context(|| {
        format!("{} cannot be listened on; choose another with --listen", config.http.listen)
    })?;
    if let Some(file) = config.database.missing_file() {
        bail!("the database file {file} does not exist; check --database or DB_STORAGE");
    }
    let stop = stop_signal()?;
    let app = Box::pin(App::start(config)).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving");
    tell(address);
    Box::pin(serve(app, listener, stop)).await
}

/// Serves until `stop` is done or the app has to end, and ends the app. All of the end together takes no longer
/// than the time of grace.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let stopped_at = OnceLock::new();
    let until = async {
        tokio::select! { () = stop => {}, () = app.failed() => {} }
        app.stop();
        stopped_at.get_or_init(Instant::now);
    };
    http::serve(app.clone(), listener, until).await.context("serving HTTP")?;
    let passed = stopped_at.get().map(Instant::elapsed).unwrap_or_default();
    app.shut_down(app.config.http.grace.saturating_sub(passed)).await?;
    Ok(())
}

/// Done on the first SIGTERM or SIGINT.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping: no new requests are taken");
    })
}
