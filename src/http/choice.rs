//! Which application a request is for, as NocoBase's gateway finds it: by the header `X-App`, by `__appName` in the
//! query, by a path below `{api}__app/<name>/`, else by the name of the host. The later of the first three wins.

use std::sync::Arc;

use poem::http::uri::PathAndQuery;
use poem::http::{StatusCode, Uri};
use poem::{Endpoint, Request, Response};

use crate::app::App;
use crate::apps::{Apps, Unserved};
use crate::expr::{Value, json};
use crate::webhook::body::qs;

/// What belongs to the process, whomever a request names.
const OWN: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];
/// When a sender may try again that has been told 503.
const RETRY_AFTER_SECONDS: &str = "2";

/// Puts the application into the data of a request, and takes its name out of the path.
pub(super) struct Choice<E> {
    apps: Arc<Apps>,
    /// `{api}__app/`.
    prefix: String,
    inner: E,
}

impl<E> Choice<E> {
    pub(super) fn new(apps: Arc<Apps>, inner: E) -> Self {
        let prefix = format!("{}__app/", apps.main().config.http.api_base_path);
        Self { apps, prefix, inner }
    }

    fn choose(&self, request: &mut Request) -> Result<Arc<App>, (String, Unserved)> {
        let main = self.apps.main();
        if !self.apps.are_chosen() || OWN.contains(&request.uri().path()) {
            return Ok(main.clone());
        }
        let name = self.named_in_path(request).or_else(|| named(request)).or_else(|| {
            let host = host(request)?;
            self.apps.named_by_host(&host)
        });
        let Some(name) = name else { return Ok(main.clone()) };
        let found = self.apps.find(&name);
        if let Ok(app) = &found
            && !Arc::ptr_eq(app, main)
        {
            tracing::Span::current().record("app", &name);
        }
        found.map_err(|unserved| (name, unserved))
    }

    /// The name in the path, which is without it from then on.
    fn named_in_path(&self, request: &mut Request) -> Option<String> {
        let rest = request.uri().path().strip_prefix(&self.prefix)?;
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return None;
        }
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let (name, base) = (name.to_owned(), &self.apps.main().config.http.api_base_path);
        let target = format!("{base}{rest}{query}").parse::<PathAndQuery>().ok()?;
        *request.uri_mut() = Uri::from(target);
        Some(name)
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Choice<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        match self.choose(&mut request) {
            Ok(app) => {
                request.set_data(app);
                self.inner.call(request).await
            }
            Err((name, unserved)) => Ok(answer(&name, unserved)),
        }
    }
}

/// The name in the query, else that in the header.
fn named(request: &Request) -> Option<String> {
    let query = request.uri().query().filter(|query| query.contains("__appName"));
    let in_query = query.and_then(|query| {
        let name = qs::parse_query(query).member("__appName");
        name.as_str().filter(|name| !name.is_empty()).map(ToString::to_string)
    });
    in_query.or_else(|| request.header("x-app").filter(|name| !name.is_empty()).map(str::to_owned))
}

/// The name of the host, as NocoBase's `getHostname` has it.
fn host(request: &Request) -> Option<String> {
    let given = |name| request.header(name).filter(|text: &&str| !text.is_empty());
    if let Some(name) = given("x-hostname") {
        return Some(name.to_owned());
    }
    let host = given("x-forwarded-host").or_else(|| given("host")).or_else(|| request.uri().host())?;
    let first = host.split(',').next().unwrap_or_default().trim();
    // Before an `@` is no host.
    let host = first.rsplit('@').next().unwrap_or_default();
    host.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What NocoBase's gateway says of an application that does not answer.
fn answer(name: &str, unserved: Unserved) -> Response {
    let (status, code, what) = match unserved {
        Unserved::Unknown => (StatusCode::NOT_FOUND, "APP_NOT_FOUND", "not found"),
        Unserved::Starting => {
            (StatusCode::SERVICE_UNAVAILABLE, "APP_PREPARING", "is preparing, please wait patiently")
        }
        Unserved::Broken => (StatusCode::SERVICE_UNAVAILABLE, "APP_ERROR", "cannot be served at the moment"),
    };
    let error = Value::object([
        ("status", Value::Number(status.as_u16().into())),
        ("message", Value::from(format!("application {name} {what}"))),
        ("maintaining", Value::Bool(true)),
        ("code", Value::from(code)),
    ]);
    let body = json::stringify_or_null(&Value::object([("error", error)]));
    let response = Response::builder().status(status).content_type("application/json");
    match unserved {
        Unserved::Unknown => response.body(body),
        _ => response.header("retry-after", RETRY_AFTER_SECONDS).body(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let request = Request::builder().uri(uri.parse().expect("a URL"));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).finish()
    }

    #[test]
    fn the_query_comes_before_the_header() {
        let both = [("x-app", "a")];
        assert_eq!(named(&request("/?__appName=b", &both)).as_deref(), Some("b"));
        assert_eq!(named(&request("/?__appName[]=b", &both)).as_deref(), Some("a"));
        assert_eq!(named(&request("/", &[("x-app", "")])), None);
    }

    #[test]
    fn hosts_are_named_as_nocobase_names_them() {
        for (headers, expected) in [
            (&[("host", "a.example:80")][..], Some("a.example")),
            (&[("host", "a"), ("x-forwarded-host", "b:1, c")], Some("b")),
            (&[("host", "a"), ("x-hostname", "d")], Some("d")),
            (&[("host", "user@e:80")], Some("e")),
            (&[], None),
        ] {
            assert_eq!(host(&request("/", headers)).as_deref(), expected, "{headers:?}");
        }
    }
}
