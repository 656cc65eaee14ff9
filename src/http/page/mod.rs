//! A page for people without NocoBase's screens: which webhooks there are, and what has run. It is shown to browsers on
//! the same machine only, where it is asked for (`sidehook demo`, `serve --page`), and changes nothing: what the demo
//! sends from it goes to the webhooks like any other event.

use std::sync::Arc;

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::web::Data;
use poem::{Endpoint, Request, Response, Route, get, handler};
use sea_orm::DbErr;

use super::reply::refused;
use crate::app::App;
use crate::config::Page;
use crate::expr::{Value, json};
use crate::store::history::{ExecutionFilter, Past};
use crate::webhook::refusal::Refusal;

const HTML: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
/// So many executions are shown, and so many jobs of each.
const EXECUTIONS: u64 = 10;
const JOBS: u64 = 20;
/// So much of a result is shown, in characters.
const RESULT: usize = 400;

/// Adds what the page reads, where it is shown.
pub(super) fn add(routes: Route, page: &Page) -> Route {
    if !page.is_shown {
        return routes;
    }
    routes.at("/page.js", get(script)).at("/page/state", get(state))
}

/// The page itself. It stands in front of the routes: among them `/` would fall to the one for all other paths.
pub(super) async fn at_root<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let is_asked = request.uri().path() == "/" && request.method() == Method::GET;
    let is_shown = request.data::<Arc<App>>().is_some_and(|app| app.config.page.is_shown);
    if !(is_asked && is_shown) {
        return endpoint.call(request).await;
    }
    Ok(answer(&request, "text/html; charset=utf-8", HTML.to_owned()))
}

#[handler]
fn script(request: &Request) -> Response {
    answer(request, "text/javascript; charset=utf-8", SCRIPT.to_owned())
}

/// What the page shows: `{webhooks, executions}`, with `results` where those of jobs are among them.
#[handler]
async fn state(Data(app): Data<&Arc<App>>, request: &Request) -> Response {
    if !is_near(request) {
        return refused(Refusal::nothing_here());
    }
    match executions(app).await {
        Ok(executions) => {
            let state = Value::object([("webhooks", webhooks(app)), ("executions", executions)]);
            answer(request, "application/json; charset=utf-8", json::stringify_or_null(&state))
        }
        Err(_) => refused(Refusal::unavailable()),
    }
}

fn answer(request: &Request, content_type: &str, body: String) -> Response {
    if !is_near(request) {
        return refused(Refusal::nothing_here());
    }
    Response::builder()
        .status(StatusCode::OK)
        .content_type(content_type)
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
        )
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body)
}

/// Whether a browser on this machine asks, by no proxy, for a name of this machine: a page from elsewhere whose own name
/// has come to lead here (DNS rebinding) asks for that name.
fn is_near(request: &Request) -> bool {
    let socket = request.remote_addr().as_socket_addr();
    socket.is_some_and(|address| address.ip().to_canonical().is_loopback()) && is_direct(request.headers())
}

fn is_direct(headers: &HeaderMap) -> bool {
    const HANDED_ON: [&str; 3] = ["forwarded", "x-forwarded-for", "via"];
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = name.map_or(host, |(name, _)| name);
    let is_named_here = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    is_named_here && HANDED_ON.iter().all(|name| !headers.contains_key(*name))
}

fn webhooks(app: &App) -> Value {
    let entries = app.hooks.entries();
    let mut hooks: Vec<_> = entries.values().collect();
    hooks.sort_by_key(|hook| hook.workflow.id);
    let list = hooks.into_iter().map(|hook| {
        let workflow = &hook.workflow;
        let path = format!("{}webhook:trigger/{}", app.config.http.api_base_path, workflow.key);
        let sample = app.config.page.samples.iter().find(|sample| sample.key == workflow.key);
        let sample = sample.map_or(Value::Null, |sample| {
            let authorization = sample.authorization.map_or(Value::Null, Value::from);
            Value::object([("body", Value::from(sample.body)), ("authorization", authorization)])
        });
        Value::object([
            ("title", Value::from(workflow.title.clone())),
            ("path", Value::from(path)),
            ("mode", Value::from(if workflow.is_sync { "synchronous" } else { "asynchronous" })),
            ("sample", sample),
        ])
    });
    Value::array(list.collect())
}

async fn executions(app: &App) -> Result<Value, DbErr> {
    let mut list = Vec::new();
    for past in app.store.past_executions(&ExecutionFilter::default(), EXECUTIONS).await? {
        let jobs = jobs(app, past.id).await?;
        list.push(execution(&past, jobs));
    }
    Ok(Value::array(list))
}

fn execution(past: &Past, jobs: Value) -> Value {
    let at = past.created_at.map_or(Value::Null, |at| Value::from(at.to_rfc3339()));
    let title = past.title.clone().or_else(|| past.key.clone()).unwrap_or_default();
    Value::object([
        ("id", Value::from(past.id.to_string())),
        ("title", Value::from(title)),
        ("status", past.status.map_or(Value::Null, |status| Value::Number(status.into()))),
        ("createdAt", at),
        ("jobs", jobs),
    ])
}

async fn jobs(app: &App, execution_id: i64) -> Result<Value, DbErr> {
    let shows_results = !app.config.page.samples.is_empty();
    let jobs = app.store.past_jobs(execution_id, JOBS).await?;
    let list = jobs.into_iter().map(|(job, title)| {
        let result = job.result.filter(|_| shows_results);
        let result = result.map_or(Value::Null, |text| Value::from(shortened(&text.0)));
        Value::object([
            ("title", Value::from(title.or(job.node_key).unwrap_or_default())),
            ("status", job.status.map_or(Value::Null, |status| Value::Number(status.into()))),
            ("result", result),
        ])
    });
    Ok(Value::array(list.collect()))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(RESULT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_without_a_proxy_are_near() {
        let direct = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.parse().ok(), value.parse().ok()));
            let headers = pairs.filter_map(|(name, value)| Some((name?, value?)));
            is_direct(&headers.collect::<HeaderMap>())
        };
        for host in ["localhost", "localhost:13080", "127.0.0.1:1", "[::1]", "[::1]:13080"] {
            assert!(direct(&[("host", host)]), "{host}");
        }
        for host in ["evil.example:13080", "127.0.0.1.evil.example", "localhost:x", "", "10.0.0.5:13080"] {
            assert!(!direct(&[("host", host)]), "{host}");
        }
        assert!(!direct(&[]));
        for header in ["forwarded", "x-forwarded-for", "via"] {
            assert!(!direct(&[("host", "localhost"), (header, "x")]), "{header}");
        }
    }
}
