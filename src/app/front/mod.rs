//! The queue in front of the database: events go into it once they are let in, and come out as executions. What one is,
//! `queue/` knows.

mod reader;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::time::{sleep, timeout};

pub(super) use reader::read;

use super::App;
use crate::config::Config;
use crate::engine::{self, Delivery, Earlier, written};
use crate::metrics::{InFront, Level};
use crate::queue::{self, Depth, Fault, Queue, Seen};

/// How often the queue is asked how much is in it.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the database may take to say whether an event was delivered before.
const PATIENCE: Duration = Duration::from_millis(500);
/// After it has not answered in time it is not asked for so long.
const REST: Duration = Duration::from_secs(1);

/// The queue in front of the database.
pub struct Front {
    queue: Arc<dyn Queue>,
    /// Of this process among those that may read.
    reader: String,
    /// How much is in it, and why that is not known.
    depth: Mutex<(Depth, Option<String>)>,
    answers: AtomicBool,
    /// Until when the database is not asked, in milliseconds since 1970.
    rests_until: AtomicI64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Stored,
    /// Another delivery of it was taken before; with the execution, where that is known.
    Duplicate(Option<i64>),
}

/// Why an event is not in the queue.
pub enum Unput {
    /// It is too large.
    TooLarge(Box<engine::Event>),
    Refused(Fault),
}

impl Front {
    /// The queue of a configuration. It need not answer yet.
    pub async fn open(
        config: &Config,
        certificates: &[CertificateDer<'static>],
    ) -> anyhow::Result<Option<Self>> {
        let queue = queue::open(&config.queue, &config.app, certificates).await?;
        Ok(queue.map(|queue| Self {
            queue,
            reader: uuid::Uuid::new_v4().to_string(),
            depth: Mutex::default(),
            answers: AtomicBool::new(false),
            rests_until: AtomicI64::new(0),
        }))
    }

    /// Stores an event. When this returns, it will be run, unless it was before.
    pub(crate) async fn put(&self, app: &App, event: engine::Event) -> Result<Put, Unput> {
        let now = app.engine.ids().now().timestamp_millis();
        let earlier = match &event.delivery {
            None => None,
            Some(delivery) => Some(self.earlier(app, delivery, now).await),
        };
        if let Some(Earlier::Standing(first)) = earlier {
            return Ok(Put::Duplicate(Some(first)));
        }
        let context = written(&event.context).await.map_err(|err| refused(&err))?;
        let key = event.delivery.as_ref().map(|delivery| delivery.event_key.clone());
        let key = key.unwrap_or_else(|| app.engine.ids().event_key());
        let mut stored = queue::Event::new(&event.workflow.key, &key, now, context);
        stored.seen = earlier.map(seen);
        let ttl = event.delivery.as_ref().and_then(|delivery| delivery.ttl);
        stored.ttl = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        stored.request = event.request.as_ref().map(|request| request.row.clone());
        let payload = stored.encode().map_err(|err| refused(&err))?;
        if payload.len() > self.queue.longest() {
            return Err(Unput::TooLarge(Box::new(event)));
        }
        match self.queue.store(&stored.id(), payload).await {
            Ok(queue::Stored::New) => {
                app.metrics.in_front(InFront::Published, 1);
                Ok(Put::Stored)
            }
            Ok(queue::Stored::Duplicate) => {
                app.metrics.in_front(InFront::Duplicate, 1);
                Ok(Put::Duplicate(None))
            }
            Err(Fault::TooLarge) => Err(Unput::TooLarge(Box::new(event))),
            Err(fault) => {
                if matches!(fault, Fault::Full) {
                    app.metrics.in_front(InFront::Full, 1);
                }
                Err(Unput::Refused(fault))
            }
        }
    }

    /// What the database knows of earlier deliveries, as long as it answers quickly.
    async fn earlier(&self, app: &App, delivery: &Delivery, now: i64) -> Earlier {
        if app.is_database_away() || self.rests_until.load(Ordering::Relaxed) > now {
            return Earlier::Unknown;
        }
        let earlier = timeout(PATIENCE, app.engine.earlier(delivery)).await.unwrap_or(Earlier::Unknown);
        if earlier == Earlier::Unknown {
            let rest = i64::try_from(REST.as_millis()).unwrap_or_default();
            self.rests_until.store(now + rest, Ordering::Relaxed);
        }
        earlier
    }

    /// Whether it takes events.
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Acquire)
    }

    /// How much was in it a moment ago.
    pub fn level(&self) -> Level {
        let Depth { events, bytes, dead } = self.depth.lock().unwrap_or_else(PoisonError::into_inner).0;
        Level::InFront { events, bytes, dead }
    }

    /// Sets the queue up and asks it how much is in it, for as long as this is polled.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            let asked = async {
                self.queue.set_up().await?;
                self.queue.depth().await
            };
            self.note(asked.await);
            sleep(INTERVAL).await;
        }
    }

    fn note(&self, asked: Result<Depth, Fault>) {
        let mut known = self.depth.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = asked.as_ref().err().map(ToString::to_string);
        match (&known.1, &reason) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::warn!(reason, "the queue in front of the database cannot be used");
            }
            (Some(_), None) => tracing::info!("the queue in front of the database can be used again"),
            _ => {}
        }
        self.answers.store(reason.is_none(), Ordering::Release);
        *known = (asked.unwrap_or(known.0), reason);
    }

    /// Has another one read, at the end.
    pub(super) async fn resign(&self) {
        let _ = timeout(INTERVAL, self.queue.resign(&self.reader)).await;
    }
}

fn refused(err: &impl std::fmt::Display) -> Unput {
    Unput::Refused(Fault::Unavailable(err.to_string()))
}

fn seen(earlier: Earlier) -> Seen {
    match earlier {
        Earlier::Nothing | Earlier::Standing(_) => Seen::Nothing,
        Earlier::Past(id) => Seen::Past(id),
        Earlier::Unknown => Seen::Unknown,
    }
}
