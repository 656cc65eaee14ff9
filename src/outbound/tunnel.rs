//! Tunnels through a proxy (`CONNECT`, RFC 9110, section 9.3.6): behind its answer the connection is that of the target.

use std::pin::pin;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::cause;
use super::failure::Failure;
use super::proxy::{self, Proxy};

/// Has the proxy at the other end of `tcp` connect to `target`, which is `host:port` with IPv6 in brackets.
pub(super) async fn open(tcp: TcpStream, proxy: &Proxy, target: &str) -> Result<TokioIo<Upgraded>, Failure> {
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(tcp)).await.map_err(|err| broken(&err))?;
    let mut request =
        Request::connect(target).body(Empty::<Bytes>::new()).map_err(|_| Failure::invalid_url())?;
    let host = HeaderValue::from_str(target).map_err(|_| Failure::invalid_url())?;
    request.headers_mut().insert(HOST, host);
    proxy.authorize(request.headers_mut());
    let asking = async move {
        let response = sender.send_request(request).await.map_err(|err| broken(&err))?;
        if !response.status().is_success() {
            return Err(proxy::refused(response.status()));
        }
        upgrade::on(response).await.map(TokioIo::new).map_err(|err| broken(&err))
    };
    // Nothing is left behind when whoever waits for the tunnel gives up.
    match select(pin!(asking), pin!(connection.with_upgrades())).await {
        Either::Left((opened, _)) => opened,
        Either::Right((_, asking)) => asking.await,
    }
}

fn broken(err: &hyper::Error) -> Failure {
    proxy::untunneled(cause::broken(err).unwrap_or_else(Failure::hung_up))
}
