//! `sidehook healthcheck`: asks a running sidehook whether it can take events, for container health checks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::own_environment;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much of an answer is read.
const LIMIT: u64 = 64 << 10;

/// Asks a running sidehook whether it can take events. The exit code is 0 when it can, else 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook healthcheck
  sidehook healthcheck --url http://127.0.0.1:8080/health/live
In a Dockerfile:
  HEALTHCHECK CMD [\"sidehook\", \"healthcheck\"]")]
pub struct Healthcheck {
    /// What to ask [default: /health/ready on this machine, at the port of SIDEHOOK_LISTEN or 13080]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Healthcheck {
    pub async fn run(self) -> anyhow::Result<()> {
        let url = match self.url {
            Some(url) => url,
            None => default_url()?,
        };
        let answer = tokio::time::timeout(PATIENCE, ask(&url)).await;
        let Ok(answer) = answer else { bail!("{url} does not answer within {} s", PATIENCE.as_secs()) };
        let (status, text) = answer.with_context(|| format!("{url} cannot be asked"))?;
        if status != 200 {
            bail!("{url} answers {status}: {text}");
        }
        println!("{url} answers {status}: {text}");
        Ok(())
    }
}

/// The other settings are left alone: a health check needs no database.
fn default_url() -> anyhow::Result<String> {
    let listen = own_environment().find(|(name, text)| name == "SIDEHOOK_LISTEN" && !text.is_empty());
    let listen = match listen {
        Some((_, text)) => text.parse().context("SIDEHOOK_LISTEN must be an address and a port")?,
        None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 13080)),
    };
    Ok(format!("http://{}/health/ready", reachable(listen)))
}

/// An address that listens on all interfaces is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Status and body of the answer to a GET request.
///
/// Written by hand, because an HTTP client is otherwise no part of sidehook, and this one only has to
/// understand sidehook's own short answers.
async fn ask(url: &str) -> anyhow::Result<(u16, String)> {
    let (authority, path) =
        parts(url).context("the URL must look like http://127.0.0.1:13080/health/ready")?;
    let address = if has_port(authority) { authority.to_owned() } else { format!("{authority}:80") };
    let mut stream = TcpStream::connect(&address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(LIMIT).read_to_end(&mut bytes).await?;
    read(&String::from_utf8_lossy(&bytes)).context("the answer is not HTTP")
}

fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let path = if path.is_empty() { "/" } else { path };
    (!authority.is_empty() && is_clean(rest)).then_some((authority, path))
}

/// An IPv6 address has colons of its own, in brackets.
fn has_port(authority: &str) -> bool {
    authority.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some((status.parse().ok()?, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(parts("http://h:1/a?b"), Some(("h:1", "/a?b")));
        assert_eq!(parts("http://h"), Some(("h", "/")));
        for url in ["https://h/", "h:1", "http://", "http:///a", "http://h/a b", "http://h/\r\nX: y"] {
            assert_eq!(parts(url), None, "{url}");
        }
        let cases = [("h", false), ("h:1", true), ("[::1]", false), ("[::1]:1", true)];
        assert!(cases.iter().all(|(authority, expected)| has_port(authority) == *expected));
    }

    #[test]
    fn all_interfaces_are_asked_on_the_loopback_one() {
        let cases = [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.5:1", "10.0.0.5:1")];
        for (listen, expected) in cases {
            assert_eq!(reachable(listen.parse().expect("an address")).to_string(), expected);
        }
    }

    #[test]
    fn answers_are_read_up_to_what_is_http() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nno database\n";
        assert_eq!(read(answer), Some((503, "no database".to_owned())));
        for answer in ["", "HTTP/1.1 200 OK", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(read(answer), None, "{answer}");
        }
    }
}
