//! A request on its way through the checks of its webhook, with the files that these need, and what is made of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use crate::app::{App, Called, Hook};
use crate::expr::Value;
use crate::webhook::admission::Stop;
use crate::webhook::challenge::Greeting;
use crate::webhook::document::Wanted;
use crate::webhook::head::{Facts, Head};
use crate::webhook::intake::{Delivery, Intake, Read};
use crate::webhook::memory::Share;
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

/// How long the JSONPaths of a trigger may search one request.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How often checks may ask for files, and for how many at a time, before one request is decided: a check needs one
/// or two, and sometimes a newer copy.
const MAX_ROUNDS: usize = 6;
const MAX_FILES: usize = 4;

/// Why a challenge leaves no execution.
pub const CHALLENGE: &str = "It is a challenge.";

/// A request whose webhook is known.
pub struct Arrival {
    pub hook: Arc<Hook>,
    head: Arc<Head>,
    facts: Facts,
    params: Value,
    body_limit: usize,
    /// Set when every check has let it in.
    pub is_admitted: Arc<AtomicBool>,
}

/// What was made of a request.
pub enum Made {
    Event(Accepted),
    /// It is answered and leaves no execution, for the reason given.
    Answer(Reply, &'static str),
}

/// An event that every check has let in.
pub struct Accepted {
    pub context: Value,
    /// The context once more, where the configured answer reads it: columns that a template reads through an array
    /// stay on it, and the run must not find them.
    pub for_reply: Value,
    pub delivery_id: Option<String>,
    /// What its sender has to hear, in place of a successful answer.
    pub acknowledgement: Option<Greeting>,
    pub share: Share,
}

/// What the body of a request is.
enum Content {
    Greeting(Greeting),
    /// With the context once more, where it is read twice.
    Read(Read, Value),
}

impl Arrival {
    /// `body_limit` is the server's, in bytes.
    pub fn new(Called { hook, params }: Called, head: Arc<Head>, facts: Facts, body_limit: usize) -> Self {
        Self { hook, head, facts, params, body_limit, is_admitted: Arc::default() }
    }

    pub fn intake(&self) -> Intake<'_> {
        let Self { hook, head, facts, body_limit, .. } = self;
        Intake { trigger: &hook.trigger, head, facts, body_limit: *body_limit }
    }

    /// Lets the request in by what comes before its body.
    pub async fn admit(mut self, app: &App) -> Result<Self, Refusal> {
        let mut from = 0;
        for _ in 0..MAX_ROUNDS {
            match self.intake().admit_head(from) {
                Ok(()) => return Ok(self),
                Err(stop) => from = self.go_on(app, stop).await?,
            }
        }
        Err(too_many_files())
    }

    /// Lets the request in by its body and makes the context, where that does not stand in the way of others.
    pub async fn read(
        mut self,
        app: &App,
        readers: &Arc<Semaphore>,
        mut bytes: Vec<u8>,
        mut share: Share,
    ) -> Result<Made, Refusal> {
        let mut from = 0;
        for _ in 0..MAX_ROUNDS {
            let is_heavy = self.intake().is_heavy(bytes.len());
            let reading = move || {
                let outcome = self.make(from, &bytes, &share);
                (self, bytes, share, outcome)
            };
            let outcome;
            (self, bytes, share, outcome) = if is_heavy { aside(readers, reading).await? } else { reading() };
            match outcome {
                Ok(Content::Greeting(greeting)) => return Ok(Made::Answer(greeting.into(), CHALLENGE)),
                Ok(Content::Read(Read::Event { context, delivery_id, acknowledgement }, for_reply)) => {
                    let accepted = Accepted { context, for_reply, delivery_id, acknowledgement, share };
                    return Ok(Made::Event(accepted));
                }
                Ok(Content::Read(Read::Answer { reply, thrown }, _)) => {
                    let (key, reason) = (&self.hook.workflow.key, thrown);
                    tracing::debug!(workflow.key = key, reason, "a request does not meet the filter");
                    return Ok(Made::Answer(reply, "It does not meet the filter."));
                }
                Err(stop) => from = self.go_on(app, stop).await?,
            }
        }
        Err(too_many_files())
    }

    fn make(&self, from: usize, bytes: &[u8], share: &Share) -> Result<Content, Stop> {
        let intake = self.intake();
        if let Some(greeting) = intake.answer(bytes, None)? {
            return Ok(Content::Greeting(greeting));
        }
        let admitted = intake.admit_body(from, bytes)?;
        self.is_admitted.store(true, Ordering::Relaxed);
        if let Some(greeting) = intake.answer(bytes, Some(&admitted))? {
            return Ok(Content::Greeting(greeting));
        }
        let started = Instant::now();
        let is_late = || started.elapsed() > SEARCH_TIMEOUT;
        let delivery = Delivery { admitted, bytes, params: self.params.clone(), share, is_late: &is_late };
        let read = intake.read(delivery)?;
        let is_read_twice = !self.hook.workflow.is_sync && self.hook.trigger.response.has_placeholders();
        let for_reply = match &read {
            Read::Event { context, .. } if is_read_twice => context.detached(),
            _ => Value::Undefined,
        };
        Ok(Content::Read(read, for_reply))
    }

    /// Fetches what the checks need, and says from where on they are to be asked again.
    async fn go_on(&mut self, app: &App, stop: Stop) -> Result<usize, Refusal> {
        let (wanted, from) = match stop {
            Stop::Refused(refusal) => return Err(refusal),
            Stop::Needs { wanted, from } => (wanted, from),
        };
        if wanted.len() > MAX_FILES {
            return Err(too_many_files());
        }
        let fetched = async |wanted: Wanted| {
            let document = app.documents.get(&wanted).await?;
            Ok((wanted.url, document))
        };
        for (url, document) in try_join_all(wanted.into_iter().map(fetched)).await? {
            self.facts.documents.insert(url, document);
        }
        Ok(from)
    }
}

fn too_many_files() -> Refusal {
    Refusal::undecided().because("a check asks for too many files")
}

/// Runs what takes long on a thread of its own, one for each core at a time.
async fn aside<T: Send + 'static>(
    readers: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let unreadable = || Refusal::internal("The request cannot be read.");
    let permit = readers.clone().acquire_owned().await.map_err(|_| unreadable())?;
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    working.await.map_err(|_| unreadable())
}
