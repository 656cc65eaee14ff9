//! The connection to servers of NATS, which is opened anew whenever it is lost.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use rustls_pki_types::CertificateDer;

use crate::config::Secret;

/// How long a server may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// Before something is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Connects to the first of these URLs that answers. None has to answer yet.
pub(super) async fn connect(
    servers: &[Secret],
    certificates: &[CertificateDer<'static>],
) -> anyhow::Result<Client> {
    let servers: Vec<ServerAddr> =
        servers.iter().map(|url| url.reveal().parse()).collect::<Result<_, _>>()?;
    let options = ConnectOptions::new()
        .name("sidehook")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|tries| {
            let doubled = PAUSE * 2_u32.pow(u32::try_from(tries.min(4)).unwrap_or(4));
            if tries <= 1 { Duration::ZERO } else { doubled }
        })
        .tls_client_config(tls(certificates)?);
    // Of the URLs the library takes no login.
    let login = servers.iter().find(|server| server.has_user_pass());
    let options = match login.map(|server| (server.username(), server.password())) {
        Some((Some(user), Some(password))) => options.user_and_password(user.to_owned(), password.to_owned()),
        Some((Some(token), None)) => options.token(token.to_owned()),
        _ => options,
    };
    Ok(options.connect(servers).await?)
}

fn tls(certificates: &[CertificateDer<'static>]) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(certificates.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
