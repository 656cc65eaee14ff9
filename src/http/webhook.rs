//! The way of a webhook: find the workflow, let the request in, build the context, run or record, answer.

mod files;
mod later;
mod untaken;

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use entity::status::execution::{RESOLVED, STARTED};
use futures_util::StreamExt;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use tokio::time::timeout;

use self::files::Files;
use self::untaken::unrecorded;
use super::limits::Limits;
use super::noted::Noted;
use super::peer;
use super::replay::Replay;
use super::reply::replied;
use crate::app::{App, Called, Hook};
use crate::config::{Access, ProxyHeader};
use crate::engine::{self, Ended, Event, Taken};
use crate::expr::Value;
use crate::field;
use crate::webhook::admission::Stop;
use crate::webhook::body::qs;
use crate::webhook::challenge::Greeting;
use crate::webhook::cors::Cors;
use crate::webhook::delivery::event_key;
use crate::webhook::document::Documents;
use crate::webhook::head::{Facts, Head};
use crate::webhook::intake::{Delivery, Intake, Read};
use crate::webhook::memory::Share;
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

/// How long the JSONPaths of a trigger may search one request.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

/// `{api}webhook:trigger/<key>`.
#[handler]
pub(crate) async fn by_action(
    Path((action, key)): Path<(String, String)>,
    Data(app): Data<&Arc<App>>,
    Data(limits): Data<&Arc<Limits>>,
    request: &Request,
    body: Body,
) -> Response {
    let finding = async {
        if action == "webhook:trigger" { app.hooks.find(&key).await } else { Err(Refusal::not_found()) }
    };
    trigger(app, limits, finding, (request, body)).await
}

/// `{api}webhook:trigger?filterByTk=<key>`, NocoBase's other way of writing the same.
#[handler]
pub(crate) async fn by_filter(
    Path(action): Path<String>,
    Data(app): Data<&Arc<App>>,
    Data(limits): Data<&Arc<Limits>>,
    request: &Request,
    body: Body,
) -> Response {
    let key = qs::parse_query(request.uri().query().unwrap_or_default()).member("filterByTk");
    let finding = async {
        match key.as_str() {
            Some(key) if action == "webhook:trigger" => app.hooks.find(key).await,
            _ => Err(Refusal::nothing_here()),
        }
    };
    trigger(app, limits, finding, (request, body)).await
}

/// `{api}webhooks/<key>`.
#[handler]
pub(crate) async fn by_key(
    Path(key): Path<String>,
    Data(app): Data<&Arc<App>>,
    Data(limits): Data<&Arc<Limits>>,
    request: &Request,
    body: Body,
) -> Response {
    trigger(app, limits, app.hooks.find(&key), (request, body)).await
}

/// A custom path: `sidehook.path` of a trigger.
#[handler]
pub(crate) async fn by_path(
    Data(app): Data<&Arc<App>>,
    Data(limits): Data<&Arc<Limits>>,
    request: &Request,
    body: Body,
) -> Response {
    trigger(app, limits, app.hooks.find_by_path(request.uri().path()), (request, body)).await
}

async fn trigger(
    app: &Arc<App>,
    limits: &Limits,
    finding: impl Future<Output = Result<Called, Refusal>>,
    (request, body): (&Request, Body),
) -> Response {
    let head = Arc::new(head(request));
    let replay = request.data::<Replay>();
    let facts = facts(app, limits, request, &head);
    let (peer, now) = (facts.peer, facts.since_start);
    let mut noted = Noted::new(app, head.clone(), peer, limits.memory.share());
    let found = match limits.strangers.admit(peer, now) {
        Err(refusal) if replay.is_none() => Err(refusal),
        _ => finding.await,
    };
    let hook = found.as_ref().ok().map(|called| called.hook.clone());
    let cors = hook.as_ref().and_then(|hook| hook.trigger.cors.as_ref()).unwrap_or(&limits.cors);
    let outcome = match found {
        Ok(called) => {
            noted.found(&called);
            let (Called { hook, params }, head, bytes) = (called, head.clone(), Vec::new());
            let (body_limit, share, is_admitted) = (limits.body, limits.memory.share(), noted.admission());
            let arrival = Arrival { hook, params, head, facts, body_limit, bytes, share, is_admitted };
            Box::pin(handle(app, limits, arrival, (cors, body), &mut noted, replay)).await
        }
        Err(refusal) => Err(noted.unfound(body, refusal).await),
    };
    let mut reply = outcome.unwrap_or_else(|refusal| {
        if replay.is_none() {
            limits.strangers.note(&refusal, peer, now);
        }
        noted.refused(&refusal);
        untaken::tell_operator(hook.as_deref(), &refusal);
        refusal.into()
    });
    noted.answered(reply.status);
    cors.mark(&head, &mut reply.headers);
    replied(reply)
}

async fn handle(
    app: &App,
    limits: &Limits,
    mut arrival: Arrival,
    (cors, body): (&Cors, Body),
    noted: &mut Noted<'_>,
    replay: Option<&Replay>,
) -> Result<Reply, Refusal> {
    let hook = arrival.hook.clone();
    if hook.trigger.unusable().is_none()
        && let Some(headers) = cors.preflight(arrival.intake().head)
    {
        return Ok(untaken::preflight(headers, noted));
    }
    if let Some(greeting) = arrival.intake().greet()? {
        return Ok(untaken::challenge(greeting, noted));
    }
    arrival.admit(app).await?;
    arrival.receive(body, noted).await?;
    let (made, share) = arrival.read(app, limits).await?;
    let (context, delivery_id, acknowledgement, for_reply) = match made {
        Made::Read(Read::Event { context, delivery_id, acknowledgement }, for_reply) => {
            (context, delivery_id, acknowledgement, for_reply)
        }
        Made::Read(Read::Answer { reply, thrown }, _) => {
            return Ok(untaken::filtered(&hook, reply, thrown, noted));
        }
        Made::Greeting(greeting) => return Ok(untaken::challenge(greeting, noted)),
    };
    let (workflow, idempotency) = (hook.workflow.clone(), hook.trigger.idempotency.as_ref());
    let ttl = idempotency.and_then(|idempotency| idempotency.ttl);
    let delivery_id = delivery_id.or_else(|| replay?.delivery_id.clone().filter(|_| idempotency.is_some()));
    noted.delivered(delivery_id.as_deref());
    let delivery = delivery_id.map(|id| engine::Delivery { event_key: event_key(&workflow.key, &id), ttl });
    let reply = if workflow.is_sync { None } else { Some(later::reply(app, &hook, for_reply)?) };
    let request = noted.event(reply.as_ref().map(|reply| reply.status), status_of);
    let (cause, hold) = (noted.cause(), Some(Box::new(share) as _));
    let event = Event { workflow, context, delivery, request, cause, hold };
    let reply = match reply {
        None => run(app, event, noted).await?,
        Some(reply) => later::enqueue(app, event, reply, noted).await?,
    };
    Ok(reply.acknowledging(acknowledgement))
}

/// What is known of a request beside itself.
fn facts(app: &App, limits: &Limits, request: &Request, head: &Head) -> Facts {
    let replay = request.data::<Replay>();
    let socket = request.remote_addr().as_socket_addr().map(|address| address.ip());
    Facts {
        is_replay: replay.is_some(),
        now: app.engine.ids().now().timestamp_millis() as f64,
        since_start: limits.started.elapsed(),
        peer: match replay {
            Some(replay) => replay.peer,
            None => socket.and_then(|socket| peer(socket, &limits.access, head)),
        },
        env: app.engine.environment(),
        documents: Documents::default(),
    }
}

/// Names in lower case; values as Latin-1, which is what RFC 9110 leaves of bytes beyond ASCII.
fn head(request: &Request) -> Head {
    let header = |(name, value): (&poem::http::HeaderName, &poem::http::HeaderValue)| {
        (name.as_str().to_owned(), field::latin1(value.as_bytes()))
    };
    Head {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        headers: request.headers().iter().map(header).collect(),
        query: request.uri().query().unwrap_or_default().to_owned(),
    }
}

/// Who has called by a connection from `socket`.
fn peer(socket: IpAddr, access: &Access, head: &Head) -> Option<IpAddr> {
    let name = match access.proxy_header {
        ProxyHeader::XForwardedFor => "x-forwarded-for",
        ProxyHeader::Forwarded => "forwarded",
    };
    let values: Vec<&str> = head.values(name).collect();
    peer::peer(socket, &access.trusted_proxies, access.proxy_header, &values)
}

/// A request whose webhook is known, on its way through the checks.
struct Arrival {
    hook: Arc<Hook>,
    /// Of a custom path, an object.
    params: Value,
    head: Arc<Head>,
    facts: Facts,
    /// The server's, in bytes.
    body_limit: usize,
    /// Its body, as far as it has arrived.
    bytes: Vec<u8>,
    /// The memory that it holds.
    share: Share,
    /// Set when every check has let it in.
    is_admitted: Arc<AtomicBool>,
}

/// What it comes to.
enum Made {
    Greeting(Greeting),
    /// With the context once more, where the answer of the trigger reads it.
    Read(Read, Value),
}

impl Arrival {
    fn intake(&self) -> Intake<'_> {
        let Self { hook, head, facts, body_limit, .. } = self;
        Intake { trigger: &hook.trigger, head, facts, body_limit: *body_limit }
    }

    /// Lets the request in by what comes before its body.
    async fn admit(&mut self, app: &App) -> Result<(), Refusal> {
        let (mut from, mut files) = (0, Files::default());
        while let Err(stop) = self.intake().admit_head(from) {
            from = files.fetch(app, stop, &mut self.facts).await?;
        }
        Ok(())
    }

    /// Reads the body up to its limit. What has arrived is counted, not what was announced: who sends slowly must not
    /// keep memory from others.
    async fn receive(&mut self, body: Body, noted: &mut Noted<'_>) -> Result<(), Refusal> {
        if !self.intake().has_body() {
            return Ok(());
        }
        let mut chunks = body.into_bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|err| match err.kind() {
                ErrorKind::TimedOut => Refusal::timed_out(),
                _ => Refusal::bad_request("The body broke off."),
            })?;
            self.intake().check_length(self.bytes.len() + chunk.len())?;
            self.share.grow(chunk.len()).map_err(Refusal::out_of_memory)?;
            noted.receive(&chunk);
            self.bytes.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// Lets the request in by its body and makes the context, where that does not stand in the way of others.
    async fn read(self, app: &App, limits: &Limits) -> Result<(Made, Share), Refusal> {
        let (mut arrival, mut from, mut files) = (self, 0, Files::default());
        loop {
            let is_heavy = arrival.intake().is_heavy(arrival.bytes.len());
            let reading = move || (arrival.make(from), arrival);
            let made;
            (made, arrival) = if is_heavy { limits.readers.run(reading).await? } else { reading() };
            match made {
                Ok(made) => return Ok((made, arrival.share)),
                Err(stop) => from = files.fetch(app, stop, &mut arrival.facts).await?,
            }
        }
    }

    fn make(&self, from: usize) -> Result<Made, Stop> {
        let (intake, bytes) = (self.intake(), &self.bytes);
        if let Some(greeting) = intake.answer(bytes, None)? {
            return Ok(Made::Greeting(greeting));
        }
        let admitted = intake.admit_body(from, bytes)?;
        self.is_admitted.store(true, Ordering::Relaxed);
        if let Some(greeting) = intake.answer(bytes, Some(&admitted))? {
            return Ok(Made::Greeting(greeting));
        }
        let started = Instant::now();
        let is_late = || started.elapsed() > SEARCH_TIMEOUT;
        let (params, share) = (self.params.clone(), &self.share);
        let read = intake.read(Delivery { admitted, bytes, params, share, is_late: &is_late })?;
        let for_reply = later::context_for_reply(&self.hook, &read);
        Ok(Made::Read(read, for_reply))
    }
}

/// Runs the workflow and answers what it says.
async fn run(app: &App, event: Event, noted: &mut Noted<'_>) -> Result<Reply, Refusal> {
    let begun = Instant::now();
    let left = || app.config.engine.sync_timeout.saturating_sub(begun.elapsed());
    let Ok(taken) = timeout(left(), app.engine.take(event)).await else { return Ok(Reply::timeout()) };
    match taken.map_err(|err| unrecorded(app, &err, noted))? {
        Taken::New(running) => {
            let Ok(ended) = timeout(left(), running.ended()).await else { return Ok(Reply::timeout()) };
            let (id, ended) = ended.map_err(|err| unrecorded(app, &err, noted))?;
            tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
            noted.ended(id, &ended);
            answer(ended)
        }
        Taken::Duplicate(first) => {
            let ended = untaken::end_of_first(&first, left(), noted).await;
            Ok(ended.and_then(answer).unwrap_or_else(Reply::from).of_duplicate(first.id()))
        }
    }
}

/// What a caller is told of an execution.
fn answer(ended: Ended) -> Result<Reply, Refusal> {
    match ended.reply {
        Some(reply) => Reply::of_response_job(&reply),
        None if ended.is_left => Err(Refusal::stopping()),
        None if ended.is_timeout || ended.status == STARTED => Ok(Reply::timeout()),
        None => Ok(Reply::of_status(ended.status == RESOLVED)),
    }
}

/// The status of that answer.
fn status_of(ended: &Ended) -> u16 {
    match &ended.reply {
        Some(reply) => Reply::status_of_response_job(reply),
        None => answer(Ended { reply: None, ..*ended })
            .map_or_else(|refusal| refusal.status, |reply| reply.status),
    }
}
