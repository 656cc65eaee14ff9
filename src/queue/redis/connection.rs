//! Connections to servers of Redis. One is opened when somebody asks over it, and anew after something has failed. It is
//! whole or not there: to a master that keeps what it has acknowledged, and with the group that reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, TlsCertificates, cmd};
use rustls_pki_types::CertificateDer;
use tokio::time::timeout;

use crate::config::Secret;
use crate::queue::Fault;

/// How long a server may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a question that waits for events may wait besides.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// The only group of the stream of events.
pub(super) const READERS: &str = "readers";

/// The servers of a queue.
pub(super) struct Servers {
    clients: Vec<Client>,
    /// The stream of events.
    events: String,
}

impl Servers {
    pub(super) fn new(
        urls: &[Secret],
        certificates: &[CertificateDer<'static>],
        events: &str,
    ) -> anyhow::Result<Arc<Self>> {
        let client = |url: &Secret| {
            let root_cert = (!certificates.is_empty()).then(|| pem(certificates));
            match url.reveal().starts_with("rediss:") {
                true => Client::build_with_tls(url.reveal(), TlsCertificates { client_tls: None, root_cert }),
                false => Client::open(url.reveal()),
            }
        };
        let clients = urls.iter().map(client).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { clients, events: events.to_owned() }))
    }

    /// A connection to the first server that takes writes and keeps them.
    async fn connect(&self) -> Result<MultiplexedConnection, Fault> {
        let mut last = Fault::Unavailable("there are replicas only".to_owned());
        for client in &self.clients {
            match timeout(TIMEOUT, self.connect_to(client)).await {
                Ok(Ok(Some(opened))) => return Ok(opened),
                Ok(Ok(None)) => {}
                Ok(Err(fault)) => last = fault,
                Err(_) => last = Fault::Unavailable("it accepts no connection in time".to_owned()),
            }
        }
        Err(last)
    }

    /// None of a replica.
    async fn connect_to(&self, client: &Client) -> Result<Option<MultiplexedConnection>, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(WAIT + TIMEOUT));
        let opened = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut opened = opened.map_err(Fault::of)?;
        let told: String = cmd("INFO").query_async(&mut opened).await.map_err(Fault::of)?;
        if !told.contains("role:master") {
            return Ok(None);
        }
        if !told.contains("aof_enabled:1") {
            return Err(Fault::Unavailable(
                "this Redis loses what it has acknowledged when it is killed: set `appendonly yes` there, and \
                 `appendfsync always` where its machine may lose power"
                    .to_owned(),
            ));
        }
        // A server that was emptied, or that another one has replaced, has no group. From its beginning on, so that
        // what was stored before is read, too.
        let mut group = cmd("XGROUP");
        group.arg("CREATE").arg(&self.events).arg(READERS).arg("0").arg("MKSTREAM");
        match group.query_async::<()>(&mut opened).await {
            // That is refused where the group is there, too, and what waits has to be read all the same.
            Err(err) if is_full(&err) => Ok(Some(opened)),
            Err(err) if err.code() != Some("BUSYGROUP") => Err(Fault::of(err)),
            _ => Ok(Some(opened)),
        }
    }
}

/// One connection to whichever of the servers takes writes.
pub(super) struct Connection {
    servers: Arc<Servers>,
    known: Mutex<Known>,
    /// Of who opens it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    open: Option<Open>,
    /// When and by what the last attempt at opening one has failed.
    failed: Option<(Instant, Fault)>,
    /// How many there were.
    count: u64,
}

#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    number: u64,
}

impl Connection {
    /// Nothing is opened yet.
    pub(super) fn new(servers: &Arc<Servers>) -> Self {
        Self { servers: servers.clone(), known: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let mut open = self.opened().await?;
        command.query_async(&mut open.connection).await.map_err(|err| self.failed(&open, &err))
    }

    /// Sends commands one after the other, and waits for all answers.
    pub(super) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Fault> {
        let mut open = self.opened().await?;
        commands.query_async(&mut open.connection).await.map_err(|err| self.failed(&open, &err))
    }

    /// Whether there is one, or can be.
    pub(super) async fn reach(&self) -> Result<(), Fault> {
        self.opened().await.map(drop)
    }

    /// One at a time opens it, and others wait for that. What that one fails by, they fail by as well: they would wait
    /// for as many attempts as they are, one after the other.
    async fn opened(&self) -> Result<Open, Fault> {
        let asked = Instant::now();
        if let Some(open) = self.known().open.clone() {
            return Ok(open);
        }
        let _turn = self.turn.lock().await;
        if let Some(outcome) = self.known().since(asked) {
            return outcome;
        }
        let opened = self.servers.connect().await;
        let mut known = self.known();
        match opened {
            Ok(connection) => {
                known.count += 1;
                let open = Open { connection, number: known.count };
                known.open = Some(open.clone());
                Ok(open)
            }
            Err(fault) => {
                known.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// What an answer says of the queue. The connection is not used any more, unless there is another one already.
    fn failed(&self, over: &Open, err: &RedisError) -> Fault {
        if is_full(err) {
            return Fault::Full;
        }
        // Where the group is gone (NOGROUP), the next one makes it again.
        let mut known = self.known();
        if known.open.as_ref().is_some_and(|open| open.number == over.number) {
            known.open = None;
        }
        Fault::of(err)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What has come of an attempt that had not ended then.
    fn since(&self, asked: Instant) -> Option<Result<Open, Fault>> {
        if let Some(open) = &self.open {
            return Some(Ok(open.clone()));
        }
        let failed = self.failed.as_ref().filter(|(ended, _)| *ended >= asked);
        failed.map(|(_, fault)| Err(fault.clone()))
    }
}

/// Whether a server refuses what needs memory. Servers of version 6 tell that of a script in the text of another error, and
/// of several commands the library tells texts only.
fn is_full(err: &RedisError) -> bool {
    let text = err.to_string();
    err.code() == Some("OOM") || (text.contains("OOM") && text.contains("command not allowed"))
}

/// Certificates as the library takes them.
fn pem(certificates: &[CertificateDer<'static>]) -> Vec<u8> {
    use base64::Engine as _;
    let mut text = String::new();
    let known = certificates.iter().map(|certificate| certificate.as_ref());
    for certificate in known {
        let coded = base64::engine::general_purpose::STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in coded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_server(text: &str) -> RedisError {
        let answer = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("an answer");
        answer.extract_error().expect_err("an error")
    }

    #[test]
    fn a_full_memory_is_known_in_whatever_form_it_comes() {
        let plain = "OOM command not allowed when used memory > 'maxmemory'.";
        let of_six = format!("ERR Error running script (call to f_1): @user_script:5: -{plain}");
        let of_seven = format!("{plain} script: 1, on @user_script:5.");
        for text in [plain, &of_six, &of_seven] {
            assert!(is_full(&of_server(text)), "{text}");
        }
        for text in ["NOGROUP No such key", "ERR unknown command 'OOM'", "READONLY You can't write"] {
            assert!(!is_full(&of_server(text)), "{text}");
        }
    }
}
