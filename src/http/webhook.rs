//! The way of a webhook: find the workflow, let the request in, build the context, run or record, answer.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use entity::status::execution::{RESOLVED, STARTED};
use futures_util::StreamExt;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::arrival::{Accepted, Arrival, CHALLENGE, Made};
use super::noted::Noted;
use super::peer;
use super::replay::Replay;
use super::reply::replied;
use super::strangers::Strangers;
use crate::app::{App, Called, Hook};
use crate::config::{Access, Config, ProxyHeader};
use crate::engine::{Delivery, Ended, Event, Taken};
use crate::expr::{Scope, Value};
use crate::field;
use crate::store::recorder::RecordError;
use crate::webhook::body::qs;
use crate::webhook::cors::Cors;
use crate::webhook::delivery::event_key;
use crate::webhook::document::Documents;
use crate::webhook::head::{Facts, Head};
use crate::webhook::intake::Intake;
use crate::webhook::memory::{Memory, Share};
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

/// What all requests share.
pub struct Limits {
    memory: Arc<Memory>,
    /// Large bodies are read on threads of their own, one for each core at a time: on those that serve, a few of
    /// them would keep everybody waiting.
    readers: Arc<Semaphore>,
    strangers: Strangers,
    /// For webhooks that say nothing of it.
    cors: Cors,
    access: Access,
    started: Instant,
}

impl Limits {
    pub fn new(config: &Config, memory: Arc<Memory>) -> Arc<Self> {
        let readers = available_parallelism().map_or(1, usize::from);
        let access = config.http.access.clone();
        Arc::new(Self {
            memory,
            readers: Arc::new(Semaphore::new(readers)),
            strangers: Strangers::new(access.failure_limit),
            cors: Cors::of_whitelist(access.cors_whitelist.as_deref()),
            access,
            started: Instant::now(),
        })
    }

    /// What is known of a request beside itself.
    fn facts(&self, app: &App, request: &Request, head: &Head) -> Facts {
        let replay = request.data::<Replay>();
        let socket = request.remote_addr().as_socket_addr().map(|address| address.ip());
        Facts {
            is_replay: replay.is_some(),
            now: app.engine.ids().now().timestamp_millis() as f64,
            since_start: self.started.elapsed(),
            peer: match replay {
                Some(replay) => replay.peer,
                None => socket.and_then(|socket| peer(socket, &self.access, head)),
            },
            env: app.engine.environment(),
            documents: Documents::default(),
        }
    }
}

/// `{api}webhook:trigger/<key>`.
#[handler]
pub async fn by_action(
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
pub async fn by_filter(
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
pub async fn by_key(
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
pub async fn by_path(
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
    let facts = limits.facts(app, request, &head);
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
            let arrival = Arrival::new(called, head.clone(), facts, app.config.http.body_limit);
            noted.arrives(&arrival);
            Box::pin(handle(app, limits, arrival, (cors, body), &mut noted, replay)).await
        }
        Err(refusal) => Err(noted.unfound(body, refusal).await),
    };
    let mut reply = outcome.unwrap_or_else(|refusal| {
        if replay.is_none() {
            limits.strangers.note(&refusal, peer, now);
        }
        noted.refused(&refusal);
        tell_operator(hook.as_deref(), &refusal);
        refusal.into()
    });
    noted.answered(reply.status);
    cors.mark(&head, &mut reply.headers);
    replied(reply)
}

async fn handle(
    app: &Arc<App>,
    limits: &Limits,
    arrival: Arrival,
    (cors, body): (&Cors, Body),
    noted: &mut Noted<'_>,
    replay: Option<&Replay>,
) -> Result<Reply, Refusal> {
    let hook = arrival.hook.clone();
    if hook.trigger.unusable().is_none()
        && let Some(headers) = cors.preflight(arrival.intake().head)
    {
        noted.because("It is a browser's question who may call.");
        return Ok(Reply { status: 204, headers, body: None });
    }
    if let Some(greeting) = arrival.intake().greet()? {
        noted.because(CHALLENGE);
        return Ok(greeting.into());
    }
    let arrival = arrival.admit(app).await?;
    let share = limits.memory.share();
    let bytes = receive(arrival.intake(), body, &share, noted).await?;
    let accepted = match arrival.read(app, &limits.readers, bytes, share).await? {
        Made::Event(accepted) => accepted,
        Made::Answer(reply, reason) => {
            noted.because(reason);
            return Ok(reply);
        }
    };
    let Accepted { context, for_reply, delivery_id, acknowledgement, share } = accepted;
    let delivery_id = match replay {
        Some(replay) => replay.delivery_id.clone().filter(|_| hook.trigger.idempotency.is_some()),
        None => delivery_id,
    };
    noted.delivered(delivery_id.as_deref());
    let workflow = hook.workflow.clone();
    let ttl = hook.trigger.idempotency.as_ref().and_then(|idempotency| idempotency.ttl);
    let delivery = delivery_id.map(|id| Delivery { event_key: event_key(&workflow.key, &id), ttl });
    let (cause, hold) = (noted.cause(), Some(Box::new(share) as _));
    let event = Event { workflow, context, delivery, request: None, cause, hold };
    let reply = match hook.workflow.is_sync {
        true => run(app, event, noted).await?,
        false => enqueue(app, &hook, event, for_reply, noted).await?,
    };
    Ok(reply.acknowledging(acknowledgement))
}

/// Nobody but the log learns what has to be mended.
fn tell_operator(hook: Option<&Hook>, refusal: &Refusal) {
    if let (Some(hook), Some(reason)) = (hook, &refusal.reason) {
        let key = &hook.workflow.key;
        tracing::warn!(workflow.key = key, reason, "the webhook lets nobody in; run `sidehook check`");
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

/// Reads a body up to its limit. What has arrived is counted, not what was announced: who sends slowly must not keep
/// memory from others.
async fn receive(
    intake: Intake<'_>,
    body: Body,
    share: &Share,
    noted: &mut Noted<'_>,
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    if !intake.has_body() {
        return Ok(bytes);
    }
    let mut chunks = body.into_bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|err| match err.kind() {
            ErrorKind::TimedOut => Refusal::timed_out(),
            _ => Refusal::bad_request("The body broke off."),
        })?;
        intake.check_length(bytes.len() + chunk.len())?;
        share.grow(chunk.len()).map_err(Refusal::out_of_memory)?;
        noted.receive(&chunk);
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Runs the workflow and answers what it says.
async fn run(app: &Arc<App>, mut event: Event, noted: &mut Noted<'_>) -> Result<Reply, Refusal> {
    let begun = Instant::now();
    event.request = noted.event(None, status_of);
    let left = || app.config.engine.sync_timeout.saturating_sub(begun.elapsed());
    let Ok(taken) = timeout(left(), app.engine.take(event)).await else { return Ok(Reply::timeout()) };
    match taken.map_err(|err| refusal(app, &err, noted))? {
        Taken::New(running) => {
            let Ok(ended) = timeout(left(), running.ended()).await else { return Ok(Reply::timeout()) };
            let (id, ended) = ended.map_err(|err| refusal(app, &err, noted))?;
            tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
            noted.ended(id, &ended);
            answer(ended)
        }
        Taken::Duplicate(first) => {
            tracing::debug!(execution.id = first.id(), "a delivery is a duplicate");
            noted.not_taken(Some(first.id()));
            let ended = timeout(left(), first.ended()).await.ok().flatten();
            let answer = match ended.filter(|ended| ended.is_left || ended.status != STARTED) {
                Some(ended) => answer(ended),
                None => Err(Refusal::under_way()),
            };
            Ok(answer.unwrap_or_else(Reply::from).of_duplicate(first.id()))
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

/// Records the event, then answers what the trigger says, which reads `context`.
async fn enqueue(
    app: &Arc<App>,
    hook: &Hook,
    mut event: Event,
    context: Value,
    noted: &mut Noted<'_>,
) -> Result<Reply, Refusal> {
    let scope = Scope {
        env: app.engine.environment(),
        system: app.engine.ids().clone(),
        ..Scope::of_context(context)
    };
    let reply = hook.trigger.response.reply(&scope)?;
    event.request = noted.event(Some(reply.status), status_of);
    let recorded = app.engine.enqueue(event).await.map_err(|err| refusal(app, &err, noted))?;
    if recorded.is_duplicate {
        noted.not_taken(Some(recorded.id));
        tracing::debug!(execution.id = recorded.id, "a delivery is a duplicate");
        return Ok(reply.of_duplicate(recorded.id));
    }
    tracing::debug!(execution.id = recorded.id, "execution is recorded");
    Ok(reply)
}

/// What a caller is told when its event could not be recorded. Nothing of it is in the database then.
fn refusal(app: &App, err: &RecordError, noted: &mut Noted<'_>) -> Refusal {
    noted.not_taken(None);
    if !matches!(err, RecordError::Full | RecordError::Duplicate) {
        app.doubt();
    }
    match err {
        RecordError::Full | RecordError::Unavailable(_) | RecordError::Fenced => {
            tracing::warn!(reason = %err, "an event was turned away");
            Refusal::unavailable()
        }
        RecordError::Duplicate | RecordError::Refused(_) => {
            tracing::error!(reason = %err, "an event could not be recorded");
            Refusal::internal("The event could not be recorded.")
        }
    }
}
