//! An event as it is stored in a queue: a line of JSON that says what it is for, and the context of its execution as it
//! is recorded.

use bytes::Bytes;
use entity::request;
use serde::{Deserialize, Serialize};

/// What this version writes. A reader takes no other.
const FORMAT: u32 = 1;

/// An event that waits for its execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    format: u32,
    /// The key of its workflow.
    pub workflow: String,
    /// `executions.eventKey`.
    pub event_key: String,
    /// When it was let in, in milliseconds since 1970.
    pub at: i64,
    /// Set when several deliveries of it are one event: what was known of the earlier ones.
    pub seen: Option<Seen>,
    /// After so many milliseconds a delivery with the same key is another event.
    pub ttl: Option<u64>,
    /// What the request log is to say of the request that has brought it; without an id where there were none.
    pub request: Option<request::Model>,
    /// JSON.
    #[serde(skip)]
    pub context: String,
}

/// What the database knew of earlier deliveries when an event was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    Nothing,
    /// This execution, which gives way to another one.
    Past(i64),
    /// It did not answer.
    Unknown,
}

impl Event {
    pub fn new(workflow: &str, event_key: &str, at: i64, context: String) -> Self {
        Self {
            format: FORMAT,
            workflow: workflow.to_owned(),
            event_key: event_key.to_owned(),
            at,
            seen: None,
            ttl: None,
            request: None,
            context,
        }
    }

    /// An id by which a queue tells it apart for a while. A delivery that follows one that has failed is another event.
    pub fn id(&self) -> String {
        match self.seen {
            Some(Seen::Past(earlier)) => format!("{}#{earlier}", self.event_key),
            _ => self.event_key.clone(),
        }
    }

    pub fn encode(&self) -> Result<Bytes, String> {
        let mut bytes = serde_json::to_vec(self).map_err(|err| err.to_string())?;
        bytes.reserve_exact(self.context.len() + 1);
        bytes.push(b'\n');
        bytes.extend_from_slice(self.context.as_bytes());
        Ok(bytes.into())
    }

    /// An error says what is wrong with it, and nothing of what is in it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
        let event: Self = serde_json::from_slice(&bytes[..end])
            .map_err(|err| format!("its first line cannot be read ({:?})", err.classify()))?;
        if event.format != FORMAT {
            return Err(format!("its format {} is that of another version of sidehook", event.format));
        }
        let context = std::str::from_utf8(&bytes[end + 1..]).map_err(|_| "its context is no text")?;
        Ok(Self { context: context.to_owned(), ..event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_out_as_it_went_in() {
        let mut event = Event::new("k", "sh:1", 5, r#"{"a":"b\nc"}"#.to_owned());
        event.request = Some(request::Model { path: "/a\nb".to_owned(), ..request::Model::default() });
        (event.seen, event.ttl) = (Some(Seen::Past(7)), Some(60_000));
        assert_eq!(Event::decode(&event.encode().expect("written")).as_ref(), Ok(&event));
        assert_eq!(event.id(), "sh:1#7");
        assert_eq!(Event { seen: Some(Seen::Nothing), ..event }.id(), "sh:1");
    }

    #[test]
    fn what_is_no_event_is_told_without_its_content() {
        for wrong in ["hunter2", "{\"hunter2\":1}\n{}", ""] {
            let reason = Event::decode(wrong.as_bytes()).expect_err("no event");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
        let later = Event { format: 2, ..Event::new("k", "e", 0, "{}".to_owned()) };
        assert!(
            Event::decode(&later.encode().expect("written")).is_err_and(|reason| reason.contains("version"))
        );
    }
}
