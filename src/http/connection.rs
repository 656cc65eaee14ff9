//! One connection: HTTP/1 on a socket, what is wrong with a request before anybody looks at its URL, and answers
//! that reach a sender who is still sending.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::body::Rest;
use super::reply::refused;
use super::shared::Shared;
use super::stream::{Limits, Progress, Stream};
use crate::webhook::refusal::Refusal;

/// The longest head of a request, in bytes: twice what nginx takes.
const MAX_HEAD: usize = 64 << 10;
/// So many headers may a request have; proxies of clouds add dozens.
const MAX_HEADERS: usize = 256;

/// How long requests are still taken that are on their way when sidehook stops.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Serves a connection until it is closed, or until sidehook stops and what is under way has ended. On the control
/// thread `main` is where all is handled that does not ask for health.
pub(super) async fn serve(socket: TcpStream, shared: Arc<Shared>, main: Option<Handle>) {
    // A connection that is gone already fails here, and soon enough elsewhere. Nagle's algorithm would hold small
    // answers back for up to 40 ms.
    let _ = socket.set_nodelay(true);
    let peer = socket.peer_addr().map_or_else(|_| RemoteAddr::default(), |peer| RemoteAddr(peer.into()));
    let progress = Progress::new(Limits::of(&shared.settings), shared.stopping.clone());
    let stream = TokioIo::new(Stream::new(socket, progress.clone()));
    let service = service_fn(|request| {
        let (shared, progress, peer) = (shared.clone(), progress.clone(), peer.clone());
        let main = main.clone().filter(|_| !request.uri().path().starts_with("/health/"));
        async move { Ok::<_, Infallible>(handle(request, peer, &shared, main, progress).await) }
    });
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_header_size(MAX_HEAD).max_buf_size(MAX_HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
    // What has arrived is read first: hyper closes a connection at once that is to end before it has read anything, and a
    // socket says only a moment after it was handed over that there is something to read.
    let is_to_end = async {
        shared.stopping.cancelled().await;
        tokio::time::sleep(LAST_WORD).await;
    };
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        () = is_to_end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(err) = outcome {
        tracing::debug!(reason = %err, "a connection broke off");
    }
}

async fn handle(
    request: Request<Incoming>,
    peer: RemoteAddr,
    shared: &Arc<Shared>,
    main: Option<Handle>,
    progress: Arc<Progress>,
) -> Response<Answer> {
    progress.begin();
    let fault = fault(&request);
    let waits_for_leave = request.headers().contains_key(EXPECT);
    let mut request = poem::Request::from((request, LocalAddr::default(), peer, Scheme::HTTP));
    let mut rest = Rest::new(request.take_body(), progress.clone());
    request.set_body(rest.body());
    let response = match (fault, main) {
        (Some(refusal), _) => refused(refusal),
        (None, None) => shared.answer(request).await,
        (None, Some(main)) => {
            let shared_there = shared.clone();
            let answering = async move { shared_there.answer(request).await };
            let answer = shared.connections.spawn_on(answering, &main).await;
            answer.unwrap_or_else(|_| refused(Refusal::internal("The request could not be handled.")))
        }
    };
    let mut response = Response::<BoxBody<Bytes, std::io::Error>>::from(response);
    // Who waits for a leave to send sends nothing once the answer is there.
    let is_whole = (rest.was_asked_for() || !waits_for_leave) && rest.skip_rest().await;
    if !is_whole {
        progress.leave_unread();
    }
    if !is_whole || shared.is_leaving() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Answer { body, progress })
}

/// What keeps a request from being handled, whatever it is for: RFC 9112, sections 3.2 and 6.1.
fn fault(request: &Request<Incoming>) -> Option<Refusal> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Some(Refusal::bad_request("A request needs one Host header."));
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let is_plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|first| !is_plain(first) || codings.next().is_some()) {
        return Some(Refusal::new(501, "Transfer codings other than chunked are not taken."));
    }
    None
}

/// The body of an answer. The request has ended once it is dropped.
struct Answer {
    body: BoxBody<Bytes, std::io::Error>,
    progress: Arc<Progress>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.progress.end();
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
