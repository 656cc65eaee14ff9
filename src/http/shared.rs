//! What all connections of a server know: who answers, and whether it is about to end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Http;

/// A request that comes while sidehook starts waits so long for that. A proxy may come at once where a server is there again,
/// and nobody repeats what was answered with 503.
const START_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct Shared {
    pub settings: Http,
    /// No new requests are taken.
    pub stopping: CancellationToken,
    /// The time of grace is over.
    pub killed: CancellationToken,
    pub connections: TaskTracker,
    /// Answers before there are routes.
    closed: BoxEndpoint<'static, Response>,
    routes: OnceLock<BoxEndpoint<'static, Response>>,
    /// Cancelled once there are routes.
    opened: CancellationToken,
    is_leaving: AtomicBool,
}

impl Shared {
    pub(super) fn new(settings: Http, closed: BoxEndpoint<'static, Response>) -> Self {
        Self {
            settings,
            stopping: CancellationToken::new(),
            killed: CancellationToken::new(),
            connections: TaskTracker::new(),
            closed,
            routes: OnceLock::new(),
            opened: CancellationToken::new(),
            is_leaving: AtomicBool::new(false),
        }
    }

    /// Has requests answered by these routes from now on; they cannot be replaced.
    pub(super) fn open(&self, routes: BoxEndpoint<'static, Response>) {
        let _ = self.routes.set(routes);
        self.opened.cancel();
    }

    /// Has every answer close its connection.
    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    pub(super) async fn answer(&self, request: Request) -> Response {
        if self.routes.get().is_none() && !request.uri().path().starts_with("/health/") {
            let _ = tokio::time::timeout(START_TIMEOUT, self.opened.cancelled()).await;
        }
        self.routes.get().unwrap_or(&self.closed).get_response(request).await
    }
}
