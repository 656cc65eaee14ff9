//! The socket of one connection with the limits of time that hyper does not keep: heads that do not arrive, answers
//! that nobody reads, connections that nobody uses; and a close that does not cut an answer off.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::config::Http;

/// Once sidehook stops, nobody is waited for who sends or reads nothing for so long.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(2);

/// After an answer was given early, the rest of the request is read and dropped so that the answer is not lost:
/// nginx's `lingering_time` and `lingering_timeout`.
const LINGER_TIME: Duration = Duration::from_secs(30);
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// At most so many bytes of it.
const MAX_LINGER_BYTES: usize = 64 << 20;

/// What is going on in a connection.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The head of a request is awaited since then.
    Head(Instant),
    /// A request is handled.
    Request,
    /// A request has been answered of which not everything was read.
    Unread,
    /// Nothing is under way since then.
    Idle(Instant),
}

/// Where a connection stands, as the handler of its requests and its socket know it.
#[derive(Debug)]
pub(super) struct Progress {
    phase: Mutex<Phase>,
    limits: Limits,
    stopping: CancellationToken,
    stopping_since: Mutex<Option<Instant>>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Until the head of a request has arrived.
    pub header: Duration,
    /// Until the next part of a body arrives.
    pub part: Duration,
    /// Until all of a body has arrived.
    pub body: Duration,
    /// Until something of an answer has been read.
    pub send: Duration,
    /// Until the next request.
    pub idle: Duration,
}

impl Limits {
    pub(super) fn of(settings: &Http) -> Self {
        Self {
            header: settings.header_timeout,
            part: settings.body_timeout,
            body: settings.request_timeout,
            send: settings.send_timeout,
            idle: settings.idle_timeout,
        }
    }
}

impl Progress {
    /// Of a connection that has just been made. `stopping` is cancelled when sidehook stops.
    pub(super) fn new(limits: Limits, stopping: CancellationToken) -> Arc<Self> {
        let phase = Mutex::new(Phase::Head(Instant::now()));
        Arc::new(Self { phase, limits, stopping, stopping_since: Mutex::default() })
    }

    /// A request has arrived, at least its head.
    pub(super) fn begin(&self) {
        self.set(Phase::Request);
    }

    /// The answer is known, and the rest of the request is not going to be read.
    pub(super) fn leave_unread(&self) {
        self.set(Phase::Unread);
    }

    /// The answer has been handed over.
    pub(super) fn end(&self) {
        if !matches!(self.phase(), Phase::Unread) {
            self.set(Phase::Idle(Instant::now()));
        }
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Until when something has to arrive.
    fn read_deadline(&self) -> Option<Instant> {
        let deadline = match self.phase() {
            Phase::Head(since) => since + self.limits.header,
            Phase::Idle(since) => since + self.limits.idle,
            Phase::Request | Phase::Unread => return None,
        };
        Some(self.stop_deadline().map_or(deadline, |stop| deadline.min(stop)))
    }

    /// How long things may take.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Until when the next part of a body has to arrive that is awaited since then.
    pub(super) fn part_deadline(&self, since: Instant, whole: Instant) -> Instant {
        let deadline = whole.min(since + self.limits.part);
        let stop = self.stop_deadline().map(|stop| stop.max(since + STOPPING_TIMEOUT));
        stop.map_or(deadline, |stop| deadline.min(stop))
    }

    /// Since sidehook stops: until when those are waited for that do nothing.
    fn stop_deadline(&self) -> Option<Instant> {
        if !self.stopping.is_cancelled() {
            return None;
        }
        let mut since = self.stopping_since.lock().unwrap_or_else(PoisonError::into_inner);
        Some(*since.get_or_insert_with(Instant::now) + STOPPING_TIMEOUT)
    }
}

/// The socket.
pub(super) struct Stream {
    socket: TcpStream,
    progress: Arc<Progress>,
    /// Ends a read that waits for too long.
    read_limit: Limit,
    /// Since when nothing could be written.
    blocked_since: Option<Instant>,
    write_limit: Limit,
    has_ended: bool,
    closing: Option<Closing>,
}

/// A close that waits for the other side.
struct Closing {
    since: Instant,
    last_byte: Instant,
    bytes: usize,
}

/// A timer that is set anew again and again.
#[derive(Default)]
pub(super) struct Limit(Option<Pin<Box<Sleep>>>);

impl Limit {
    /// Ready once the deadline has passed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

impl Stream {
    pub(super) fn new(socket: TcpStream, progress: Arc<Progress>) -> Self {
        Self {
            socket,
            progress,
            read_limit: Limit::default(),
            blocked_since: None,
            write_limit: Limit::default(),
            has_ended: false,
            closing: None,
        }
    }

    /// Notes whether something could be written; an error when nobody has read for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<Result<T>>) -> Poll<Result<T>> {
        if outcome.is_ready() {
            self.blocked_since = None;
            return outcome;
        }
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        let deadline = since + self.progress.limits.send;
        let deadline = self
            .progress
            .stop_deadline()
            .map_or(deadline, |stop| deadline.min(stop.max(since + STOPPING_TIMEOUT)));
        ready!(self.write_limit.poll(cx, deadline));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Reads and drops what still comes, up to the end or a bound.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let closing = self.closing.get_or_insert(Closing { since: now, last_byte: now, bytes: 0 });
        let mut space = [0; 16 << 10];
        // The runtime's own budget makes this end now and then.
        while closing.bytes < MAX_LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    closing.bytes += buffer.filled().len();
                    closing.last_byte = Instant::now();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let deadline = (closing.since + LINGER_TIME).min(closing.last_byte + LINGER_TIMEOUT);
                    let stop = self.progress.stop_deadline();
                    return self.read_limit.poll(cx, stop.map_or(deadline, |stop| deadline.min(stop)));
                }
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(outcome) = Pin::new(&mut self.socket).poll_read(cx, buffer) {
            if buffer.filled().len() == before {
                self.has_ended = true;
            } else if let Phase::Idle(_) = self.progress.phase() {
                self.progress.set(Phase::Head(Instant::now()));
            }
            return Poll::Ready(outcome);
        }
        match self.progress.read_deadline() {
            // While an answer is on its way its own limit counts.
            Some(deadline) if self.blocked_since.is_none() => {
                ready!(self.read_limit.poll(cx, deadline));
                self.has_ended = true;
                Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "nothing has arrived in time")))
            }
            _ => Poll::Pending,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        self.written(cx, outcome)
    }

    /// Says that nothing more comes. A socket that is closed with something unread resets the connection, and the
    /// other side may lose the answer to it: so what comes is read for a while where a request was not read whole.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        }
        if !self.has_ended && matches!(self.progress.phase(), Phase::Head(_) | Phase::Unread) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
