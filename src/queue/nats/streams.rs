//! The streams of a queue in NATS JetStream, and the one consumer: what is missing of them is made.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{Context, CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};

use super::room::RESERVE;
use crate::config;
use crate::queue::{DUPLICATE_WINDOW, Fault, LEASE};

/// The only consumer of the stream, and the only key of the bucket.
pub(super) const READER: &str = "reader";
/// So many events may be on their way at a time, those included that are tried again.
const IN_HAND: i64 = 4_096;

pub(super) struct Names {
    /// Of the stream.
    pub(super) events: String,
    /// Of the stream for those that were put aside.
    pub(super) dead: String,
    /// Of the bucket.
    lease: String,
}

/// What is on the servers.
pub(super) struct Made {
    pub(super) events: stream::Stream,
    pub(super) dead: stream::Stream,
    pub(super) consumer: PullConsumer,
    pub(super) lease: Store,
}

/// What is made, as the settings say.
struct Wanted<'a>(&'a config::Queue);

impl Names {
    pub(super) fn of(name: &str) -> Self {
        Self { events: name.to_owned(), dead: format!("{name}_dead"), lease: format!("{name}_reader") }
    }
}

/// What events of a stream are sent to.
pub(super) fn subject(name: &str) -> String {
    format!("{name}.events")
}

/// Finds streams and consumer, and makes those that are not there.
pub(super) async fn make(context: &Context, names: &Names, settings: &config::Queue) -> Result<Made, Fault> {
    let Names { events, dead, lease } = names;
    let wanted = Wanted(settings);
    let events = context.get_or_create_stream(wanted.events(events)).await.map_err(unmade)?;
    let dead = context.get_or_create_stream(wanted.stream(dead)).await.map_err(unmade)?;
    let consumer = events.get_or_create_consumer(READER, consumer()).await.map_err(Fault::of)?;
    context.get_or_create_stream(wanted.bucket(lease)).await.map_err(unmade)?;
    let lease = context.get_key_value(lease).await.map_err(Fault::of)?;
    Ok(Made { events, dead, consumer, lease })
}

impl Wanted<'_> {
    fn stream(&self, name: &str) -> stream::Config {
        stream::Config {
            name: name.to_owned(),
            subjects: vec![subject(name)],
            storage: StorageType::File,
            num_replicas: self.0.replicas,
            max_bytes: i64::try_from(self.0.max_bytes.saturating_add(RESERVE)).unwrap_or(i64::MAX),
            // What does not fit is refused: nothing that waits is thrown away for it.
            discard: DiscardPolicy::New,
            duplicate_window: DUPLICATE_WINDOW,
            ..stream::Config::default()
        }
    }

    /// The bucket of the lease. The library asks for the account before it makes one, which it cannot read of servers of
    /// version 2.9.
    fn bucket(&self, name: &str) -> stream::Config {
        stream::Config {
            name: format!("KV_{name}"),
            subjects: vec![format!("$KV.{name}.>")],
            max_messages_per_subject: 1,
            max_age: LEASE,
            duplicate_window: LEASE,
            storage: StorageType::File,
            num_replicas: self.0.replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..stream::Config::default()
        }
    }

    fn events(&self, name: &str) -> stream::Config {
        let max_age = self.0.max_age.unwrap_or_default();
        let duplicate_window =
            if max_age.is_zero() { DUPLICATE_WINDOW } else { DUPLICATE_WINDOW.min(max_age) };
        stream::Config {
            retention: RetentionPolicy::WorkQueue,
            max_age,
            duplicate_window,
            ..self.stream(name)
        }
    }
}

pub(super) fn consumer() -> pull::Config {
    pull::Config {
        durable_name: Some(READER.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: LEASE,
        max_ack_pending: IN_HAND,
        ..pull::Config::default()
    }
}

/// Why a stream cannot be made, and what helps where there is no room for it.
fn unmade(err: CreateStreamError) -> Fault {
    let is_no_room = matches!(err.kind(), CreateStreamErrorKind::JetStream(of_server)
        if of_server.error_code() == ErrorCode::STORAGE_RESOURCES_EXCEEDED);
    if !is_no_room {
        return Fault::of(err);
    }
    Fault::of(format!(
        "{err}: NATS keeps room for SIDEHOOK_QUEUE_MAX_BYTES and 64 MB twice, for what waits and for what was put aside; raise its \
         max_file or lower the setting"
    ))
}
