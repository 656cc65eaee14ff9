//! URLs for those who manage sidehook: NocoBase's plugin, and people who watch. All ask for `SIDEHOOK_STATUS_TOKEN`, and
//! are of the main application unless the header `X-App` names another one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use poem::http::{StatusCode, header};
use poem::middleware::AddData;
use poem::web::{Data, Path};
use poem::{Body, EndpointExt, Request, Response, Route, get, handler, post, put};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::app::{App, Deaf, Unkept};
use crate::expr::{Value, json};

/// How long bodies are kept where nobody says it, and at most.
const LISTENING: u64 = 300;
const LISTENING_AT_MOST: u64 = 600;
/// The longest body of a request to these URLs, in bytes.
const BODY: usize = 1 << 10;
/// So many requests are sent again at a time.
const REPLAYS: usize = 4;

/// What these URLs do, beside waiting for requests.
#[async_trait]
pub trait Manager: Send + Sync {
    /// How this instance and its deployment are doing as far as an application goes, as an object.
    async fn status(&self, app: &Arc<App>) -> Value;

    /// Handles a request of an application's log once more. One that was not let in needs somebody who vouches for it.
    async fn replay(&self, app: &Arc<App>, id: i64, is_vouched: bool) -> Result<Replayed, Unreplayed>;
}

/// What came of a request that was handled once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    pub status: u16,
    /// Where it has led to one that is known by now.
    pub execution_id: Option<i64>,
    /// Its own row in the request log.
    pub request_id: Option<i64>,
}

/// Why a request cannot be handled once more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreplayed {
    #[error("no request has this id")]
    Unknown,
    #[error("{0}")]
    Unfit(String),
}

/// The manager, with what its callers have to share.
struct Managed {
    manager: Arc<dyn Manager>,
    replays: Semaphore,
}

/// Adds the URLs for those who manage it.
pub(super) fn add(routes: Route, manager: Arc<dyn Manager>) -> Route {
    let managed = Arc::new(Managed { manager, replays: Semaphore::new(REPLAYS) });
    routes
        .at("/health/status", get(status).with(AddData::new(managed.clone())))
        .at("/requests/:id/replay", post(replay).with(AddData::new(managed)))
        .at("/requests/listening/:key", put(listen).delete(listen_no_more))
        .at("/requests/retention", put(retain).delete(retain_as_configured))
}

/// `GET /health/status`.
#[handler]
async fn status(
    Data(app): Data<&Arc<App>>,
    Data(managed): Data<&Arc<Managed>>,
    request: &Request,
) -> Response {
    match is_allowed(app, request) {
        true => object(StatusCode::OK, &managed.manager.status(app).await),
        false => denied(),
    }
}

/// `POST /requests/<id>/replay`, with `{"vouched": true}` for one that was not let in.
#[handler]
async fn replay(
    Path(id): Path<String>,
    Data(app): Data<&Arc<App>>,
    Data(managed): Data<&Arc<Managed>>,
    request: &Request,
    body: Body,
) -> Response {
    if !is_allowed(app, request) {
        return denied();
    }
    let Ok(bytes) = body.into_bytes_limit(BODY).await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body has to be an object such as {\"vouched\": true}",
        );
    };
    let is_vouched =
        json::parse(&bytes).is_ok_and(|body| matches!(body.member("vouched"), Value::Bool(true)));
    let Ok(_place) = managed.replays.try_acquire() else {
        return error(StatusCode::TOO_MANY_REQUESTS, "other requests are being sent again: try in a moment");
    };
    let outcome = match id.parse() {
        Ok(id) => managed.manager.replay(app, id, is_vouched).await,
        Err(_) => Err(Unreplayed::Unknown),
    };
    let id = |id: Option<i64>| id.map_or(Value::Null, |id| Value::from(id.to_string()));
    match outcome {
        Ok(replayed) => object(
            StatusCode::OK,
            &Value::object([
                ("status", Value::Number(replayed.status.into())),
                ("executionId", id(replayed.execution_id)),
                ("requestId", id(replayed.request_id)),
            ]),
        ),
        Err(reason @ Unreplayed::Unknown) => error(StatusCode::NOT_FOUND, &reason.to_string()),
        Err(reason) => error(StatusCode::CONFLICT, &reason.to_string()),
    }
}

/// `PUT /requests/listening/<key>` with `{"seconds": 300}`.
#[handler]
async fn listen(
    Path(key): Path<String>,
    Data(app): Data<&Arc<App>>,
    request: &Request,
    body: Body,
) -> Response {
    if !is_allowed(app, request) {
        return denied();
    }
    let Ok(bytes) = body.into_bytes_limit(BODY).await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body has to be an object such as {\"seconds\": 300}",
        );
    };
    let seconds = match json::parse(&bytes).map(|body| body.member("seconds")) {
        Ok(Value::Number(seconds)) => seconds,
        _ => LISTENING as f64,
    };
    let span = Duration::from_secs((seconds as u64).clamp(1, LISTENING_AT_MOST));
    told(app.listen(&key, Some(span)).await)
}

/// `DELETE /requests/listening/<key>`.
#[handler]
async fn listen_no_more(Path(key): Path<String>, Data(app): Data<&Arc<App>>, request: &Request) -> Response {
    match is_allowed(app, request) {
        true => told(app.listen(&key, None).await),
        false => denied(),
    }
}

/// `PUT /requests/retention` with `{"seconds": 604800}`.
#[handler]
async fn retain(Data(app): Data<&Arc<App>>, request: &Request, body: Body) -> Response {
    if !is_allowed(app, request) {
        return denied();
    }
    let bytes = body.into_bytes_limit(BODY).await.unwrap_or_default();
    match json::parse(&bytes).map(|body| body.member("seconds")) {
        Ok(Value::Number(seconds)) if seconds >= 0.0 && seconds.fract() == 0.0 => {
            retained(app.retain(Some(Duration::from_secs(seconds as u64))).await)
        }
        _ => error(StatusCode::BAD_REQUEST, "the body has to be an object such as {\"seconds\": 604800}"),
    }
}

/// `DELETE /requests/retention`.
#[handler]
async fn retain_as_configured(Data(app): Data<&Arc<App>>, request: &Request) -> Response {
    match is_allowed(app, request) {
        true => retained(app.retain(None).await),
        false => denied(),
    }
}

/// Whether a request has the token. How long the comparison takes says nothing of it.
fn is_allowed(app: &App, request: &Request) -> bool {
    let Some(token) = &app.config.management.token else { return false };
    let given = request.header(header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    given.is_some_and(|given| hash(given).as_ref().ct_eq(hash(token.reveal()).as_ref()).into())
}

fn denied() -> Response {
    let mut response = error(StatusCode::UNAUTHORIZED, "this takes SIDEHOOK_STATUS_TOKEN as a bearer token");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

fn told(outcome: Result<(), Deaf>) -> Response {
    match outcome {
        Ok(()) => object(StatusCode::OK, &Value::object::<&str>([])),
        Err(reason @ Deaf::Database(_)) => error(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string()),
        Err(reason) => error(StatusCode::CONFLICT, &reason.to_string()),
    }
}

fn retained(outcome: Result<(), Unkept>) -> Response {
    match outcome {
        Ok(()) => object(StatusCode::OK, &Value::object::<&str>([])),
        Err(reason @ Unkept::OutOfBounds) => error(StatusCode::BAD_REQUEST, &reason.to_string()),
        Err(reason) => error(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string()),
    }
}

fn error(code: StatusCode, reason: &str) -> Response {
    object(code, &Value::object([("error", Value::from(reason))]))
}

fn object(code: StatusCode, value: &Value) -> Response {
    let text = json::stringify_or_null(value);
    Response::builder().status(code).content_type("application/json; charset=utf-8").body(text)
}
