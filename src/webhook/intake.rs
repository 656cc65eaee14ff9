//! The way of a delivery from a request to the context of an execution, whatever transport has brought it: checks of
//! its head, its length, checks of its body, what the body says, the context.

use super::admission::{Stage, Stop};
use super::body;
use super::body::coding::{self, Bounds};
use super::challenge::Greeting;
use super::context::{self, Incoming};
use super::head::{Facts, Head};
use super::json_path::Search;
use super::memory::Share;
use super::refusal::Refusal;
use super::reply::Reply;
use super::trigger::Trigger;
use crate::expr::{Value, json};

/// Bodies above this are not read on a thread that others wait for.
const SMALL_BODY: usize = 64 << 10;

/// A request for a webhook.
#[derive(Clone, Copy, Debug)]
pub struct Intake<'a> {
    pub trigger: &'a Trigger,
    pub head: &'a Head,
    pub facts: &'a Facts,
    /// The longest body of any webhook, in bytes.
    pub body_limit: usize,
}

/// Says that a request has passed all checks.
#[derive(Debug)]
pub struct Admitted(());

/// What a request comes to that was admitted.
#[derive(Debug)]
pub enum Read {
    /// An event, with the context of its execution.
    Event {
        context: Value,
        /// By what its deliveries are known.
        delivery_id: Option<String>,
        /// What its sender has to hear once it was taken, in place of a successful answer.
        acknowledgement: Option<Greeting>,
    },
    /// It is answered and leaves no execution.
    Answer {
        reply: Reply,
        /// For the log: what its filter has thrown.
        thrown: Option<String>,
    },
}

/// A body that has arrived, and what reading it may take.
pub struct Delivery<'a> {
    pub admitted: Admitted,
    pub bytes: &'a [u8],
    /// The parameters of a custom path, an object.
    pub params: Value,
    /// The memory that the request holds.
    pub share: &'a Share,
    /// Asked now and then whether it has taken too long.
    pub is_late: &'a dyn Fn() -> bool,
}

impl Intake<'_> {
    /// Decides by what comes before the body, from that check on: 0, or where a [`Stop`] says.
    pub fn admit_head(&self, from: usize) -> Result<(), Stop> {
        let fault = self.trigger.unusable().or_else(|| {
            // A check that refuses everybody is not to be passed over.
            self.trigger.faults().next().filter(|_| self.facts.is_replay)
        });
        if let Some(fault) = fault {
            return Err(Refusal::misconfigured().because(&fault.text).into());
        }
        self.trigger.admission.admit(Stage::Head, from, self.head, None, self.facts)?;
        let length = self.head.header("content-length").filter(|_| self.has_body());
        let length = length.and_then(|length| length.parse::<usize>().ok());
        Ok(self.check_length(length.unwrap_or_default())?)
    }

    /// Decides by the whole request, once [`Intake::admit_head`] has let it in.
    pub fn admit_body(&self, from: usize, bytes: &[u8]) -> Result<Admitted, Stop> {
        self.trigger.admission.admit(Stage::Body, from, self.head, Some(bytes), self.facts)?;
        Ok(Admitted(()))
    }

    /// Whether there is a body to be read. What comes with a GET or a HEAD means nothing (RFC 9110, section 9.3.1).
    pub fn has_body(&self) -> bool {
        !matches!(self.head.method.as_str(), "GET" | "HEAD")
    }

    /// Refuses a body of so many bytes when that is too long.
    pub fn check_length(&self, length: usize) -> Result<(), Refusal> {
        let limit = self.limit();
        if length > limit { Err(Refusal::too_large(limit)) } else { Ok(()) }
    }

    /// The longest body of this webhook, in bytes.
    fn limit(&self) -> usize {
        self.trigger.admission.body_limit().map_or(self.body_limit, |own| own.min(self.body_limit))
    }

    /// Whether [`Intake::read`] may take so long that other requests must not wait for it. What a compressed body comes
    /// to is not known before.
    pub fn is_heavy(&self, length: usize) -> bool {
        let is_packed = length > 0 && self.head.header("content-encoding").is_some();
        is_packed || length > SMALL_BODY || self.trigger.json_paths().any(|path| !path.is_singular())
    }

    /// Makes the context of an execution from a request that was admitted. The checks see the body as it came over the
    /// wire, which is what senders sign.
    pub fn read(&self, delivery: Delivery<'_>) -> Result<Read, Refusal> {
        let Delivery { admitted: Admitted(()), bytes: received, params, share, is_late } = delivery;
        let received = if self.has_body() { received } else { &[] };
        let opened = self.trigger.admission.open(self.head, received, self.facts)?;
        share.grow(opened.as_ref().map_or(0, Vec::len)).map_err(Refusal::out_of_memory)?;
        let received = opened.as_deref().unwrap_or(received);
        let codings = coding::codings(&self.head.joined_header("content-encoding").unwrap_or_default())?;
        let bytes = coding::unpack(&codings, received, &Bounds { limit: self.limit(), share, is_late })?;
        let (content_type, options) = (self.head.header("content-type"), &self.trigger.body);
        let body = body::parse(content_type, &bytes, options, share)?;
        let raw =
            if options.is_kept_raw { body::raw(content_type, &bytes, share)? } else { Value::Undefined };
        drop(bytes);
        // The id of a recorded request is recorded, too, and may stand where it is withheld.
        let idempotency = self.trigger.idempotency.as_ref().filter(|_| !self.facts.is_replay);
        let id = idempotency.map(|idempotency| idempotency.id_of(self.head, received, &body));
        let incoming = Incoming { head: self.head, body, raw, params };
        let context = context::build(self.trigger, incoming, &Search::new(is_late)).map_err(|_| {
            Refusal::bad_request("A JSONPath of this webhook finds too much in this request.")
        })?;
        // Of a body from which items are picked the rest is gone now.
        share.shrink_to(json::weight(&context));
        let challenge = self.trigger.challenge.as_ref();
        let acknowledgement = challenge.map(|challenge| challenge.acknowledgement(self.facts)).transpose()?;
        let acknowledgement = acknowledgement.flatten();
        let filter = self.trigger.filter.as_ref();
        let filtered = filter.map(|filter| filter.answer(&context, &self.facts.env, share)).transpose()?;
        match filtered.flatten() {
            Some((reply, thrown)) => Ok(Read::Answer { reply: reply.acknowledging(acknowledgement), thrown }),
            None => Ok(Read::Event { context, delivery_id: id.transpose()?.flatten(), acknowledgement }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::webhook::memory::Memory;

    fn entries(value: &Value, member: &str) -> Vec<Value> {
        value.member(member).as_array().map(|array| array.items().to_vec()).unwrap_or_default()
    }

    fn text(value: &Value) -> String {
        value.as_str().unwrap_or_default().to_owned()
    }

    fn head_of(request: &Value) -> Head {
        let header = |pair: Value| {
            let pair = pair.as_array().expect("a name and a value").items().to_vec();
            (text(&pair[0]).to_lowercase(), text(&pair[1]))
        };
        Head {
            method: request.member("method").as_str().unwrap_or("POST").to_owned(),
            path: "/api/webhooks/key".to_owned(),
            headers: entries(request, "headers").into_iter().map(header).collect(),
            query: text(&request.member("query")),
        }
    }

    fn bytes_of(body: &Value) -> Vec<u8> {
        match body.member("base64").as_str() {
            Some(encoded) => STANDARD.decode(encoded).expect("base64"),
            None => text(body).into_bytes(),
        }
    }

    fn refusal(stop: Stop) -> Refusal {
        match stop {
            Stop::Refused(refusal) => refusal,
            Stop::Needs { wanted, .. } => panic!("a case that needs files: {wanted:?}"),
        }
    }

    /// What a request comes to.
    fn outcome(case: &Value) -> Result<Value, Refusal> {
        let request = case.member("request");
        let (trigger, head) = (Trigger::parse(&case.member("trigger")), head_of(&request));
        let body_limit = case.member("bodyLimit").as_number().map_or(1 << 20, |limit| limit as usize);
        let facts = Facts {
            now: case.member("now").as_number().unwrap_or_default(),
            peer: case.member("peer").as_str().and_then(|peer| peer.parse().ok()),
            env: case.member("env").as_object().cloned().unwrap_or_default().into(),
            ..Facts::default()
        };
        let intake = Intake { trigger: &trigger, head: &head, facts: &facts, body_limit };
        intake.admit_head(0).map_err(refusal)?;
        let bytes = bytes_of(&request.member("body"));
        if intake.has_body() {
            intake.check_length(bytes.len())?;
        }
        let admitted = intake.admit_body(0, &bytes).map_err(refusal)?;
        let params = Value::Object(std::sync::Arc::default());
        let share = Memory::new(256 << 20).share();
        let delivery = Delivery { admitted, bytes: &bytes, params, share: &share, is_late: &|| false };
        Ok(match intake.read(delivery)? {
            Read::Event { context, .. } => context,
            Read::Answer { reply, .. } => answered(&Value::Number(reply.status.into())),
        })
    }

    fn answered(status: &Value) -> Value {
        Value::object([("answered", status.clone())])
    }

    /// As far as the case says something of it.
    fn refused(refusal: &Refusal, expected: &Value) -> bool {
        let is_told = |(name, value): (&str, &Value)| {
            let mut headers = refusal.headers.iter();
            headers.any(|(known, told)| known.eq_ignore_ascii_case(name) && Some(&**told) == value.as_str())
        };
        let (message, headers) = (expected.member("message"), expected.member("headers"));
        expected.member("status").as_number() == Some(refusal.status.into())
            && (message.is_undefined() || message.as_str() == Some(&refusal.message))
            && headers.as_object().is_none_or(|headers| headers.iter().all(|(k, v)| is_told((k, v))))
    }

    /// The cases that NocoBase's plugin is tested with, too.
    #[test]
    fn requests_come_to_what_the_cases_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhook");
        let mut count = 0;
        for entry in fs::read_dir(folder).expect("the folder of cases") {
            let file = fs::read(entry.expect("an entry").path()).expect("a file of cases");
            for case in entries(&json::parse(&file).expect("cases as JSON"), "cases") {
                let name = text(&case.member("name"));
                let (context, refusal) = (case.member("context"), case.member("refusal"));
                match outcome(&case) {
                    // As texts, because the order of keys counts.
                    Ok(found) => {
                        let status = case.member("answered");
                        let expected = if status.is_undefined() { context } else { answered(&status) };
                        assert_eq!(json::stringify(&found), json::stringify(&expected), "{name}");
                    }
                    Err(found) => assert!(refused(&found, &refusal), "{name}: {found:?}"),
                }
                count += 1;
            }
        }
        assert!(count > 150, "{count} cases");
    }

    #[test]
    fn a_request_keeps_the_memory_of_its_context_only() {
        let trigger = json::parse(br#"{"request":{"body":[{"key":"id"}]}}"#).expect("JSON in a test");
        let (trigger, memory) = (Trigger::parse(&trigger), Memory::new(16 << 20));
        let (head, share) = (Head::default(), memory.share());
        let intake = Intake { trigger: &trigger, head: &head, facts: &Facts::default(), body_limit: 1 << 20 };
        let body = format!(r#"{{"id":1,"rest":[{}0]}}"#, "0,".repeat(10_000));
        let params = Value::Undefined;
        let (admitted, bytes) = (Admitted(()), body.as_bytes());
        let read = intake.read(Delivery { admitted, bytes, params, share: &share, is_late: &|| false });
        let Ok(Read::Event { context, .. }) = read else { panic!("it is no event: {read:?}") };
        assert_eq!(context.member("body").member("id").as_number(), Some(1.0));
        assert!((1..1000).contains(&memory.used()), "{}", memory.used());
    }

    #[test]
    fn large_bodies_and_searches_are_heavy() {
        let is_heavy = |config: &str, length: usize| {
            let trigger = Trigger::parse(&json::parse(config.as_bytes()).expect("JSON in a test"));
            let (head, facts) = (Head::default(), Facts::default());
            Intake { trigger: &trigger, head: &head, facts: &facts, body_limit: 1 << 20 }.is_heavy(length)
        };
        assert!(!is_heavy("{}", 64 << 10) && is_heavy("{}", (64 << 10) + 1));
        assert!(!is_heavy(r#"{"request":{"body":[{"key":"$.a[0]"}]}}"#, 1));
        assert!(is_heavy(r#"{"request":{"body":[{"key":"$.a[*]"}]}}"#, 1));
    }
}
