//! The queue in front of the database.

use std::time::Duration;

use url::Url;

use super::reader::Reader;
use super::secret::Secret;

/// What can be in front of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    Nats,
    Redis,
}

#[derive(Clone, Debug)]
pub struct Queue {
    /// `SIDEHOOK_QUEUE_URL`: the servers, between commas. Without it events go into the database at once.
    pub servers: Option<(QueueKind, Vec<Secret>)>,
    /// `SIDEHOOK_QUEUE_NAME`: what streams and keys are called, or begin with.
    pub name: String,
    /// `SIDEHOOK_QUEUE_REPLICAS`: how many servers have an event before it is acknowledged. For JetStream it is the
    /// stream's own number of replicas.
    pub replicas: usize,
    /// `SIDEHOOK_QUEUE_MAX_BYTES`: how much may wait.
    pub max_bytes: usize,
    /// `SIDEHOOK_QUEUE_MAX_AGE`: events that have waited for longer are thrown away; none are without it. JetStream's
    /// only.
    pub max_age: Option<Duration>,
}

impl Queue {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let name =
            reader.with("SIDEHOOK_QUEUE_NAME", "letters, digits, - and _, at most 32 of them", |text| {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
                (text.len() <= 32 && text.chars().all(is_part)).then(|| text.to_owned())
            });
        let servers = servers(reader);
        let max_age = reader.duration("SIDEHOOK_QUEUE_MAX_AGE", Duration::ZERO);
        let is_redis = servers.as_ref().is_some_and(|(kind, _)| *kind == QueueKind::Redis);
        if is_redis && !max_age.is_zero() {
            reader.fault_text(
                "SIDEHOOK_QUEUE_MAX_AGE is for NATS only: nothing in Redis Streams ages; leave it out",
            );
        }
        Self {
            servers,
            name: name.unwrap_or_else(|| "sidehook".to_owned()),
            replicas: reader.number("SIDEHOOK_QUEUE_REPLICAS", 1..=5).unwrap_or(1),
            max_bytes: reader.size("SIDEHOOK_QUEUE_MAX_BYTES", 1 << 30),
            max_age: Some(max_age).filter(|age| !age.is_zero()),
        }
    }
}

fn servers(reader: &mut Reader) -> Option<(QueueKind, Vec<Secret>)> {
    const NAME: &str = "SIDEHOOK_QUEUE_URL";
    let text = reader.secret(NAME)?;
    let parts = text.reveal().split(',').map(str::trim).filter(|part| !part.is_empty());
    let urls: Option<Vec<Url>> = parts.map(|part| Url::parse(part).ok().filter(Url::has_host)).collect();
    let urls = urls.filter(|urls| !urls.is_empty());
    let kind = |url: &Url| match url.scheme() {
        "nats" | "tls" => Some(QueueKind::Nats),
        "redis" | "rediss" => Some(QueueKind::Redis),
        _ => None,
    };
    let kind = urls.as_ref().and_then(|urls| {
        let first = kind(&urls[0])?;
        urls.iter().all(|url| kind(url) == Some(first)).then_some(first)
    });
    let Some((kind, urls)) = kind.zip(urls) else {
        reader.fault(NAME, "URLs of nats, tls, redis or rediss, such as nats://user:password@queue:4222");
        return None;
    };
    let is_built = match kind {
        QueueKind::Nats => cfg!(feature = "nats"),
        QueueKind::Redis => cfg!(feature = "redis"),
    };
    if !is_built {
        reader.fault_text(format!("{NAME} names a kind of queue that this sidehook was built without"));
    }
    Some((kind, urls.into_iter().map(|url| Secret::new(url.as_str())).collect()))
}

// Settings of a queue that is not built are refused.
#[cfg(all(test, feature = "nats", feature = "redis"))]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn load(settings: &[(&str, &str)]) -> Result<Queue, String> {
        let pairs = settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let database = ("SIDEHOOK_DATABASE_URL".to_owned(), "sqlite:///tmp/x".to_owned());
        let environment = pairs.chain([database]).collect();
        let config = Config::load(&Sources { file: None, environment });
        config.map(|config| config.queue).map_err(|faults| faults.to_string())
    }

    #[test]
    fn servers_are_of_one_kind() {
        let kind = |url| load(&[("SIDEHOOK_QUEUE_URL", url)]).map(|queue| queue.servers);
        let (kind_of_nats, servers) =
            kind("nats://u:hunter2@a:4222, tls://b").expect("good").expect("servers");
        assert_eq!((kind_of_nats, servers.len()), (QueueKind::Nats, 2));
        assert!(
            kind("rediss://c").is_ok_and(|servers| servers.is_some_and(|(kind, _)| kind == QueueKind::Redis))
        );
        for wrong in ["nats://a,redis://b", "amqp://hunter2", "nats", ","] {
            let faults = kind(wrong).expect_err("bad settings");
            assert!(faults.contains("SIDEHOOK_QUEUE_URL") && !faults.contains("hunter2"), "{faults}");
        }
        assert!(load(&[]).expect("good settings").servers.is_none());
    }

    #[test]
    fn nothing_ages_in_redis() {
        let age = ("SIDEHOOK_QUEUE_MAX_AGE", "1d");
        assert!(load(&[("SIDEHOOK_QUEUE_URL", "nats://a"), age]).is_ok());
        assert!(load(&[("SIDEHOOK_QUEUE_URL", "redis://a"), age]).is_err());
    }
}
