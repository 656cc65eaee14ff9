//! The URLs of sidehook, all on this page.

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::middleware::AddData;
use poem::{Endpoint, EndpointExt, Request, Response, Route};
use tracing::Instrument;

use super::choice::Choice;
use super::limits::Limits;
use super::manage::{self, Manager};
use super::{health, metrics, page, reply, webhook};
use crate::app::App;
use crate::apps::Apps;
use crate::config::Place;
use crate::webhook::refusal::Refusal;

/// | URL | |
/// | --- | --- |
/// | `POST {api}webhook:trigger/<workflow key>` | triggers a workflow; NocoBase's own URL |
/// | `POST {api}webhook:trigger?filterByTk=<workflow key>`, `POST {api}webhooks/<workflow key>` | the same |
/// | `POST /<custom path>` | the same, for a trigger that has this path as its `sidehook.path` |
/// | `GET /health/live`, `GET /health/ready` | 200 while the process serves, and while events can be recorded |
/// | `GET /metrics`, `GET /` | for Prometheus (`SIDEHOOK_METRICS_LISTEN`), and for a browser here (`SIDEHOOK_PAGE`) |
/// | `/health/status`, `/requests/…` | those of `manage`, where `SIDEHOOK_STATUS_TOKEN` is set |
///
/// Those of webhooks may end with a slash, and may name their application; see `choice`.
pub(super) fn routes(apps: Arc<Apps>, manager: Option<Arc<dyn Manager>>) -> BoxEndpoint<'static, Response> {
    let (main, metrics) = (apps.main().clone(), AddData::new(apps.clone()));
    Choice::new(apps, chosen(&main, manager).with(metrics)).around(answer).boxed()
}

/// The same for requests that have their application among their data.
pub(super) fn chosen(app: &App, manager: Option<Arc<dyn Manager>>) -> BoxEndpoint<'static, Response> {
    let api = app.config.http.api_base_path.clone();
    let mut routes = page::add(Route::new(), &app.config.page);
    if let Some(manager) = manager.filter(|_| app.config.management.token.is_some()) {
        routes = manage::add(routes, manager);
    }
    if app.config.metrics.listen == Some(Place::Main) {
        routes = routes.at("/metrics", metrics::metrics);
    }
    routes
        // A colon starts a parameter anywhere in a pattern, so `webhook:trigger` is matched by the handler.
        .at(format!("{api}:action/:key"), webhook::by_action)
        .at(format!("{api}:action/:key/"), webhook::by_action)
        .at(format!("{api}:action"), webhook::by_filter)
        .at(format!("{api}:action/"), webhook::by_filter)
        .at(format!("{api}webhooks/:key"), webhook::by_key)
        .at(format!("{api}webhooks/:key/"), webhook::by_key)
        .at("/health/live", health::live)
        .at("/health/ready", health::ready)
        // Comes last in poem's order whatever the others are.
        .at("/*path", webhook::by_path)
        .around(page::at_root)
        .with(AddData::new(Limits::new(&app.config, app.process.memory.clone())))
        .boxed()
}

/// What is answered at an address of its own for metrics.
pub(super) fn of_metrics(apps: Arc<Apps>) -> BoxEndpoint<'static, Response> {
    Route::new().at("/metrics", metrics::metrics).with(AddData::new(apps)).around(answer).boxed()
}

/// What is answered before there is an app, while the database is awaited.
pub(super) fn closed() -> BoxEndpoint<'static, Response> {
    Route::new().at("/health/live", health::live).at("/*path", health::starting).around(answer).boxed()
}

/// Gives every request an id, and every error the one form that errors have.
pub(super) async fn answer<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    const REQUEST_ID: &str = "x-request-id";
    let given = request.header(REQUEST_ID).filter(|id| id.len() <= 128).map(str::to_owned);
    let id = given.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let span = tracing::info_span!("request", request.id = id, app = tracing::field::Empty);
    let asked = (request.method().clone(), request.uri().path().to_owned());
    let outcome = endpoint.call(request).instrument(span.clone()).await;
    let mut response = outcome.unwrap_or_else(|err| match err.status().as_u16() {
        404 => reply::refused(Refusal::nothing_here()),
        // A part of the path that is no text.
        400 => reply::refused(Refusal::bad_request("The URL is not encoded as UTF-8.")),
        status => reply::refused(Refusal::new(status, "The request cannot be handled.")),
    });
    let status = response.status().as_u16();
    if status >= 400 {
        let _inside = span.entered();
        let (method, path) = asked;
        tracing::debug!(http.status = status, http.method = %method, http.path = path, "a request was refused");
    }
    if let (false, Ok(id)) = (response.headers().contains_key(REQUEST_ID), id.parse()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}
