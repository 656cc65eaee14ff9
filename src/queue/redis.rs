//! Redis Streams, in servers from 6.2 on: a stream of events that are removed once they are settled, one for those that
//! were put aside, and a key that expires for the reader's lease. What a stream has no bound for, its bytes, is counted
//! beside it. What has to happen as one is a script.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamAutoClaimReply, StreamId, StreamRangeReply, StreamReadReply};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, TlsCertificates, cmd, pipe};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::sleep;

use super::{DUPLICATE_WINDOW, Dead, Delivered, Depth, Fault, LEASE, Lead, PATIENCE, Queue, Stored};
use crate::config::{self, Secret};

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long [`Queue::next`] waits where there is nothing.
const WAIT: Duration = Duration::from_secs(1);
/// The longest event; Redis itself takes 512 MB.
const LONGEST: usize = 8 << 20;

/// The only group of the stream, and its only consumer.
const READERS: &str = "readers";
const READER: &str = "reader";

/// 0 for an event that was stored, 1 where it had been before, 2 where it does not fit.
const STORE: &str = r"
if redis.call('EXISTS', KEYS[3]) == 1 then return 1 end
if tonumber(redis.call('GET', KEYS[2]) or '0') + #ARGV[1] > tonumber(ARGV[2]) then return 2 end
redis.call('XADD', KEYS[1], '*', 'event', ARGV[1])
redis.call('INCRBY', KEYS[2], #ARGV[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
return 0";

/// Removes events, each an id with its bytes.
const SETTLE: &str = r"
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then redis.call('DECRBY', KEYS[2], ARGV[i + 1]) end
end
return 0";

/// Moves an event to those that were put aside.
const BURY: &str = r"
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if redis.call('XDEL', KEYS[1], ARGV[2]) == 1 then
  redis.call('DECRBY', KEYS[2], #ARGV[3])
  redis.call('XADD', KEYS[3], '*', 'event', ARGV[3], 'reason', ARGV[4])
end
return 0";

/// Takes the lease, or makes it longer.
const LEAD: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if holder then return 1 end
return 2";

const RESIGN: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0";

pub(super) struct Redis {
    servers: Vec<Client>,
    /// For all that does not wait.
    quick: Mutex<Option<MultiplexedConnection>>,
    /// For what waits for events.
    waiting: Mutex<Option<MultiplexedConnection>>,
    /// From where on what was given out before is to be given out again.
    recovers_from: Mutex<Option<String>>,
    made: OnceCell<()>,
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
        let client = |url: &Secret| {
            let root_cert = (!certificates.is_empty()).then(|| pem(certificates));
            match url.reveal().starts_with("rediss:") {
                true => Client::build_with_tls(url.reveal(), TlsCertificates { client_tls: None, root_cert }),
                false => Client::open(url.reveal()),
            }
        };
        let key = |part: &str| format!("{{{name}}}:{part}");
        Ok(Self {
            servers: servers.iter().map(client).collect::<Result<_, _>>()?,
            quick: Mutex::default(),
            waiting: Mutex::default(),
            recovers_from: Mutex::default(),
            made: OnceCell::new(),
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

    /// A connection to the first server that takes writes.
    async fn connect(&self) -> Result<MultiplexedConnection, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(WAIT + TIMEOUT));
        let mut last = Fault::Unavailable("there are replicas only".to_owned());
        for server in &self.servers {
            let opened = server.get_multiplexed_async_connection_with_config(&config).await;
            let role = match opened {
                Ok(mut opened) => {
                    let replication: Result<String, _> =
                        cmd("INFO").arg("replication").query_async(&mut opened).await;
                    replication.map(|text| (opened, text))
                }
                Err(err) => Err(err),
            };
            match role {
                Ok((opened, text)) if text.contains("role:master") => return Ok(opened),
                Ok(_) => {}
                Err(err) => last = Fault::of(err),
            }
        }
        Err(last)
    }

    /// Asks over one of the connections, which is opened anew after something has failed.
    async fn ask<T: FromRedisValue>(
        &self,
        connection: &Mutex<Option<MultiplexedConnection>>,
        command: &Cmd,
    ) -> Result<T, Fault> {
        let mut open = self.opened(connection).await?;
        match command.query_async(&mut open).await {
            Ok(answer) => Ok(answer),
            Err(err) => Err(self.failed(connection, &err).await),
        }
    }

    async fn opened(
        &self,
        connection: &Mutex<Option<MultiplexedConnection>>,
    ) -> Result<MultiplexedConnection, Fault> {
        let mut known = connection.lock().await;
        match &*known {
            Some(open) => Ok(open.clone()),
            None => Ok(known.insert(self.connect().await?).clone()),
        }
    }

    async fn failed(&self, connection: &Mutex<Option<MultiplexedConnection>>, err: &RedisError) -> Fault {
        if err.code() == Some("OOM") {
            return Fault::Full;
        }
        *connection.lock().await = None;
        Fault::of(err)
    }

    /// One attempt at storing: what [`STORE`] says, once enough replicas have it.
    async fn attempt(&self, id: &str, payload: &Bytes) -> Result<i64, Fault> {
        let Keys { events, bytes, id: prefix, .. } = &self.keys;
        let mut script = cmd("EVAL");
        script.arg(STORE).arg(3).arg(events).arg(bytes).arg(format!("{prefix}{id}"));
        script.arg(&payload[..]).arg(self.settings.max_bytes).arg(milliseconds(DUPLICATE_WINDOW));
        let replicas = self.settings.replicas - 1;
        if replicas == 0 {
            return self.ask(&self.quick, &script).await;
        }
        let mut wait = cmd("WAIT");
        wait.arg(replicas).arg(milliseconds(TIMEOUT));
        let mut open = self.opened(&self.quick).await?;
        let both = pipe().add_command(script).add_command(wait).query_async(&mut open).await;
        let (stored, having): (i64, usize) = match both {
            Ok(both) => both,
            Err(err) => return Err(self.failed(&self.quick, &err).await),
        };
        if stored != 2 && having < replicas {
            return Err(Fault::Unavailable(format!("{having} of {replicas} replicas have the event")));
        }
        Ok(stored)
    }

    /// Refuses a server that loses what it has acknowledged when it is killed.
    async fn look(&self) -> Result<(), Fault> {
        let told: String = self.ask(&self.quick, cmd("INFO").arg("persistence")).await?;
        if !told.contains("aof_enabled:1") {
            return Err(Fault::Unavailable(
                "this Redis loses what it has acknowledged when it is killed: set `appendonly yes` there, and \
                 `appendfsync always` where its machine may lose power"
                    .to_owned(),
            ));
        }
        let mut group = cmd("XGROUP");
        group.arg("CREATE").arg(&self.keys.events).arg(READERS).arg("0").arg("MKSTREAM");
        let mut open = self.opened(&self.quick).await?;
        match group.query_async::<()>(&mut open).await {
            Err(err) if err.code() != Some("BUSYGROUP") => Err(self.failed(&self.quick, &err).await),
            _ => Ok(()),
        }
    }

    fn is_made(&self) -> Result<(), Fault> {
        let unmade = || Fault::Unavailable("it has not been looked at yet".to_owned());
        self.made.get().copied().ok_or_else(unmade)
    }

    /// What has been given out before, to whomever.
    async fn given_out(&self, from: &str, most: usize) -> Result<Vec<Delivered>, Fault> {
        let mut command = cmd("XAUTOCLAIM");
        command.arg(&self.keys.events).arg(READERS).arg(READER).arg(0).arg(from).arg("COUNT").arg(most);
        let claimed: StreamAutoClaimReply = self.ask(&self.quick, &command).await?;
        let next = Some(claimed.next_stream_id).filter(|next| next != "0-0");
        *self.recovers_from.lock().await = next;
        Ok(claimed.claimed.into_iter().filter_map(|entry| delivered(&entry, true)).collect())
    }
}

#[async_trait]
impl Queue for Redis {
    async fn set_up(&self) -> Result<(), Fault> {
        self.made.get_or_try_init(|| self.look()).await.copied()
    }

    fn longest(&self) -> usize {
        LONGEST
    }

    async fn store(&self, id: &str, payload: Bytes) -> Result<Stored, Fault> {
        if payload.len() > LONGEST {
            return Err(Fault::TooLarge);
        }
        self.is_made()?;
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
        self.is_made()?;
        let mut script = cmd("EVAL");
        script.arg(LEAD).arg(1).arg(&self.keys.reader).arg(reader).arg(milliseconds(LEASE));
        let taken: i64 = self.ask(&self.quick, &script).await?;
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
        let _ = self.ask::<i64>(&self.quick, &script).await;
    }

    async fn next(&self, most: usize) -> Result<Vec<Delivered>, Fault> {
        let from = self.recovers_from.lock().await.clone();
        if let Some(from) = from {
            return self.given_out(&from, most).await;
        }
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(READERS).arg(READER).arg("COUNT").arg(most);
        command.arg("BLOCK").arg(milliseconds(WAIT)).arg("STREAMS").arg(&self.keys.events).arg(">");
        let read: Result<Option<StreamReadReply>, Fault> = self.ask(&self.waiting, &command).await;
        if read.is_err() {
            // The events may have been given out, with only the answer lost.
            *self.recovers_from.lock().await = Some("0-0".to_owned());
        }
        let entries = read?.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        Ok(entries.filter_map(|entry| delivered(&entry, false)).collect())
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
        self.ask::<i64>(&self.quick, &script).await.map(drop)
    }

    async fn bury(&self, event: &Delivered, reason: &str) -> Result<(), Fault> {
        let Keys { events, bytes, dead, .. } = &self.keys;
        let mut script = cmd("EVAL");
        script.arg(BURY).arg(3).arg(events).arg(bytes).arg(dead);
        script.arg(READERS).arg(&event.place).arg(&event.payload[..]).arg(reason);
        self.ask::<i64>(&self.quick, &script).await.map(drop)
    }

    async fn depth(&self) -> Result<Depth, Fault> {
        let Keys { events, bytes, dead, .. } = &self.keys;
        let bytes: Option<i64> = self.ask(&self.quick, cmd("GET").arg(bytes)).await?;
        Ok(Depth {
            events: self.ask(&self.quick, cmd("XLEN").arg(events)).await?,
            bytes: u64::try_from(bytes.unwrap_or_default()).unwrap_or_default(),
            dead: self.ask(&self.quick, cmd("XLEN").arg(dead)).await?,
        })
    }

    async fn dead(&self, most: usize) -> Result<Vec<Dead>, Fault> {
        let mut command = cmd("XRANGE");
        command.arg(&self.keys.dead).arg("-").arg("+").arg("COUNT").arg(most);
        let found: StreamRangeReply = self.ask(&self.quick, &command).await?;
        let dead = found.ids.into_iter().map(|entry| Dead {
            reason: entry.get("reason").unwrap_or_default(),
            payload: payload(&entry).unwrap_or_default(),
            place: entry.id,
        });
        Ok(dead.collect())
    }

    async fn forget(&self, place: &str) -> Result<bool, Fault> {
        let removed: i64 = self.ask(&self.quick, cmd("XDEL").arg(&self.keys.dead).arg(place)).await?;
        Ok(removed > 0)
    }

    async fn warnings(&self) -> Result<Vec<String>, Fault> {
        let mut config = cmd("CONFIG");
        config.arg("GET").arg("maxmemory-policy").arg("appendfsync");
        // Hosted servers may not tell.
        let told: HashMap<String, String> = self.ask(&self.quick, &config).await.unwrap_or_default();
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

/// Certificates as the library takes them.
fn pem(certificates: &[CertificateDer<'static>]) -> Vec<u8> {
    use base64::Engine as _;
    let mut text = String::new();
    let known = certificates.iter().map(|certificate| certificate.as_ref());
    for certificate in known {
        let coded = base64::engine::general_purpose::STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in coded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text.into_bytes()
}
