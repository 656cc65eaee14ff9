//! The streams of a queue in NATS JetStream, and the one consumer: what is missing of them is made.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};

use super::{IN_HAND, Made, Names, Nats, READER};
use crate::queue::{DUPLICATE_WINDOW, Fault, LEASE};

impl Nats {
    fn stream_config(&self, name: &str) -> stream::Config {
        stream::Config {
            name: name.to_owned(),
            subjects: vec![Self::subject(name)],
            storage: StorageType::File,
            num_replicas: self.settings.replicas,
            max_bytes: i64::try_from(self.settings.max_bytes).unwrap_or(i64::MAX),
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
            num_replicas: self.settings.replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..stream::Config::default()
        }
    }

    pub(super) async fn make(&self) -> Result<Made, Fault> {
        let Names { events, dead, lease } = &self.names;
        let max_age = self.settings.max_age.unwrap_or_default();
        let duplicate_window =
            if max_age.is_zero() { DUPLICATE_WINDOW } else { DUPLICATE_WINDOW.min(max_age) };
        let of_events = stream::Config {
            retention: RetentionPolicy::WorkQueue,
            max_age,
            duplicate_window,
            ..self.stream_config(events)
        };
        let events = self.context.get_or_create_stream(of_events).await.map_err(unmade)?;
        let dead = self.context.get_or_create_stream(self.stream_config(dead)).await.map_err(unmade)?;
        let consumer = events.get_or_create_consumer(READER, consumer()).await.map_err(Fault::of)?;
        self.context.get_or_create_stream(self.bucket(lease)).await.map_err(unmade)?;
        let lease = self.context.get_key_value(lease).await.map_err(Fault::of)?;
        Ok(Made { events, dead, consumer, lease })
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
        "{err}: NATS keeps room for SIDEHOOK_QUEUE_MAX_BYTES twice, for what waits and for what was put aside; raise its \
         max_file or lower the setting"
    ))
}
