//! Queues in front of the database: what one has to be able to do, and the one list of them. An event that a queue has
//! acknowledged stays there until its execution is recorded, whoever is killed meanwhile. Nothing here knows what events
//! are of.
//!
//! One sidehook at a time reads, the one that holds the lease: so events come in the order in which they were stored.

mod event;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "nats")]
mod sequence;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustls_pki_types::CertificateDer;

pub use self::event::{Event, Seen};

use crate::config;

/// How long a reader stays the reader without a sign of life. What it has not settled by then goes to the next one.
pub const LEASE: Duration = Duration::from_secs(5);

/// How often it gives one.
pub const RENEWAL: Duration = Duration::from_secs(1);

/// Within that time an event that comes again under the same id is stored once; later the database tells them apart.
#[cfg(any(feature = "nats", feature = "redis"))]
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// So much is read at a time, in bytes of events: they are in memory until they are settled.
#[cfg(any(feature = "nats", feature = "redis"))]
const BATCH_BYTES: usize = 32 << 20;

/// How long storing an event may take, with all attempts: until another server leads where one has died.
#[cfg(any(feature = "nats", feature = "redis"))]
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a queue has not done something.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// As much waits in it as may.
    #[error("the queue is full")]
    Full,
    #[error("the queue does not take so large an event")]
    TooLarge,
    #[error("the queue does not answer: {0}")]
    Unavailable(String),
}

#[cfg(any(feature = "nats", feature = "redis"))]
impl Fault {
    fn of(err: impl std::fmt::Display) -> Self {
        Self::Unavailable(err.to_string())
    }
}

/// What became of an event that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    New,
    /// Another one of the same id was stored a moment ago.
    Duplicate,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Who has asked, from now on: what was given out before and is not settled is given out again.
    Taken,
    /// Who has asked, as before.
    Kept,
    /// Somebody else.
    Lost,
}

/// An event on its way out of the queue.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Its place in the queue; the same when it comes again.
    pub place: String,
    /// By what it is settled.
    pub handle: String,
    pub payload: Bytes,
    /// Whether it has been given out before.
    pub is_again: bool,
}

/// An event that could not become an execution.
#[derive(Clone, Debug)]
pub struct Dead {
    /// Its place among those.
    pub place: String,
    pub reason: String,
    pub payload: Bytes,
}

/// How things stand in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Events that are not settled.
    pub events: u64,
    pub bytes: u64,
    /// Events that could not become executions.
    pub dead: u64,
}

/// A queue in front of the database.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Makes what is missing of it on its servers. To be done once before anything else, and again until it succeeds.
    async fn set_up(&self) -> Result<(), Fault>;

    /// The longest event, in bytes.
    fn longest(&self) -> usize;

    /// Stores an event, and returns once the queue has it for good. Full is what holds as much as may wait, as far as
    /// [`Queue::depth`] has lately told.
    async fn store(&self, id: &str, payload: Bytes) -> Result<Stored, Fault>;

    /// Becomes or stays the one reader, for [`LEASE`].
    async fn lead(&self, reader: &str) -> Result<Lead, Fault>;

    /// Lets another one read at once.
    async fn resign(&self, reader: &str);

    /// The next events in their order, those that an earlier reader has left first: at most so many, and no more than
    /// some 32 MB of them, but one at least however large it is. Waits a moment where there are none.
    async fn next(&self, most: usize) -> Result<Vec<Delivered>, Fault>;

    /// These are still being worked on.
    async fn hold(&self, events: &[&Delivered]) -> Result<(), Fault>;

    /// These are executions now.
    async fn settle(&self, events: &[&Delivered]) -> Result<(), Fault>;

    /// Puts one aside that cannot become an execution.
    async fn bury(&self, event: &Delivered, reason: &str) -> Result<(), Fault>;

    async fn depth(&self) -> Result<Depth, Fault>;

    /// What was put aside, oldest first.
    async fn dead(&self, most: usize) -> Result<Vec<Dead>, Fault>;

    /// The one of them that has this place.
    async fn dead_at(&self, place: &str) -> Result<Option<Dead>, Fault>;

    /// Removes one of those; whether it was there.
    async fn forget(&self, place: &str) -> Result<bool, Fault>;

    /// What is to be told of how its servers are set, such as what an event does not survive there.
    async fn warnings(&self) -> Result<Vec<String>, Fault>;
}

/// The queue of the settings, for an application; none where events go into the database at once. Nothing has to answer
/// yet. `certificates` are trusted beside the well-known ones.
pub async fn open(
    settings: &config::Queue,
    app: &str,
    certificates: &[CertificateDer<'static>],
) -> anyhow::Result<Option<Arc<dyn Queue>>> {
    let Some((kind, servers)) = &settings.servers else { return Ok(None) };
    let name = if app == config::MAIN { settings.name.clone() } else { format!("{}_{app}", settings.name) };
    let _ = (&servers, &name, certificates);
    match kind {
        #[cfg(feature = "nats")]
        config::QueueKind::Nats => {
            Ok(Some(Arc::new(nats::Nats::open(settings, servers, &name, certificates).await?)))
        }
        #[cfg(feature = "redis")]
        config::QueueKind::Redis => {
            Ok(Some(Arc::new(redis::Redis::open(settings, servers, &name, certificates)?)))
        }
        #[cfg(not(all(feature = "nats", feature = "redis")))]
        _ => anyhow::bail!("this sidehook was built without that kind of queue"),
    }
}

/// Stores an event once more that was put aside. `id` is one that it has not had.
pub async fn revive(queue: &dyn Queue, dead: &Dead, id: &str) -> Result<(), Fault> {
    queue.store(id, dead.payload.clone()).await?;
    queue.forget(&dead.place).await.map(drop)
}
