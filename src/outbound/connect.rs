//! Connections of request and mail nodes: names are looked up here, the guard judges every address, and the
//! connection goes to an address that it has passed. No second look-up follows, so what a name says later does not
//! count.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::cause::code;
use super::failure::Failure;
use super::guard::Guard;
use super::proxy::{self, Proxies, Proxy};
use super::tunnel;

/// Looks names up.
pub trait Resolve: Send + Sync {
    /// All addresses of a host, in the order in which to try them.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's own look-up.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// Makes connections, plain or TLS. Its errors are those that the job gets.
#[derive(Clone)]
pub(super) struct Connector {
    pub guard: Arc<Guard>,
    /// Asked for what HTTP goes to, and for nothing that is dialled.
    pub proxies: Arc<Proxies>,
    pub resolver: Arc<dyn Resolve>,
    pub tls: TlsConnector,
}

/// How long one of several addresses may take before the next one is tried, as in Node.js.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a connection may be silent before it is probed (axios).
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a name that a proxy is to be told may take to be looked up here. Where only the proxy knows names, nobody may
/// answer at all.
const FOREIGN_NAME_TIMEOUT: Duration = Duration::from_secs(2);

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await })
    }
}

/// Why a host could not be reached.
#[derive(Debug)]
pub enum Unreached {
    /// The guard has refused it, with this reason.
    Refused(String),
    /// There is no such name, or nobody to ask: the code of `getaddrinfo` and the name.
    Unresolved { code: &'static str, host: String },
    /// None of its addresses has answered.
    Unconnected(Vec<(SocketAddr, io::Error)>),
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<TokioIo<Stream>, Failure> {
        let host = bare_host(uri);
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let transport: Box<dyn Transport> = match self.proxies.of(uri) {
            None => Box::new(self.dial(host, port).await?),
            Some(proxy) if is_https => {
                let target = format!("{}:{port}", uri.host().unwrap_or_default());
                Box::new(tunnel::open(self.reach(proxy).await?, proxy, &target).await?)
            }
            Some(proxy) => {
                let transport = Box::new(self.reach(proxy).await?);
                return Ok(TokioIo::new(Stream { transport, is_proxy: true }));
            }
        };
        if !is_https {
            return Ok(TokioIo::new(Stream { transport, is_proxy: false }));
        }
        let name = server_name(host).ok_or_else(Failure::invalid_url)?;
        let tls = self.tls.connect(name, transport).await.map_err(|err| insecure(&err, host))?;
        Ok(TokioIo::new(Stream { transport: Box::new(tls), is_proxy: false }))
    }

    /// Whether a proxy may be asked for a URL. It looks the name up by itself, so this cannot hold it to an address: what
    /// the name leads to here has to pass, with all its addresses.
    pub(super) async fn judge(&self, uri: &Uri) -> Result<(), Failure> {
        let host = bare_host(uri);
        let found = tokio::time::timeout(FOREIGN_NAME_TIMEOUT, self.look_up(host)).await;
        let addresses = found.ok().and_then(Result::ok);
        self.guard.admit_unseen(host, addresses.as_deref()).map_err(Failure::plain)
    }

    /// A connection to a proxy. The operator has named it, so that the guard has no say.
    async fn reach(&self, proxy: &Proxy) -> Result<TcpStream, Failure> {
        let reaching = async { dial(self.look_up(&proxy.host).await?, proxy.port).await };
        reaching.await.map_err(|unreached| proxy::unreached(unreached.into()))
    }

    /// A connection to a host, at an address that the guard lets pass.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Unreached> {
        let addresses = self.guard.admit(host, self.look_up(host).await?).map_err(Unreached::Refused)?;
        dial(addresses, port).await
    }

    /// The addresses of a host, at least one.
    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, Unreached> {
        let found = match host.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolver.resolve(host).await,
        };
        let unresolved = |code| Unreached::Unresolved { code, host: host.to_owned() };
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(unresolved("ENOTFOUND")),
            Err(err) if may_be_resolved_later(&err) => Err(unresolved("EAI_AGAIN")),
            Err(_) => Err(unresolved("ENOTFOUND")),
        }
    }
}

/// The host of a URL, without the brackets of IPv6.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// The name that a certificate has to be for; none for what no certificate can name.
pub(super) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.trim_end_matches('.').to_owned()).ok()
}

/// TLS that trusts the known certificates and these.
pub(super) fn tls(certificates: Vec<CertificateDer<'static>>) -> Result<TlsConnector, rustls::Error> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// The library gives the reason as a text only: glibc's, or musl's.
fn may_be_resolved_later(err: &io::Error) -> bool {
    let text = err.to_string();
    text.contains("Temporary failure") || text.contains("Try again")
}

/// Connects to the first address that answers; all failures together when none does.
async fn dial(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, Unreached> {
    let mut failures = Vec::new();
    let mut left = alternating(addresses);
    while let Some(ip) = left.pop_front() {
        let address = SocketAddr::new(ip, port);
        let connecting = TcpStream::connect(address);
        let result = if left.is_empty() {
            connecting.await
        } else {
            let result = tokio::time::timeout(ATTEMPT_TIMEOUT, connecting).await;
            result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match result.and_then(prepared) {
            Ok(tcp) => return Ok(tcp),
            Err(err) => failures.push((address, err)),
        }
    }
    Err(Unreached::Unconnected(failures))
}

/// The two families in turn, that of the first address first, as Node.js tries them.
fn alternating(addresses: Vec<IpAddr>) -> VecDeque<IpAddr> {
    let is_first_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == is_first_v4);
    let mut second = second.into_iter();
    let mut all: VecDeque<IpAddr> =
        first.into_iter().flat_map(|one| [Some(one), second.next()]).flatten().collect();
    all.extend(second);
    all
}

fn prepared(tcp: TcpStream) -> io::Result<TcpStream> {
    tcp.set_nodelay(true)?;
    socket2::SockRef::from(&tcp).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    Ok(tcp)
}

impl From<Unreached> for Failure {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::Refused(reason) => Failure::plain(reason),
            Unreached::Unresolved { code, host } => {
                Failure::coded(code, format!("getaddrinfo {code} {host}"))
            }
            Unreached::Unconnected(failures) => {
                let code = |err: &io::Error| code(err.kind()).unwrap_or("UNKNOWN");
                let messages: Vec<String> = failures
                    .iter()
                    .map(|(address, err)| {
                        format!("connect {} {}:{}", code(err), address.ip(), address.port())
                    })
                    .collect();
                let code = failures.first().map(|(_, err)| code(err).to_owned());
                Failure { message: messages.join("; "), code, answer: None }
            }
        }
    }
}

/// Why TLS could not be agreed on, with the codes of Node.js for what is wrong with certificates.
pub(super) fn insecure(err: &io::Error, host: &str) -> Failure {
    use rustls::CertificateError as Certificate;
    let Some(tls) = err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match err.kind() {
            io::ErrorKind::UnexpectedEof => Failure::coded(
                "ECONNRESET",
                "Client network socket disconnected before secure TLS connection was established",
            ),
            kind => {
                let code = code(kind).unwrap_or("EPROTO");
                Failure::coded(code, format!("read {code}"))
            }
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            Failure::coded("CERT_HAS_EXPIRED", "certificate has expired")
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => Failure::coded("CERT_NOT_YET_VALID", "certificate is not yet valid"),
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => {
            let message = format!(
                "Hostname/IP does not match certificate's altnames: Host: {host}. is not in the cert"
            );
            Failure::coded("ERR_TLS_CERT_ALTNAME_INVALID", message)
        }
        rustls::Error::InvalidCertificate(_) => {
            Failure::coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate")
        }
        other => Failure::coded("EPROTO", format!("write EPROTO {other}")),
    }
}

/// What a connection does, with TLS or without.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection.
pub(super) struct Stream {
    transport: Box<dyn Transport>,
    /// Whether the one that reads requests is a proxy, and has to be told the whole URL.
    is_proxy: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_proxy)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses =
            ["1.1.1.1", "1.1.1.2", "::1", "1.1.1.3"].map(|text| text.parse().expect("an address"));
        let order: Vec<String> = alternating(addresses.to_vec()).iter().map(IpAddr::to_string).collect();
        assert_eq!(order, ["1.1.1.1", "::1", "1.1.1.2", "1.1.1.3"]);
    }

    #[tokio::test]
    async fn all_addresses_that_refuse_are_told() {
        let addresses = ["127.0.0.1", "127.0.0.2"].map(|text| text.parse().expect("an address"));
        let failure: Failure = dial(addresses.to_vec(), 1).await.expect_err("nothing listens there").into();
        assert_eq!(failure.message, "connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED 127.0.0.2:1");
        assert_eq!(failure.code.as_deref(), Some("ECONNREFUSED"));
    }
}
