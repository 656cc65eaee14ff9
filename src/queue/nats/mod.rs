//! NATS JetStream: a stream of events that are removed once they are settled, one for those that were put aside, and a
//! bucket whose only key is the reader's lease. Written for servers from 2.9 on.

mod connection;
mod room;
mod streams;

use std::error::Error as _;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::{Context, ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::kv::{CreateErrorKind, UpdateErrorKind};
use async_nats::jetstream::message::{Message, PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{DiscardPolicy, RawMessageError, RawMessageErrorKind, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, HeaderMap};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use rustls_pki_types::CertificateDer;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::sleep;

use self::connection::{PAUSE, TIMEOUT, connect};
use self::room::{RESERVE, Room};
use self::streams::{Made, Names, READER, consumer, make, subject};
use super::sequence::Sequence;
use super::{BATCH_BYTES, Dead, Delivered, Depth, Fault, LEASE, Lead, PATIENCE, Queue, Stored};
use crate::config::{self, Secret};

/// How long [`Queue::next`] waits where there is nothing.
const WAIT: Duration = Duration::from_secs(1);
/// What was given out to somebody who has died comes again after this; a bit more than the server's own time.
const MISSING_FOR: Duration = LEASE.saturating_add(Duration::from_secs(2));
/// At least so often it is looked for events that are passed over.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// Of a message that belongs to headers and protocol.
const OVERHEAD: usize = 8 << 10;

/// The header that says why an event was put aside.
const REASON: &str = "Sidehook-Reason";

pub(super) struct Nats {
    client: Client,
    context: Context,
    names: Names,
    /// Of the events, and of those that were put aside.
    room: Room,
    room_aside: Room,
    settings: config::Queue,
    made: OnceCell<Made>,
    reading: Mutex<Reading>,
}

/// What the reader knows.
#[derive(Default)]
struct Reading {
    /// Of the lease, while it is ours.
    revision: Option<u64>,
    sequence: Option<Sequence<Delivered>>,
    /// When it was looked for events that are passed over, and the first one that was.
    looked: Option<Instant>,
    passed: Option<u64>,
}

impl Nats {
    pub(super) async fn open(
        settings: &config::Queue,
        servers: &[Secret],
        name: &str,
        certificates: &[CertificateDer<'static>],
    ) -> anyhow::Result<Self> {
        let client = connect(servers, certificates).await?;
        let context = ContextBuilder::new().timeout(TIMEOUT).backpressure_on_inflight(true);
        Ok(Self {
            context: context.build(client.clone()),
            client,
            names: Names::of(name),
            room: Room::new(settings.max_bytes),
            room_aside: Room::new(settings.max_bytes),
            settings: settings.clone(),
            made: OnceCell::new(),
            reading: Mutex::default(),
        })
    }

    fn made(&self) -> Result<&Made, Fault> {
        self.made
            .get()
            .ok_or_else(|| Fault::Unavailable("its streams have not been looked at yet".to_owned()))
    }

    /// One attempt at storing.
    async fn attempt(&self, subject: &str, message: PublishMessage) -> Result<Stored, PublishError> {
        // What is sent without a connection would be stored later, when its sender has been refused.
        if self.client.connection_state() != State::Connected {
            return Err(PublishError::new(PublishErrorKind::BrokenPipe));
        }
        let ack = self.context.send_publish(subject.to_owned(), message).await?.await?;
        Ok(if ack.duplicate { Stored::Duplicate } else { Stored::New })
    }

    async fn store_in(&self, name: &str, message: PublishMessage) -> Result<Stored, Fault> {
        let subject = subject(name);
        let (begun, mut is_first) = (Instant::now(), true);
        loop {
            let fault = match self.attempt(&subject, message.clone()).await {
                // An earlier attempt may have been the one that was stored.
                Ok(_) if !is_first => return Ok(Stored::New),
                Ok(stored) => return Ok(stored),
                Err(err) => fault(&err),
            };
            if !matches!(fault, Fault::Unavailable(_)) || begun.elapsed() > PATIENCE {
                return Err(fault);
            }
            is_first = false;
            sleep(PAUSE).await;
        }
    }

    /// Begins where the readers before have come to.
    async fn begin_reading(&self) -> Result<Sequence<Delivered>, Fault> {
        let events = &self.made()?.events;
        let consumer = events.get_or_create_consumer(READER, consumer()).await.map_err(Fault::of)?;
        let settled = consumer.get_info().await.map_err(Fault::of)?.ack_floor.stream_sequence;
        let first = events.get_info().await.map_err(Fault::of)?.state.first_sequence;
        Ok(Sequence::new(first.max(settled + 1), MISSING_FOR))
    }

    /// Has all events given out once more where some are there that count as settled. A server of version 2.9 that was
    /// killed gives out numbers that were settled before, so that nobody would ever get those events, or brings settled
    /// events back. An event that was recorded is known by its key.
    async fn look_back(&self) -> Result<(), Fault> {
        let made = self.made()?;
        let state = made.events.get_info().await.map_err(Fault::of)?.state;
        let settled = made.consumer.get_info().await.map_err(Fault::of)?.ack_floor.stream_sequence;
        let is_passed = state.messages > 0 && state.first_sequence <= settled;
        let passed = is_passed.then_some(state.first_sequence);
        let mut reading = self.reading.lock().await;
        reading.looked = Some(Instant::now());
        // One that is just being settled is gone at the next look.
        let is_same = passed.is_some() && reading.passed == passed;
        reading.passed = passed;
        if is_same {
            tracing::warn!("the queue has events that it takes for settled; all are read again");
            (reading.sequence, reading.passed) = (None, None);
            made.events.delete_consumer(READER).await.map_err(Fault::of)?;
        }
        Ok(())
    }

    async fn pull(&self, most: usize) -> Result<Vec<(u64, Delivered)>, Fault> {
        let consumer = &self.made()?.consumer;
        // A message that is larger than what is asked for is refused, with its headers.
        let bytes = BATCH_BYTES.max(self.client.max_payload() + OVERHEAD);
        let fetched = consumer.fetch().max_messages(most).max_bytes(bytes).expires(WAIT).messages().await;
        let mut come = collect(fetched.map_err(Fault::of)?).await?;
        if come.is_empty() {
            let awaited = consumer.batch().max_messages(1).expires(WAIT).messages().await;
            come = collect(awaited.map_err(Fault::of)?).await?;
        }
        Ok(come)
    }

    async fn tell(&self, events: &[&Delivered], what: &'static [u8]) -> Result<(), Fault> {
        for event in events {
            let told = self.client.publish(event.handle.clone(), Bytes::from_static(what)).await;
            told.map_err(Fault::of)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for Nats {
    async fn set_up(&self) -> Result<(), Fault> {
        self.made.get_or_try_init(|| make(&self.context, &self.names, &self.settings)).await.map(drop)
    }

    fn longest(&self) -> usize {
        self.client.max_payload().saturating_sub(OVERHEAD)
    }

    async fn store(&self, id: &str, payload: Bytes) -> Result<Stored, Fault> {
        self.room.take(payload.len())?;
        let message = PublishMessage::build().payload(payload).message_id(id);
        self.store_in(&self.names.events, message).await
    }

    async fn lead(&self, reader: &str) -> Result<Lead, Fault> {
        let (lease, mut reading) = (&self.made()?.lease, self.reading.lock().await);
        let value = Bytes::copy_from_slice(reader.as_bytes());
        match reading.revision {
            Some(revision) => match lease.update(READER, value, revision).await {
                Ok(revision) => {
                    reading.revision = Some(revision);
                    return Ok(Lead::Kept);
                }
                Err(err) if err.kind() == UpdateErrorKind::WrongLastRevision => {}
                Err(err) => return Err(Fault::of(err)),
            },
            None => match lease.create(READER, value).await {
                Ok(revision) => {
                    *reading = Reading { revision: Some(revision), ..Reading::default() };
                    return Ok(Lead::Taken);
                }
                Err(err) if err.kind() == CreateErrorKind::AlreadyExists => {}
                Err(err) => return Err(Fault::of(err)),
            },
        }
        // The answer to an earlier attempt may have got lost.
        let own =
            lease.entry(READER).await.map_err(Fault::of)?.filter(|entry| entry.value == reader.as_bytes());
        reading.revision = own.map(|entry| entry.revision);
        Ok(if reading.revision.is_some() { Lead::Kept } else { Lead::Lost })
    }

    async fn resign(&self, _reader: &str) {
        let Ok(made) = self.made() else { return };
        let revision = std::mem::take(&mut *self.reading.lock().await).revision;
        if let Some(revision) = revision {
            let _ = made.lease.delete_expect_revision(READER, Some(revision)).await;
        }
    }

    async fn next(&self, most: usize) -> Result<Vec<Delivered>, Fault> {
        if self.reading.lock().await.sequence.is_none() {
            let begun = self.begin_reading().await?;
            self.reading.lock().await.sequence = Some(begun);
        }
        let come = self.pull(most).await?;
        let is_idle = come.is_empty();
        let (sorted, looked) = {
            let mut reading = self.reading.lock().await;
            let sequence = reading.sequence.as_mut();
            let sorted = sequence.map(|sequence| sequence.sort(come, Instant::now()));
            (sorted.unwrap_or_default(), reading.looked)
        };
        if is_idle || looked.is_none_or(|looked| looked.elapsed() > BETWEEN_LOOKS) {
            // What has come is to be handled all the same.
            let _ = self.look_back().await;
        }
        Ok(sorted)
    }

    async fn hold(&self, events: &[&Delivered]) -> Result<(), Fault> {
        let early: Vec<Delivered> = {
            let reading = self.reading.lock().await;
            reading.sequence.iter().flat_map(Sequence::early).cloned().collect()
        };
        let early: Vec<&Delivered> = early.iter().collect();
        self.tell(&[events, &early].concat(), b"+WPI").await
    }

    async fn settle(&self, events: &[&Delivered]) -> Result<(), Fault> {
        self.tell(events, b"+ACK").await
    }

    async fn bury(&self, event: &Delivered, reason: &str) -> Result<(), Fault> {
        self.room_aside.take(event.payload.len() + reason.len())?;
        let mut headers = HeaderMap::new();
        // A header has one line.
        headers.insert(REASON, reason.replace(|c: char| !(' '..='~').contains(&c), " ").as_str());
        let id = format!("dead:{}", event.place);
        let message = PublishMessage::build().payload(event.payload.clone()).headers(headers).message_id(id);
        self.store_in(&self.names.dead, message).await?;
        self.settle(&[event]).await
    }

    async fn depth(&self) -> Result<Depth, Fault> {
        let made = self.made()?;
        let events = made.events.get_info().await.map_err(Fault::of)?.state;
        let dead = made.dead.get_info().await.map_err(Fault::of)?.state;
        self.room.holds(events.bytes);
        self.room_aside.holds(dead.bytes);
        Ok(Depth { events: events.messages, bytes: events.bytes, dead: dead.messages })
    }

    async fn dead(&self, most: usize) -> Result<Vec<Dead>, Fault> {
        let stream = &self.made()?.dead;
        let state = stream.get_info().await.map_err(Fault::of)?.state;
        let (mut found, mut from) = (Vec::new(), state.first_sequence);
        while found.len() < most && from <= state.last_sequence && state.messages > 0 {
            let next = stream.raw_message_builder().sequence(from);
            let next = next.next_by_subject(subject(&self.names.dead)).send().await;
            let Some(message) = there(next)? else { break };
            from = message.sequence + 1;
            found.push(dead(message));
        }
        Ok(found)
    }

    async fn dead_at(&self, place: &str) -> Result<Option<Dead>, Fault> {
        let Ok(sequence) = place.parse() else { return Ok(None) };
        let message = self.made()?.dead.get_raw_message(sequence).await;
        Ok(there(message)?.map(dead))
    }

    async fn forget(&self, place: &str) -> Result<bool, Fault> {
        let Ok(sequence) = place.parse() else { return Ok(false) };
        self.made()?.dead.delete_message(sequence).await.map_err(Fault::of)
    }

    async fn warnings(&self) -> Result<Vec<String>, Fault> {
        let config = self.made()?.events.get_info().await.map_err(Fault::of)?.config;
        let mut warnings = Vec::new();
        let mut differs = |what: &str, has: String, set: String| {
            if has != set {
                warnings.push(format!(
                    "the stream {} has {what} {has}, and the settings say {set}: an existing stream stays as it is, `nats \
                     stream edit` changes it",
                    self.names.events
                ));
            }
        };
        differs("replicas", config.num_replicas.to_string(), self.settings.replicas.to_string());
        differs(
            "max_bytes",
            config.max_bytes.to_string(),
            self.settings.max_bytes.saturating_add(RESERVE).to_string(),
        );
        let max_age = self.settings.max_age.unwrap_or_default();
        differs("max_age", format!("{:?}", config.max_age), format!("{max_age:?}"));
        if config.storage != StorageType::File {
            warnings
                .push("the stream is kept in memory only: what waits is lost with its servers".to_owned());
        }
        if config.discard != DiscardPolicy::New {
            warnings.push(
                "the stream throws old events away when it is full: set its discard policy to new".to_owned(),
            );
        }
        Ok(warnings)
    }
}

/// The messages of a batch, as far as they are there.
async fn collect(mut batch: pull::Batch) -> Result<Vec<(u64, Delivered)>, Fault> {
    let mut come = Vec::new();
    while let Some(message) = batch.next().await {
        match message {
            Ok(message) => come.extend(delivered(message)),
            // What has come has to be handled all the same.
            Err(_) if !come.is_empty() => break,
            Err(err) => return Err(Fault::of(err)),
        }
    }
    Ok(come)
}

fn delivered(message: Message) -> Option<(u64, Delivered)> {
    let info = message.info().ok()?;
    let (sequence, deliveries) = (info.stream_sequence, info.delivered);
    // Numbers are given out twice by servers of version 2.9 that were killed.
    let place = format!("{sequence}@{}", info.published.unix_timestamp_nanos());
    let handle = message.reply.as_ref()?.to_string();
    let payload = message.message.payload;
    Some((sequence, Delivered { place, handle, payload, is_again: deliveries > 1 }))
}

/// A message that was asked for, where there is one.
fn there(message: Result<StreamMessage, RawMessageError>) -> Result<Option<StreamMessage>, Fault> {
    match message {
        Ok(message) => Ok(Some(message)),
        Err(err) if err.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(err) => Err(Fault::of(err)),
    }
}

fn dead(message: StreamMessage) -> Dead {
    let reason = message.headers.get(REASON).map(|value| value.as_str().to_owned());
    Dead { place: message.sequence.to_string(), reason: reason.unwrap_or_default(), payload: message.payload }
}

fn fault(err: &PublishError) -> Fault {
    if err.kind() == PublishErrorKind::MaxPayloadExceeded {
        return Fault::TooLarge;
    }
    let of_server = err.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match of_server.map(jetstream::Error::error_code) {
        Some(ErrorCode::STREAM_STORE_FAILED | ErrorCode::INSUFFICIENT_RESOURCES) => Fault::Full,
        Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM) => Fault::TooLarge,
        _ => Fault::Unavailable(of_server.map_or_else(|| err.to_string(), ToString::to_string)),
    }
}
