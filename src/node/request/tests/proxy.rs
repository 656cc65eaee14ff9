//! A proxy that the tests of request nodes send through: absolute URLs and tunnels. Every name is this machine to it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderName, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, upgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

pub(super) struct Proxy {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

/// What the proxy was told in a request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// `GET http://a.test/`, or `CONNECT a.test:443`.
    pub(super) line: String,
    pub(super) host: String,
    /// `Proxy-Authorization`.
    pub(super) authorization: String,
}

impl Proxy {
    /// One that answers with the status that `refusal` gives, if any, and else does what it is asked for.
    pub(super) async fn start(refusal: impl Fn(&Seen) -> Option<StatusCode> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (list, refusal) = (seen.clone(), Arc::new(refusal));
        let mut tasks = JoinSet::new();
        let tunnels = TaskTracker::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (list, refusal, tunnels) = (list.clone(), refusal.clone(), tunnels.clone());
                let serving = service_fn(move |request: Request<Incoming>| {
                    let told = told(&request);
                    let status = refusal(&told);
                    list.lock().expect("the list").push(told);
                    let tunnels = tunnels.clone();
                    async move {
                        Ok::<_, Infallible>(match status {
                            Some(status) => plain(status),
                            None => handle(request, &tunnels).await,
                        })
                    }
                });
                let connection = server::conn::http1::Builder::new();
                let connection = connection.serve_connection(TokioIo::new(tcp), serving).with_upgrades();
                connections.spawn(async move {
                    // One that breaks is the client's affair; its test sees it.
                    let _ = connection.await;
                });
            }
        });
        Self { port, seen, _tasks: tasks }
    }

    pub(super) async fn open() -> Self {
        Self::start(|_| None).await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the list").clone()
    }

    /// The lines of all requests so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

fn told(request: &Request<Incoming>) -> Seen {
    let header = |name: HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let line = format!("{} {}", request.method(), request.uri());
    Seen { line, host: header(HOST), authorization: header(PROXY_AUTHORIZATION) }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

async fn handle(request: Request<Incoming>, tunnels: &TaskTracker) -> Response<Full<Bytes>> {
    let Some(port) = request.uri().port_u16() else { return plain(StatusCode::BAD_REQUEST) };
    let Ok(mut target) = TcpStream::connect(("127.0.0.1", port)).await else {
        return plain(StatusCode::BAD_GATEWAY);
    };
    if request.method() == Method::CONNECT {
        tunnels.spawn(async move {
            if let Ok(upgraded) = upgrade::on(request).await {
                // It ends when either side does.
                let _ = copy_bidirectional(&mut TokioIo::new(upgraded), &mut target).await;
            }
        });
        return plain(StatusCode::OK);
    }
    forward(request, target).await.unwrap_or_else(|_| plain(StatusCode::BAD_GATEWAY))
}

async fn forward(mut request: Request<Incoming>, target: TcpStream) -> hyper::Result<Response<Full<Bytes>>> {
    let path = request.uri().path_and_query().map(|path| Uri::from(path.clone()));
    *request.uri_mut() = path.unwrap_or_default();
    request.headers_mut().remove(PROXY_AUTHORIZATION);
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(target)).await?;
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let (mut head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    head.headers.remove("connection");
    Ok(Response::from_parts(head, Full::new(body)))
}
