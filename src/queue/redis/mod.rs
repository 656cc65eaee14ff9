//! Redis Streams, in servers from 6.2 on: a stream of events that are removed once they are settled, one for those that
//! were put aside, and a key that expires for the reader's lease. What a stream has no bound for, its bytes, is counted
//! beside it. What has to happen as one is a script.

mod connection;
mod scripts;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{FromRedisValue, cmd, pipe};
use rustls_pki_types::CertificateDer;
use tokio::sync::Mutex;
use tokio::time::sleep;

use self::connection::{Connection, READERS, Servers, TIMEOUT, WAIT};
use self::scripts::{AGAIN, BURY, LEAD, NEXT, RESIGN, SETTLE, STORE};
use super::{
    BATCH_BYTES, DUPLICATE_WINDOW, Dead, Delivered, Depth, Fault, LEASE, Lead, PATIENCE, Queue, Stored,
};
use crate::config::{self, Secret};

/// Before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest event; Redis itself takes 512 MB.
const LONGEST: usize = 8 << 20;

/// So much is read at a time at least, in bytes, where reading more has failed again and again.
const LEAST_BYTES: usize = 64 << 10;

/// The only consumer of the only group.
const READER: &str = "reader";

pub(super) struct Redis {
    /// For all that does not wait.
    quick: Connection,
    /// For what waits until replicas have it: it holds up all that comes after it.
    storing: Connection,
    /// For what reads events, and waits for them.
    waiting: Connection,
    /// From where on what was given out before is to be given out again.
    recovers_from: Mutex<Option<String>>,
    /// How many bytes are read at a time.
    batch: AtomicUsize,
    keys: Keys,
    settings: config::Queue,
}

/// All of them in one slot of a cluster.
struct Keys {
    events: String,
    bytes: String,
    dead: String,
    reader: String,
    /// What comes before an event's id.
    id: String,
}

impl Redis {
    pub(super) fn open(
        settings: &config::Queue,
        servers: &[Secret],
        name: &str,
        certificates: &[CertificateDer<'static>],
    ) -> anyhow::Result<Self> {
        let key = |part: &str| format!("{{{name}}}:{part}");
        let servers = Servers::new(servers, certificates, &key("events"))?;
        Ok(Self {
            quick: Connection::new(&servers),
            storing: Connection::new(&servers),
            waiting: Connection::new(&servers),
            recovers_from: Mutex::default(),
            batch: AtomicUsize::new(BATCH_BYTES),
            keys: Keys {
                events: key("events"),
                bytes: key("bytes"),
                dead: key("dead"),
                reader: key("reader"),
                id: key("id:"),
            },
            settings: settings.clone(),
        })
    }

    /// One attempt at storing: what [`STORE`] says, once enough replicas have it.
    async fn attempt(&self, id: &str, payload: &Bytes) -> Result<i64, Fault> {
        let Keys { events, bytes, id: prefix, .. } = &self.keys;
        let mut script = cmd("EVAL");
        script.arg(STORE).arg(3).arg(events).arg(bytes).arg(format!("{prefix}{id}"));
        script.arg(&payload[..]).arg(self.settings.max_bytes).arg(milliseconds(DUPLICATE_WINDOW));
        let replicas = self.settings.replicas - 1;
        if replicas == 0 {
            return self.quick.ask(&script).await;
        }
        let mut wait = cmd("WAIT");
        wait.arg(replicas).arg(milliseconds(TIMEOUT));
        let both = self.storing.ask_all(pipe().add_command(script).add_command(wait)).await;
        let (stored, having): (i64, usize) = both?;
        if stored != 2 && having < replicas {
            return Err(Fault::Unavailable(format!("{having} of {replicas} replicas have the event")));
        }
        Ok(stored)
    }

    /// Asks one of the scripts that give events out.
    async fn give_out<T: FromRedisValue>(
        &self,
        script: &str,
        most: usize,
        from: Option<&str>,
    ) -> Result<T, Fault> {
        let bytes = self.batch.load(Ordering::Relaxed);
        let mut command = cmd("EVAL");
        command.arg(script).arg(1).arg(&self.keys.events);
        command.arg(READERS).arg(READER).arg(most).arg(bytes).arg(from);
        let given = self.waiting.ask(&command).await;
        // Over a slow line a batch may take longer than an answer may.
        let next = if given.is_ok() { (bytes * 2).min(BATCH_BYTES) } else { (bytes / 2).max(LEAST_BYTES) };
        self.batch.store(next, Ordering::Relaxed);
        given
    }

    /// What has been given out before, to whomever.
    async fn given_out(&self, from: &str, most: usize) -> Result<Vec<Delivered>, Fault> {
        let (next, found): (String, StreamRangeReply) = self.give_out(AGAIN, most, Some(from)).await?;
        *self.recovers_from.lock().await = Some(next).filter(|next| next != "0-0");
        Ok(found.ids.iter().filter_map(|entry| delivered(entry, true)).collect())
    }

    /// What has not been given out yet, as far as it is there.
    async fn fresh(&self, most: usize) -> Result<Vec<Delivered>, Fault> {
        let found: StreamRangeReply = self.give_out(NEXT, most, None).await?;
        Ok(found.ids.iter().filter_map(|entry| delivered(entry, false)).collect())
    }

    /// What was put aside, from a place to another one.
    async fn put_aside(&self, from: &str, to: &str, most: usize) -> Result<Vec<Dead>, Fault> {
        let mut command = cmd("XRANGE");
        command.arg(&self.keys.dead).arg(from).arg(to).arg("COUNT").arg(most);
        let found: StreamRangeReply = self.quick.ask(&command).await?;
        let dead = found.ids.into_iter().map(|entry| Dead {
            reason: entry.get("reason").unwrap_or_default(),
            payload: payload(&entry).unwrap_or_default(),
            place: entry.id,
        });
        Ok(dead.collect())
    }

    /// The next event, once it is there. Scripts cannot wait.
    async fn awaited(&self) -> Result<Vec<Delivered>, Fault> {
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(READERS).arg(READER).arg("COUNT").arg(1);
        command.arg("BLOCK").arg(milliseconds(WAIT)).arg("STREAMS").arg(&self.keys.events).arg(">");
        let read: Option<StreamReadReply> = self.waiting.ask(&command).await?;
        let entries = read.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        Ok(entries.filter_map(|entry| delivered(&entry, false)).collect())
    }
}

#[async_trait]
impl Queue for Redis {
    async fn set_up(&self) -> Result<(), Fault> {
        self.quick.reach().await
    }

    fn longest(&self) -> usize {
        LONGEST
    }

    async fn store(&self, id: &str, payload: Bytes) -> Result<Stored, Fault> {
        if payload.len() > LONGEST {
            return Err(Fault::TooLarge);
        }
        let (begun, mut is_first) = (Instant::now(), true);
        loop {
            match self.attempt(id, &payload).await {
                Ok(2) => return Err(Fault::Full),
                // An earlier attempt may have been the one that was stored.
                Ok(1) if is_first => return Ok(Stored::Duplicate),
                Ok(_) => return Ok(Stored::New),
                Err(fault) if !matches!(fault, Fault::Unavailable(_)) || begun.elapsed() > PATIENCE => {
                    return Err(fault);
                }
                Err(_) => {}
            }
            is_first = false;
            sleep(PAUSE).await;
        }
    }

    async fn lead(&self, reader: &str) -> Result<Lead, Fault> {
        let mut script = cmd("EVAL");
        script.arg(LEAD).arg(1).arg(&self.keys.reader).arg(reader).arg(milliseconds(LEASE));
        let taken: i64 = self.quick.ask(&script).await?;
        Ok(match taken {
            0 => Lead::Lost,
            1 => Lead::Kept,
            _ => {
                *self.recovers_from.lock().await = Some("0-0".to_owned());
                Lead::Taken
            }
        })
    }

    async fn resign(&self, reader: &str) {
        let mut script = cmd("EVAL");
        script.arg(RESIGN).arg(1).arg(&self.keys.reader).arg(reader);
        let _ = self.quick.ask::<i64>(&script).await;
    }

    async fn next(&self, most: usize) -> Result<Vec<Delivered>, Fault> {
        let from = self.recovers_from.lock().await.clone();
        if let Some(from) = from {
            return self.given_out(&from, most).await;
        }
        let read = match self.fresh(most).await {
            Ok(fresh) if fresh.is_empty() => self.awaited().await,
            read => read,
        };
        if read.is_err() {
            // The events may have been given out, with only the answer lost.
            *self.recovers_from.lock().await = Some("0-0".to_owned());
        }
        read
    }

    async fn hold(&self, _events: &[&Delivered]) -> Result<(), Fault> {
        // They are their reader's as long as it is the reader.
        Ok(())
    }

    async fn settle(&self, events: &[&Delivered]) -> Result<(), Fault> {
        if events.is_empty() {
            return Ok(());
        }
        let mut script = cmd("EVAL");
        script.arg(SETTLE).arg(2).arg(&self.keys.events).arg(&self.keys.bytes).arg(READERS);
        for event in events {
            script.arg(&event.place).arg(event.payload.len());
        }
        self.quick.ask::<i64>(&script).await.map(drop)
    }

    async fn bury(&self, event: &Delivered, reason: &str) -> Result<(), Fault> {
        let Keys { events, bytes, dead, .. } = &self.keys;
        let mut script = cmd("EVAL");
        script.arg(BURY).arg(3).arg(events).arg(bytes).arg(dead);
        script.arg(READERS).arg(&event.place).arg(&event.payload[..]).arg(reason);
        self.quick.ask::<i64>(&script).await.map(drop)
    }

    async fn depth(&self) -> Result<Depth, Fault> {
        let Keys { events, bytes, dead, .. } = &self.keys;
        let bytes: Option<i64> = self.quick.ask(cmd("GET").arg(bytes)).await?;
        let events: u64 = self.quick.ask(cmd("XLEN").arg(events)).await?;
        // Where somebody has removed the stream the count is left.
        let bytes = bytes.filter(|_| events > 0).unwrap_or_default();
        Ok(Depth {
            events,
            bytes: u64::try_from(bytes).unwrap_or_default(),
            dead: self.quick.ask(cmd("XLEN").arg(dead)).await?,
        })
    }

    async fn dead(&self, most: usize) -> Result<Vec<Dead>, Fault> {
        self.put_aside("-", "+", most).await
    }

    async fn dead_at(&self, place: &str) -> Result<Option<Dead>, Fault> {
        // To others the server answers that they are no places, and - and + are all.
        let is_number = |part: &str| part.parse::<u64>().is_ok();
        if !place.split_once('-').is_some_and(|(time, number)| is_number(time) && is_number(number)) {
            return Ok(None);
        }
        Ok(self.put_aside(place, place, 1).await?.pop())
    }

    async fn forget(&self, place: &str) -> Result<bool, Fault> {
        let removed: i64 = self.quick.ask(cmd("XDEL").arg(&self.keys.dead).arg(place)).await?;
        Ok(removed > 0)
    }

    async fn warnings(&self) -> Result<Vec<String>, Fault> {
        let mut config = cmd("CONFIG");
        config.arg("GET").arg("maxmemory-policy").arg("appendfsync");
        // Hosted servers may not tell.
        let told: HashMap<String, String> = self.quick.ask(&config).await.unwrap_or_default();
        let mut warnings = Vec::new();
        if told.get("maxmemory-policy").is_some_and(|policy| policy.starts_with("allkeys")) {
            warnings.push(
                "this Redis throws any key away when its memory is full, the queue as well: set maxmemory-policy to \
                 noeviction"
                    .to_owned(),
            );
        }
        if told.get("appendfsync").is_some_and(|when| when != "always") {
            warnings.push(
                "a Redis whose machine loses power loses what it has acknowledged in the last second or longer: set \
                 appendfsync to always where that matters"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn payload(entry: &StreamId) -> Option<Bytes> {
    entry.get::<Vec<u8>>("event").map(Bytes::from)
}

fn delivered(entry: &StreamId, is_again: bool) -> Option<Delivered> {
    let place = entry.id.clone();
    Some(Delivered { handle: place.clone(), place, payload: payload(entry)?, is_again })
}
