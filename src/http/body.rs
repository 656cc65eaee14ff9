//! The body of a request on its way to the handler: within its limits of time, and what becomes of the rest.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use poem::Body;
use tokio::time::{Instant, timeout};

use super::stream::{Limit, Progress};

/// How much of a body that nobody has asked for is read before the answer, and for how long, so that the connection
/// can be kept.
const MAX_SKIPPED: usize = 64 << 10;
const SKIP_TIME: Duration = Duration::from_millis(20);

type Parts = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// What has not been read of a body. The handler of the request reads through a copy.
#[derive(Clone)]
pub(super) struct Rest(Arc<Mutex<State>>);

struct State {
    parts: Parts,
    progress: Arc<Progress>,
    /// Until when all has to have arrived, once somebody has asked for it.
    deadline: Option<Instant>,
    /// Since when the next part is awaited.
    waits_since: Option<Instant>,
    limit: Limit,
    has_ended: bool,
}

impl Rest {
    /// Takes the body of a request over.
    pub(super) fn new(body: Body, progress: Arc<Progress>) -> Self {
        Self(Arc::new(Mutex::new(State {
            parts: Box::pin(body.into_bytes_stream()),
            progress,
            deadline: None,
            waits_since: None,
            limit: Limit::default(),
            has_ended: false,
        })))
    }

    /// The body for the handler. It fails with [`ErrorKind::TimedOut`] when the sender does not send.
    pub(super) fn body(&self) -> Body {
        Body::from_bytes_stream(self.clone())
    }

    /// Whether the handler has begun to read.
    pub(super) fn was_asked_for(&self) -> bool {
        self.state().deadline.is_some()
    }

    /// Reads a short rest and drops it. Returns whether nothing is left.
    pub(super) async fn skip_rest(&mut self) -> bool {
        if self.state().has_ended {
            return true;
        }
        let skipping = async {
            let mut bytes = 0;
            while let Some(part) = self.next().await {
                bytes += part.as_ref().map_or(usize::MAX / 2, Bytes::len);
                if bytes > MAX_SKIPPED {
                    return false;
                }
            }
            true
        };
        timeout(SKIP_TIME, skipping).await.unwrap_or(false)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Rest {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.state();
        let state = &mut *state;
        let deadline = *state.deadline.get_or_insert_with(|| Instant::now() + state.progress.limits().body);
        if let Poll::Ready(part) = state.parts.as_mut().poll_next(cx) {
            state.has_ended = part.is_none();
            state.waits_since = None;
            return Poll::Ready(part);
        }
        let since = *state.waits_since.get_or_insert_with(Instant::now);
        ready!(state.limit.poll(cx, state.progress.part_deadline(since, deadline)));
        Poll::Ready(Some(Err(Error::new(ErrorKind::TimedOut, "the body has not arrived in time"))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio_util::sync::CancellationToken;

    use super::super::stream::Limits;
    use super::*;

    fn limits() -> Limits {
        let long = Duration::from_secs(60);
        Limits { header: long, part: long, body: long, send: long, idle: long }
    }

    fn rest(parts: impl Stream<Item = Result<Bytes>> + Send + 'static, limits: Limits) -> Rest {
        Rest::new(Body::from_bytes_stream(parts), Progress::new(limits, CancellationToken::new()))
    }

    async fn fault(mut rest: Rest) -> Option<ErrorKind> {
        loop {
            match rest.next().await? {
                Ok(_) => {}
                Err(err) => return Some(err.kind()),
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_move_or_never_ends_is_given_up() {
        let short = Duration::from_millis(30);
        let silent = rest(stream::pending(), Limits { part: short, ..limits() });
        assert_eq!(fault(silent).await, Some(ErrorKind::TimedOut));
        let dripping = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        });
        let dripping = rest(dripping, Limits { body: short, ..limits() });
        assert_eq!(fault(dripping).await, Some(ErrorKind::TimedOut));
        let stopping = CancellationToken::new();
        stopping.cancel();
        let silent = Body::from_bytes_stream(stream::pending::<Result<Bytes>>());
        let stopped = Rest::new(silent, Progress::new(limits(), stopping));
        assert_eq!(fault(stopped).await, Some(ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_short_rest_is_skipped_and_a_long_one_left() {
        let parts = || stream::iter([Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cd"))]);
        let mut short = rest(parts(), limits());
        assert!(!short.was_asked_for());
        assert!(short.skip_rest().await && short.skip_rest().await);
        let mut long = rest(stream::repeat_with(|| Ok(Bytes::from_static(&[0; 1 << 10]))), limits());
        assert!(!long.skip_rest().await);
        let mut read = rest(parts(), limits());
        assert_eq!(read.body().into_bytes().await.expect("it fits"), "abcd");
        assert!(read.was_asked_for() && read.skip_rest().await);
    }
}
