//! Serving HTTP: the address, the URLs, the limits of requests.

use std::net::SocketAddr;
use std::time::Duration;

use super::access::Access;
use super::reader::{Faults, Reader, Sources};
use crate::measure::duration;

/// Two bodies of the default limit at the worst that JSON can become fit in at a time, and some dozens of usual ones; it
/// leaves room for all else in a container of 1 GB.
const DEFAULT_MEMORY: usize = 512 << 20;

#[derive(Clone, Debug)]
pub struct Http {
    /// `SIDEHOOK_LISTEN`: the address to serve on.
    pub listen: SocketAddr,
    /// `API_BASE_PATH`: what the URLs start with; begins and ends with a slash.
    pub api_base_path: String,
    /// `REQUEST_BODY_LIMIT`: the largest request body in bytes, written like `10mb`.
    pub body_limit: usize,
    /// `SIDEHOOK_MEMORY`: what bodies under way and the contexts of executions in memory may take, in bytes, written
    /// like `512mb`. Executions that are fetched from the database may take half as much beside it.
    pub memory: usize,
    /// `SIDEHOOK_MAX_CONNECTIONS`: so many connections are served at a time; as many as file descriptors allow, up to
    /// 10,000, where it is not set.
    pub max_connections: Option<usize>,
    /// Who may call.
    pub access: Access,
    /// `SIDEHOOK_HEADER_TIMEOUT`: how long the head of a request may take to arrive (nginx's
    /// `client_header_timeout`).
    pub header_timeout: Duration,
    /// `SIDEHOOK_BODY_TIMEOUT`: how long nothing of a body may arrive (nginx's `client_body_timeout`).
    pub body_timeout: Duration,
    /// `SIDEHOOK_REQUEST_TIMEOUT`: how long a whole body may take to arrive (Node.js's `requestTimeout`).
    pub request_timeout: Duration,
    /// `SIDEHOOK_SEND_TIMEOUT`: how long a sender may read nothing of its answer (nginx's `send_timeout`).
    pub send_timeout: Duration,
    /// `SIDEHOOK_IDLE_TIMEOUT`: how long a connection is kept between requests (nginx's `keepalive_timeout`).
    pub idle_timeout: Duration,
    /// `SIDEHOOK_DRAIN`: how long requests are still taken after SIGTERM, while readiness says 503. 0 where no proxy
    /// asks for readiness.
    pub drain: Duration,
    /// `SIDEHOOK_GRACE`: how long running executions may take to end after that, written like `20s`.
    pub grace: Duration,
}

/// The address that `serve` listens on. The other settings may be wrong or missing.
pub fn listen(sources: &Sources) -> Result<SocketAddr, Faults> {
    let mut reader = Reader::open(sources);
    let listen = read_listen(&mut reader);
    reader.finish_early()?;
    Ok(listen)
}

/// How HTTP is served. The other settings may be wrong or missing.
pub fn http(sources: &Sources) -> Result<Http, Faults> {
    let mut reader = Reader::open(sources);
    let http = Http::read(&mut reader);
    reader.finish_early()?;
    Ok(http)
}

impl Http {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            listen: read_listen(reader),
            api_base_path: slashed(&reader.text("API_BASE_PATH").unwrap_or_else(|| "/api/".to_owned())),
            body_limit: reader.size("REQUEST_BODY_LIMIT", 10 << 20),
            memory: reader.size("SIDEHOOK_MEMORY", DEFAULT_MEMORY),
            max_connections: reader.number("SIDEHOOK_MAX_CONNECTIONS", 1..=1_000_000),
            access: Access::read(reader),
            header_timeout: reader.duration("SIDEHOOK_HEADER_TIMEOUT", Duration::from_secs(60)),
            body_timeout: reader.duration("SIDEHOOK_BODY_TIMEOUT", Duration::from_secs(60)),
            request_timeout: reader.duration("SIDEHOOK_REQUEST_TIMEOUT", Duration::from_secs(300)),
            send_timeout: reader.duration("SIDEHOOK_SEND_TIMEOUT", Duration::from_secs(60)),
            idle_timeout: reader.duration("SIDEHOOK_IDLE_TIMEOUT", Duration::from_secs(75)),
            drain: reader
                .with("SIDEHOOK_DRAIN", "a time such as 5s, or 0", duration)
                .unwrap_or(Duration::ZERO),
            grace: reader
                .with("SIDEHOOK_GRACE", "a time such as 20s", duration)
                .unwrap_or(Duration::from_secs(20)),
        }
    }
}

fn read_listen(reader: &mut Reader) -> SocketAddr {
    let default = SocketAddr::from(([0, 0, 0, 0], 13080));
    reader.parsed("SIDEHOOK_LISTEN", "an address and a port such as 127.0.0.1:13080", default)
}

fn slashed(path: &str) -> String {
    let inner = path.trim_matches('/');
    if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") }
}
