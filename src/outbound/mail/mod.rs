//! Mail by SMTP, as nodemailer 6.9.13 speaks it: connects through the guard, signs in, hands a message over. What came
//! of it has what NocoBase records: the server's replies as they came, and what became of each recipient. lettre, which
//! makes the messages, keeps neither of these, so the dialogue is here.

mod failure;
mod pool;
mod provider;
mod servers;
mod session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio::time;

pub(crate) use failure::{Refusal, SocketError, Undelivered};
pub(crate) use provider::{Login, Provider};
pub(crate) use servers::Servers;

use self::pool::Pool;
use self::session::Session;
use super::connect::{self, Connector, Resolve, SystemResolver, Unreached};
use super::guard::{Guard, Policy};

/// How long a connection may take to be there (nodemailer's `connectionTimeout`).
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a server may take to say that it takes another mail.
const REUSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to greet (nodemailer's `greetingTimeout`).
const GREETING_TIMEOUT: Duration = Duration::from_secs(30);

/// What the mailer is told by the settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub servers: Servers,
    /// `SIDEHOOK_MAIL_TIME_LIMIT`: how long a mail may take in all. nodemailer's own limit starts anew with each reply.
    pub time_limit: Duration,
    /// `SIDEHOOK_MAIL_SIZE_LIMIT`: the longest message, in bytes.
    pub size_limit: usize,
}

/// A message with those that it goes to.
pub struct Mail {
    /// The address of the sender; empty for none.
    pub from: String,
    /// Addresses.
    pub to: Vec<String>,
    /// Headers and body, lines ending with CR LF.
    pub message: Vec<u8>,
}

/// A mail that a server has taken, for some of its recipients at least.
#[derive(Debug)]
pub struct Delivered {
    pub accepted: Vec<String>,
    pub refused: Vec<Refusal>,
    /// What the server said that it can do: its reply to EHLO without the first line.
    pub extensions: Vec<String>,
    /// How long sender and recipients have taken.
    pub envelope_time: Duration,
    /// How long the message has taken.
    pub message_time: Duration,
    /// Bytes of the message as it was sent.
    pub message_size: usize,
    /// The server's reply to the message.
    pub response: String,
}

/// Sends mail for all executions. Connections are kept for a while and shared by them.
#[derive(Clone)]
pub struct Mailer {
    connector: Connector,
    settings: Settings,
    pool: Pool,
}

impl Mailer {
    pub fn new(
        settings: Settings,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        Self::with_resolver(settings, certificates, Arc::new(SystemResolver))
    }

    /// Like [`Mailer::new`], with another way to look names up.
    pub fn with_resolver(
        settings: Settings,
        certificates: Vec<CertificateDer<'static>>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, rustls::Error> {
        // Mail servers have a list of their own; what stays are the addresses that nothing is sent to.
        let guard = Arc::new(Guard::new(&Policy::default()));
        let (proxies, tls) = (Arc::default(), connect::tls(certificates)?);
        let connector = Connector { guard, proxies, resolver, tls };
        Ok(Self { connector, settings, pool: Pool::default() })
    }

    /// The longest message, in bytes.
    pub fn size_limit(&self) -> usize {
        self.settings.size_limit
    }

    /// Sends a mail within the limits of size and time.
    pub async fn send(&self, provider: &Provider, mail: &Mail) -> Result<Delivered, Undelivered> {
        let (size, limit) = (mail.message.len(), self.settings.size_limit);
        if size > limit {
            let message = format!("The message has {size} bytes, and SIDEHOOK_MAIL_SIZE_LIMIT is {limit}");
            return Err(Undelivered::unsaid("EMESSAGE", message));
        }
        let sending = self.send_in_time(provider, mail);
        let sent = time::timeout(self.settings.time_limit, sending).await;
        sent.unwrap_or_else(|_| Err(Undelivered::timed_out("Timeout")))
    }

    async fn send_in_time(&self, provider: &Provider, mail: &Mail) -> Result<Delivered, Undelivered> {
        let place = self.pool.enter(provider).await;
        let mut session = match alive(place.kept).await {
            Some(session) => session,
            None => self.connect(provider).await?,
        };
        let delivered = deliver(&mut session, mail).await;
        let left = if delivered.is_ok() { self.pool.keep(provider, session) } else { Some(session) };
        if let Some(session) = left {
            session.quit().await;
        }
        delivered
    }

    /// Closes connections that nobody uses, for as long as it is polled.
    pub async fn tend(self) {
        self.pool.tend().await;
    }

    /// A connection on which mail can be sent.
    async fn connect(&self, provider: &Provider) -> Result<Session, Undelivered> {
        let (host, port) = (provider.host.as_str(), provider.port);
        self.settings.servers.check(host, port).map_err(Undelivered::refused)?;
        let dialing = time::timeout(CONNECTION_TIMEOUT, self.connector.dial(host, port));
        let tcp = match dialing.await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(Unreached::Refused(reason))) => return Err(Undelivered::refused(reason)),
            Ok(Err(unreached)) => return Err(Undelivered::unreached(unreached)),
            Err(_) => return Err(Undelivered::timed_out("Connection timeout")),
        };
        let mut session = Session::new(tcp, host);
        if provider.is_secure {
            let securing = time::timeout(CONNECTION_TIMEOUT, session.secure(&self.connector.tls));
            session = securing.await.map_err(|_| Undelivered::timed_out("Connection timeout"))??;
        }
        let greeting = time::timeout(GREETING_TIMEOUT, session.greet());
        greeting.await.map_err(|_| Undelivered::timed_out("Greeting never received"))??;
        session.hello().await?;
        if session.offers_tls() {
            session = session.start_tls(&self.connector.tls).await?;
            session.hello().await?;
        }
        if let Some(login) = &provider.login {
            session.sign_in(login).await?;
        }
        Ok(session)
    }
}

/// A kept connection, if it can be used.
async fn alive(kept: Option<Session>) -> Option<Session> {
    let mut session = kept?;
    let is_alive = time::timeout(REUSE_TIMEOUT, session.is_alive()).await;
    is_alive.unwrap_or(false).then_some(session)
}

async fn deliver(session: &mut Session, mail: &Mail) -> Result<Delivered, Undelivered> {
    let begun = Instant::now();
    let (accepted, refused) = session.envelope(&mail.from, &mail.to).await?;
    let enveloped = Instant::now();
    let (response, message_size) = session.message(&mail.message).await?;
    Ok(Delivered {
        accepted,
        refused,
        extensions: session.extensions().to_vec(),
        envelope_time: enveloped - begun,
        message_time: enveloped.elapsed(),
        message_size,
        response,
    })
}
