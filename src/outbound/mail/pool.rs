//! Connections that wait for the next mail to the same server by the same login, and how many of them there are. A
//! connection takes longer than a mail, and servers count them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::provider::Provider;
use super::session::Session;

/// How many connections a provider may have at a time (nodemailer's `maxConnections`).
const MAX_CONNECTIONS: usize = 5;
/// How many messages a connection may carry (nodemailer's `maxMessages`).
const MAX_MESSAGES: u32 = 100;
/// How long a connection is kept unused: servers close theirs after some minutes, busy ones after ten seconds.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// How often connections are looked for that were kept for so long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The connections to all providers.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<HashMap<Provider, Lane>>>);

/// The connections to one provider.
struct Lane {
    places: Arc<Semaphore>,
    idle: Vec<Idle>,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl Default for Lane {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_CONNECTIONS)), idle: Vec::new() }
    }
}

/// A place among the connections of a provider, for one mail.
pub(super) struct Place {
    /// None never: nobody closes the semaphore.
    _permit: Option<OwnedSemaphorePermit>,
    /// A connection that was kept, which may have died since.
    pub(super) kept: Option<Session>,
}

impl Pool {
    /// Waits until there is a place for one more connection.
    pub(super) async fn enter(&self, provider: &Provider) -> Place {
        let places = self.lanes().entry(provider.clone()).or_default().places.clone();
        let permit = places.acquire_owned().await.ok();
        let kept = self.lanes().get_mut(provider).and_then(|lane| lane.idle.pop());
        Place { _permit: permit, kept: kept.map(|idle| idle.session) }
    }

    /// Keeps a connection that has carried a mail, unless it has carried enough, which comes back.
    pub(super) fn keep(&self, provider: &Provider, session: Session) -> Option<Session> {
        if session.carried() >= MAX_MESSAGES {
            return Some(session);
        }
        let idle = Idle { session, since: Instant::now() };
        self.lanes().entry(provider.clone()).or_default().idle.push(idle);
        None
    }

    /// Closes connections that nobody uses, for as long as it is polled.
    pub(super) async fn tend(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for idle in self.outworn() {
                idle.session.quit().await;
            }
        }
    }

    /// Takes out the connections that were kept for long enough, and forgets providers without any.
    fn outworn(&self) -> Vec<Idle> {
        let mut outworn = Vec::new();
        self.lanes().retain(|_, lane| {
            let is_over = |idle: &mut Idle| idle.since.elapsed() >= IDLE_TIME;
            outworn.extend(lane.idle.extract_if(.., is_over));
            // Whoever has a place, or waits for one, has the semaphore, too.
            !lane.idle.is_empty() || Arc::strong_count(&lane.places) > 1
        });
        outworn
    }

    /// Nothing that holds the lock can be left half done.
    fn lanes(&self) -> MutexGuard<'_, HashMap<Provider, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
