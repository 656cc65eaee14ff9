//! The way of a webhook: find the workflow, let the request in, build the context, run or record, answer.

use std::sync::Arc;

use entity::status::execution::{RESOLVED, STARTED};
use poem::error::ReadBodyError;
use poem::http::header;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};

use super::reply::{refused, replied};
use crate::app::{App, Called, Hook};
use crate::engine::Event;
use crate::expr::{Scope, Value, json};
use crate::store::recorder::RecordError;
use crate::webhook::admission::{check_credentials, check_method};
use crate::webhook::body;
use crate::webhook::context::{self, Incoming};
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

/// `{api}webhook:trigger/<key>`.
#[handler]
pub async fn by_action(
    Path((action, key)): Path<(String, String)>,
    Data(app): Data<&Arc<App>>,
    request: &Request,
    body: Body,
) -> Response {
    if action != "webhook:trigger" {
        return refused(Refusal::not_found());
    }
    trigger(app, app.hooks.find(&key).await, request, body).await.unwrap_or_else(refused)
}

/// `{api}webhooks/<key>`.
#[handler]
pub async fn by_key(
    Path(key): Path<String>,
    Data(app): Data<&Arc<App>>,
    request: &Request,
    body: Body,
) -> Response {
    trigger(app, app.hooks.find(&key).await, request, body).await.unwrap_or_else(refused)
}

/// A custom path: `sidehook.path` of a trigger.
#[handler]
pub async fn by_path(Data(app): Data<&Arc<App>>, request: &Request, body: Body) -> Response {
    let called = app.hooks.find_by_path(request.uri().path()).await;
    trigger(app, called, request, body).await.unwrap_or_else(refused)
}

async fn trigger(
    app: &Arc<App>,
    called: Result<Called, Refusal>,
    request: &Request,
    body: Body,
) -> Result<Response, Refusal> {
    let Called { hook, params } = called?;
    check_method(request.method().as_str())?;
    let headers = headers(request);
    check_credentials(
        &hook.trigger,
        request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes()),
    )?;
    let bytes = read_body(app, request, body).await?;
    let encoding = single(&headers, "content-encoding");
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Refusal::unsupported_type("Compressed bodies are not taken; send the body as it is."));
    }
    let body = body::parse(single(&headers, "content-type"), &bytes)?;
    let query = request.uri().query().unwrap_or_default();
    let incoming = Incoming { headers: &headers, query, body, params };
    let context = context::build(&hook.trigger, incoming);
    let event = Event { workflow: hook.workflow.clone(), context, event_key: None };
    let reply = match hook.workflow.is_sync {
        true => run(app, event).await?,
        false => enqueue(app, &hook, event).await?,
    };
    Ok(replied(reply))
}

/// Runs the workflow and answers what it says.
async fn run(app: &Arc<App>, event: Event) -> Result<Reply, Refusal> {
    let Ok(ended) = tokio::time::timeout(app.config.engine.sync_timeout, app.engine.run(event)).await else {
        return Ok(Reply::timeout());
    };
    let (id, ended) = ended.map_err(refusal)?;
    tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
    match ended.reply {
        Some(reply) => Reply::of_response_job(&reply),
        None if ended.is_timeout || ended.status == STARTED => Ok(Reply::timeout()),
        None => Ok(Reply::of_status(ended.status == RESOLVED)),
    }
}

/// Records the event, then answers what the trigger says.
async fn enqueue(app: &Arc<App>, hook: &Hook, event: Event) -> Result<Reply, Refusal> {
    let context = match hook.trigger.response.has_placeholders() {
        // A copy: columns that a template reads through an array stay on it, and the run must not find them.
        true => json::parse(json::stringify_or_null(&event.context).as_bytes()).unwrap_or_default(),
        false => Value::Undefined,
    };
    let scope =
        Scope { env: app.engine.environment(), system: app.engine.ids.clone(), ..Scope::of_context(context) };
    let reply = Reply::of_config(&hook.trigger.response, &scope)?;
    let id = app.engine.enqueue(event).await.map_err(refusal)?;
    tracing::debug!(execution.id = id, "execution is recorded");
    Ok(reply)
}

async fn read_body(app: &App, request: &Request, body: Body) -> Result<Vec<u8>, Refusal> {
    let limit = app.config.http.body_limit;
    let length = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::too_large(limit));
    }
    match body.into_bytes_limit(limit).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(ReadBodyError::PayloadTooLarge) => Err(Refusal::too_large(limit)),
        Err(_) => Err(Refusal::bad_request("The body broke off.")),
    }
}

/// Names in lower case; values as Latin-1, which is what RFC 9110 leaves of bytes beyond ASCII.
fn headers(request: &Request) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect();
    request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

fn single<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What a caller is told when its event could not be recorded. Nothing of it is in the database then.
fn refusal(err: RecordError) -> Refusal {
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
