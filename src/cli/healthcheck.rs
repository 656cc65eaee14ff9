//! `sidehook healthcheck`: asks a running sidehook whether it can take events, for container health checks.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::reachable::reachable;
use super::{Settings, output};
use crate::config;

/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Asks a running sidehook whether it can take events. The exit code is 0 when it can, else 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook healthcheck
  sidehook healthcheck --env-file /app/nocobase/.env
  sidehook healthcheck --url http://127.0.0.1:8080/health/live
In a Dockerfile:
  HEALTHCHECK CMD [\"sidehook\", \"healthcheck\"]")]
pub(super) struct Healthcheck {
    /// What to ask [default: /health/ready on this machine, at the port that `serve` listens on]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file of settings that `serve` was given [default: sidehook.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The files of environment variables that `serve` was given
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

impl Healthcheck {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let url = match self.url {
            Some(url) => url,
            None => default_url(self.config, self.env_file)?,
        };
        let answer = tokio::time::timeout(TIMEOUT, ask(&url)).await;
        let Ok(answer) = answer else { bail!("{url} does not answer within {} s", TIMEOUT.as_secs()) };
        let (status, text) = answer.with_context(|| format!("{url} cannot be asked"))?;
        if status != 200 {
            bail!("{url} answers {status}: {text}");
        }
        output::line(format_args!("{url} answers {status}: {text}"))
    }
}

/// The other settings are left alone: a health check needs no database.
fn default_url(config: Option<PathBuf>, env_file: Vec<PathBuf>) -> anyhow::Result<String> {
    let settings = Settings { config, env_file, ..Settings::default() };
    let listen = config::listen(&settings.sources()?)?;
    Ok(format!("http://{}/health/ready", reachable(listen)))
}

/// Status and body of the answer to a GET request.
async fn ask(url: &str) -> anyhow::Result<(u16, String)> {
    let uri = parse(url).context("the URL must look like http://127.0.0.1:13080/health/ready")?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|err| anyhow::anyhow!("the answer cannot be read: {err}"))?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
    };
    let (answer, _) = tokio::join!(asking, connection);
    answer
}

fn parse(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    (uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_are_asked() {
        for url in ["http://h:1/a?b", "http://h", "http://[::1]:13080/health/ready"] {
            assert!(parse(url).is_some(), "{url}");
        }
        for url in ["https://h/", "h:1", "http://", "http:///a", "http://h/a b", "http://h/\r\nX: y", "/a"] {
            assert!(parse(url).is_none(), "{url}");
        }
    }
}
