//! The way of a delivery from a request to the context of an execution, whatever transport has brought it: checks of
//! its head, its length, checks of its body, what the body says, the context.

use super::admission::{Credential, Stage, Stop};
use super::body;
use super::body::coding::{self, Bounds};
use super::body::qs;
use super::challenge::Greeting;
use super::head::{Facts, Head};
use super::json_path::{Exceeded, Search};
use super::memory::Share;
use super::refusal::Refusal;
use super::reply::Reply;
use super::trigger::{HeaderItem, Item, Place, Trigger};
use super::whole;
use super::withheld::is_credential;
use crate::expr::{Object, Value, json};

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
        let context = context_of(self.trigger, incoming, &Search::new(is_late)).map_err(|_| {
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

/// A request whose body has been read.
struct Incoming<'a> {
    head: &'a Head,
    /// Undefined when there was none.
    body: Value,
    /// The body as it was sent, where it is wanted.
    raw: Value,
    /// The parameters of a custom path, an object.
    params: Value,
}

/// The context that is recorded with the execution.
///
/// Picked: `{headers, query, body}`, each an object of the configured items under their names. An item that
/// finds nothing is left out. A JSONPath that can find several values gives an array, empty when it finds
/// none.
///
/// Whole, see [`Trigger::has_full_context`]: `{headers, query, body, data, params}`, where `headers` are all
/// headers and `query` is the whole query string, both without what is or proves a secret (`withheld.rs`),
/// and `data` is the whole body. Configured items stand beside them; `body` holds these only, and is absent
/// without a `request`.
///
/// Parameters of a custom path are part of either, and `rawBody` where it is configured.
///
/// Fails when the JSONPaths take too many steps.
fn context_of(trigger: &Trigger, incoming: Incoming<'_>, search: &Search<'_>) -> Result<Value, Exceeded> {
    let Incoming { head, body, raw, params } = incoming;
    let whole = trigger.has_full_context();
    let query = qs::parse_query(&head.query);
    let mut headers = if whole { whole::headers(trigger, head) } else { Object::new() };
    let mut queries = if whole { whole::query(trigger, head, &query) } else { Object::new() };
    let mut picked = None;
    if let Some(request) = &trigger.request {
        let secret: Vec<Credential<'_>> = trigger.admission.credentials().collect();
        pick_headers(&mut headers, &request.headers, head, &secret);
        pick(&mut queries, &request.query, &query, search)?;
        pick(picked.get_or_insert_default(), &request.body, &body, search)?;
    }
    let parts = [("headers", Some(headers)), ("query", Some(queries)), ("body", picked)];
    let mut context: Object =
        parts.into_iter().filter_map(|(name, part)| Some((name, Value::from(part?)))).collect();
    if whole {
        insert_found(&mut context, "data", body);
    }
    if whole || params.as_object().is_some_and(|params| !params.is_empty()) {
        insert_found(&mut context, "params", params);
    }
    insert_found(&mut context, "rawBody", raw);
    Ok(Value::from(context))
}

/// What lets senders of this webhook in is not even picked.
fn pick_headers(picked: &mut Object, items: &[HeaderItem], head: &Head, secret: &[Credential<'_>]) {
    let is_secret = |header: &str| is_credential(header) || secret.contains(&Credential::Header(header));
    for item in items.iter().filter(|item| !is_secret(&item.header)) {
        insert_found(picked, &item.name, header(head, &item.header));
    }
}

fn header(head: &Head, name: &str) -> Value {
    head.joined_header(name).map_or(Value::Undefined, Value::from)
}

fn pick(picked: &mut Object, items: &[Item], source: &Value, search: &Search<'_>) -> Result<(), Exceeded> {
    for item in items {
        let found = match &item.place {
            Place::Path(path) => path.get(source),
            Place::JsonPath(_) if source.is_undefined() => Value::Undefined,
            Place::JsonPath(path) => path.find(source, search)?,
        };
        insert_found(picked, &item.name, found);
    }
    Ok(())
}

/// Sets a member, unless nothing was found: a path can also lead to an inherited method (`list.map`).
fn insert_found(object: &mut Object, name: &str, found: Value) {
    if !matches!(found, Value::Undefined | Value::Function(_)) {
        object.insert(name, found);
    }
}

#[cfg(test)]
mod tests;
