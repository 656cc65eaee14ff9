//! The way of a webhook: find the workflow, let the request in, build the context, run or record, answer.

use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use entity::status::execution::{RESOLVED, STARTED};
use futures_util::StreamExt;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::arrival::{Arrival, Made};
use super::reply::{refused, replied};
use crate::app::{App, Called, Hook};
use crate::config::Config;
use crate::engine::{Delivery, Ended, Event, Taken};
use crate::expr::{Scope, Value};
use crate::store::recorder::RecordError;
use crate::webhook::body::qs;
use crate::webhook::delivery::event_key;
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
}

impl Limits {
    pub fn new(config: &Config) -> Arc<Self> {
        let readers = available_parallelism().map_or(1, usize::from);
        Arc::new(Self { memory: Memory::new(config.http.memory), readers: Arc::new(Semaphore::new(readers)) })
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
    if action != "webhook:trigger" {
        return refused(Refusal::not_found());
    }
    trigger(app, limits, app.hooks.find(&key).await, (request, body)).await
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
    match key.as_str() {
        Some(key) if action == "webhook:trigger" => {
            trigger(app, limits, app.hooks.find(key).await, (request, body)).await
        }
        _ => refused(Refusal::nothing_here()),
    }
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
    trigger(app, limits, app.hooks.find(&key).await, (request, body)).await
}

/// A custom path: `sidehook.path` of a trigger.
#[handler]
pub async fn by_path(
    Data(app): Data<&Arc<App>>,
    Data(limits): Data<&Arc<Limits>>,
    request: &Request,
    body: Body,
) -> Response {
    trigger(app, limits, app.hooks.find_by_path(request.uri().path()).await, (request, body)).await
}

async fn trigger(
    app: &Arc<App>,
    limits: &Limits,
    called: Result<Called, Refusal>,
    request: (&Request, Body),
) -> Response {
    let called = match called {
        Ok(called) => called,
        Err(refusal) => return refused(refusal),
    };
    let hook = called.hook.clone();
    let outcome = handle(app, limits, called, request).await;
    outcome.inspect_err(|refusal| tell_operator(&hook.workflow.key, refusal)).map_or_else(refused, replied)
}

async fn handle(
    app: &Arc<App>,
    limits: &Limits,
    called: Called,
    (request, body): (&Request, Body),
) -> Result<Reply, Refusal> {
    let hook = called.hook.clone();
    let arrival = Arrival::new(app, called, request).admit(app).await?;
    let share = limits.memory.share();
    let bytes = receive(arrival.intake(), body, &share).await?;
    let (context, for_reply, delivery_id, share) = match arrival
        .read(app, &limits.readers, bytes, share)
        .await?
    {
        Made::Event { context, for_reply, delivery_id, share } => (context, for_reply, delivery_id, share),
        Made::Answer(reply) => return Ok(reply),
    };
    let workflow = hook.workflow.clone();
    let ttl = hook.trigger.idempotency.as_ref().and_then(|idempotency| idempotency.ttl);
    let delivery = delivery_id.map(|id| Delivery { event_key: event_key(&workflow.key, &id), ttl });
    let event = Event { workflow, context, delivery, hold: Some(Box::new(share)) };
    match hook.workflow.is_sync {
        true => run(app, event).await,
        false => enqueue(app, &hook, event, for_reply).await,
    }
}

/// Nobody but the log learns what has to be mended.
fn tell_operator(key: &str, refusal: &Refusal) {
    if let Some(reason) = &refusal.reason {
        tracing::warn!(workflow.key = key, reason, "the webhook lets nobody in; run `sidehook check`");
    }
}

/// Reads a body up to its limit. What has arrived is counted, not what was announced: who sends slowly must not keep
/// memory from others.
async fn receive(intake: Intake<'_>, body: Body, share: &Share) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|err| match err.kind() {
            ErrorKind::TimedOut => Refusal::timed_out(),
            _ => Refusal::bad_request("The body broke off."),
        })?;
        intake.check_length(bytes.len() + chunk.len())?;
        share.grow(chunk.len()).map_err(Refusal::out_of_memory)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Runs the workflow and answers what it says.
async fn run(app: &Arc<App>, event: Event) -> Result<Reply, Refusal> {
    let begun = Instant::now();
    let left = || app.config.engine.sync_timeout.saturating_sub(begun.elapsed());
    let Ok(taken) = timeout(left(), app.engine.take(event)).await else { return Ok(Reply::timeout()) };
    match taken.map_err(|err| refusal(app, &err))? {
        Taken::New(running) => {
            let Ok(ended) = timeout(left(), running.ended()).await else { return Ok(Reply::timeout()) };
            let (id, ended) = ended.map_err(|err| refusal(app, &err))?;
            tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
            answer(ended)
        }
        Taken::Duplicate(first) => {
            tracing::debug!(execution.id = first.id(), "a delivery is a duplicate");
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

/// Records the event, then answers what the trigger says, which reads `context`.
async fn enqueue(app: &Arc<App>, hook: &Hook, event: Event, context: Value) -> Result<Reply, Refusal> {
    let scope = Scope {
        env: app.engine.environment(),
        system: app.engine.ids().clone(),
        ..Scope::of_context(context)
    };
    let reply = Reply::of_config(&hook.trigger.response, &scope)?;
    let recorded = app.engine.enqueue(event).await.map_err(|err| refusal(app, &err))?;
    if recorded.is_duplicate {
        tracing::debug!(execution.id = recorded.id, "a delivery is a duplicate");
        return Ok(reply.of_duplicate(recorded.id));
    }
    tracing::debug!(execution.id = recorded.id, "execution is recorded");
    Ok(reply)
}

/// What a caller is told when its event could not be recorded. Nothing of it is in the database then.
fn refusal(app: &App, err: &RecordError) -> Refusal {
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
