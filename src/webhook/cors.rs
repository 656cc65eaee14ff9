//! Calls from pages of other origins, as browsers ask for leave (the Fetch standard): `sidehook.cors`, or NocoBase's
//! own `CORS_ORIGIN_WHITELIST` where a trigger says nothing.
//!
//! What is answered is what NocoBase answers (`resolveCorsOrigin` in `packages/core/server/src/helper.ts`,
//! `packages/core/utils/src/cors.ts` and `@koa/cors` 5): preflights with 204, the origin reflected where it is allowed,
//! credentials for origins that are named only, and headers on refusals as well.

use std::collections::BTreeSet;
use std::time::Duration;

use super::admission::{Fault, Members, unusable};
use super::head::Head;
use crate::expr::Value;
use crate::field;

/// The methods that `@koa/cors` allows. What a webhook answers is decided when it is asked.
const METHODS: &str = "GET,HEAD,PUT,POST,DELETE,PATCH";
/// What NocoBase lets pages read beside the headers that they can always read.
const EXPOSED: &str = "content-disposition,x-new-token";

/// Whose pages may read answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Cors {
    origins: Origins,
    /// Whether answers to requests with credentials may be read.
    credentials: bool,
    exposed: String,
    /// Those that a page may send; all that it asks for where none are named.
    headers: Option<String>,
    max_age: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
enum Origins {
    None,
    Any,
    Some(BTreeSet<String>),
}

impl Cors {
    /// What NocoBase does with this `CORS_ORIGIN_WHITELIST`, a list between commas. Without one, pages of all origins
    /// may read answers, and with credentials those of its own only.
    pub fn of_whitelist(whitelist: Option<&str>) -> Self {
        let listed =
            whitelist.unwrap_or_default().split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
        let is_any = listed.contains("*");
        let (origins, credentials) = match whitelist.filter(|text| !text.is_empty()) {
            None => (Origins::Any, false),
            Some(_) if is_any => (Origins::Any, true),
            Some(_) => (Origins::Some(listed), true),
        };
        Self { origins, credentials, exposed: EXPOSED.to_owned(), headers: None, max_age: None }
    }

    /// `sidehook.cors`: `false`, or `{origins, credentials, headers, exposedHeaders, maxAge}`; none where there is
    /// nothing.
    pub fn parse(config: &Value) -> Result<Option<Self>, Fault> {
        const KNOWN: [&str; 5] = ["origins", "credentials", "headers", "exposedHeaders", "maxAge"];
        if config.is_nullish() {
            return Ok(None);
        }
        if let Value::Bool(false) = config {
            return Ok(Some(Self { origins: Origins::None, ..Self::of_whitelist(None) }));
        }
        if config.as_object().is_none() {
            return Err(unusable("sidehook.cors", "has to be false or an object with `origins`"));
        }
        let members = Members::of("sidehook.cors", config, &KNOWN)?;
        let origins = members.needed("origins", members.texts("origins"))?;
        let is_any = origins == ["*"];
        if !is_any && !origins.iter().all(|origin| is_origin(origin)) {
            let form =
                "has to be a list of origins such as https://shop.example, without a path, or \"*\" alone";
            return Err(members.fault("origins", form));
        }
        let credentials = members.flag("credentials")?.unwrap_or(false);
        if is_any && credentials {
            return Err(members.fault(
                "credentials",
                "has to be false where `origins` is \"*\": every page could act for those who visit it",
            ));
        }
        let origins = if is_any {
            Origins::Any
        } else {
            Origins::Some(origins.into_iter().map(str::to_owned).collect())
        };
        let names = |name| {
            let names = members.texts(name)?;
            match names {
                Some(names) if !names.iter().all(|name| field::is_token(name)) => {
                    Err(members.fault(name, "has to be a list of names of headers"))
                }
                names => Ok(names.map(|names| names.join(","))),
            }
        };
        let exposed = names("exposedHeaders")?.unwrap_or_else(|| EXPOSED.to_owned());
        let max_age = members.duration("maxAge")?;
        Ok(Some(Self { origins, credentials, exposed, headers: names("headers")?, max_age }))
    }

    /// The headers of the answer to a preflight, which has the status 204 and no body; none for what is no preflight, or
    /// comes from a page that may not call.
    pub fn preflight(&self, head: &Head) -> Option<Vec<(String, String)>> {
        if head.method != "OPTIONS" || head.header("access-control-request-method").is_none_or(str::is_empty)
        {
            return None;
        }
        let mut headers = self.allowed(head)?;
        if let Some(age) = self.max_age {
            headers.push(("Access-Control-Max-Age".to_owned(), age.as_secs().to_string()));
        }
        headers.push(("Access-Control-Allow-Methods".to_owned(), METHODS.to_owned()));
        let asked = head.header("access-control-request-headers").filter(|asked| is_list(asked));
        if let Some(allowed) = self.headers.as_deref().or(asked) {
            headers.push(("Access-Control-Allow-Headers".to_owned(), allowed.to_owned()));
        }
        Some(headers)
    }

    /// Adds to the headers of an answer what lets pages read it. What a workflow says itself counts.
    pub fn mark(&self, head: &Head, said: &mut Vec<(String, String)>) {
        let is_set = |name: &str| said.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let allowed = self.allowed(head).filter(|_| head.method != "OPTIONS");
        let mut headers = allowed.unwrap_or_else(|| vec![vary()]);
        if headers.len() > 1 && !self.exposed.is_empty() {
            headers.push(("Access-Control-Expose-Headers".to_owned(), self.exposed.clone()));
        }
        headers.retain(|(name, _)| !is_set(name) || (name == "Vary" && head.method != "OPTIONS"));
        said.extend(headers);
    }

    /// The headers for a page that may call; none for others. Caches have to know in either case that the answer
    /// depends on the origin.
    fn allowed(&self, head: &Head) -> Option<Vec<(String, String)>> {
        let origin = head.header("origin").filter(|origin| !origin.is_empty())?;
        let is_own = is_own(head, origin);
        let (is_allowed, is_named) = match &self.origins {
            Origins::None => (false, false),
            Origins::Any => (true, is_own || self.credentials),
            Origins::Some(origins) => (is_own || origins.contains(origin), self.credentials),
        };
        let mut headers = vec![vary(), ("Access-Control-Allow-Origin".to_owned(), origin.to_owned())];
        if is_named {
            headers.push(("Access-Control-Allow-Credentials".to_owned(), "true".to_owned()));
        }
        is_allowed.then_some(headers)
    }
}

fn vary() -> (String, String) {
    ("Vary".to_owned(), "Origin".to_owned())
}

/// Whether a page comes from where the request goes to, as NocoBase sees it: through proxies that say so. A sender can
/// say so as well, but a page that somebody visits cannot.
fn is_own(head: &Head, origin: &str) -> bool {
    let first = |name| {
        let value = head.header(name)?.split(',').next()?.trim();
        (!value.is_empty()).then_some(value)
    };
    let scheme = first("x-forwarded-proto").unwrap_or("http").to_ascii_lowercase();
    let host = first("x-forwarded-host").or_else(|| head.header("host"));
    host.is_some_and(|host| origin == format!("{scheme}://{host}"))
}

/// `scheme://host:port` in the form in which browsers send it.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
}

/// Names between commas.
fn is_list(text: &str) -> bool {
    text.split(',').all(|name| field::is_token(name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn parse(config: &str) -> Result<Option<Cors>, String> {
        Cors::parse(&json::parse(config.as_bytes()).expect("JSON in a test")).map_err(|fault| fault.text)
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Head { method: method.to_owned(), headers: headers.collect(), ..Head::default() }
    }

    fn texts(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn marked(cors: &Cors, request: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        cors.mark(&head("POST", request), &mut headers);
        headers
    }

    const SHOP: (&str, &str) = ("origin", "https://shop.example");
    const PREFLIGHT: (&str, &str) = ("access-control-request-method", "POST");

    #[test]
    fn without_a_list_every_origin_is_reflected() {
        let cors = Cors::of_whitelist(None);
        assert_eq!(Cors::of_whitelist(Some("")), cors);
        let asked = ("access-control-request-headers", "content-type, x-a");
        let preflight = cors.preflight(&head("OPTIONS", &[SHOP, PREFLIGHT, asked])).expect("an answer");
        let expected = [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", "https://shop.example"),
            ("Access-Control-Allow-Methods", "GET,HEAD,PUT,POST,DELETE,PATCH"),
            ("Access-Control-Allow-Headers", "content-type, x-a"),
        ];
        assert_eq!(texts(&preflight), expected);
        let expected = [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", "https://shop.example"),
            ("Access-Control-Expose-Headers", "content-disposition,x-new-token"),
        ];
        assert_eq!(texts(&marked(&cors, &[SHOP])), expected);
        assert_eq!(marked(&cors, &[]), [vary()], "no page has sent it");
    }

    #[test]
    fn what_is_no_preflight_is_none() {
        let cors = Cors::of_whitelist(None);
        for (method, request) in [
            ("OPTIONS", vec![SHOP]),
            ("OPTIONS", vec![PREFLIGHT]),
            ("POST", vec![SHOP, PREFLIGHT]),
            ("OPTIONS", vec![]),
        ] {
            assert_eq!(cors.preflight(&head(method, &request)), None, "{method} {request:?}");
        }
    }

    #[test]
    fn a_list_names_who_may_call_and_with_credentials() {
        let cors = Cors::of_whitelist(Some(" https://shop.example , https://b.example"));
        let credentials = ("Access-Control-Allow-Credentials".to_owned(), "true".to_owned());
        assert!(marked(&cors, &[SHOP]).contains(&credentials));
        assert_eq!(marked(&cors, &[("origin", "https://evil.example")]), [vary()]);
        assert_eq!(cors.preflight(&head("OPTIONS", &[("origin", "https://evil.example"), PREFLIGHT])), None);
        assert!(marked(&Cors::of_whitelist(Some("*")), &[SHOP]).contains(&credentials));
        for own in [
            [("origin", "http://nb.example:8080"), ("host", "nb.example:8080"), ("x", "")],
            [("origin", "https://nb.example"), ("host", "app"), ("x-forwarded-proto", "https, http")],
        ] {
            let mut request = own.to_vec();
            if own[1].1 == "app" {
                request.push(("x-forwarded-host", "nb.example"));
            }
            assert!(marked(&cors, &request).contains(&credentials), "{own:?}");
        }
    }

    #[test]
    fn a_trigger_can_say_it_for_itself() {
        let cors = parse(
            r#"{"origins":["https://shop.example"],"credentials":true,"headers":["content-type","X-A"],
                "exposedHeaders":"x-request-id","maxAge":"10m"}"#,
        );
        let cors = cors.expect("good").expect("a policy");
        let asked = ("access-control-request-headers", "x-other");
        let preflight = cors.preflight(&head("OPTIONS", &[SHOP, PREFLIGHT, asked])).expect("an answer");
        let said = texts(&preflight);
        for expected in [
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Max-Age", "600"),
            ("Access-Control-Allow-Headers", "content-type,X-A"),
        ] {
            assert!(said.contains(&expected), "{said:?}");
        }
        let off = parse("false").expect("good").expect("a policy");
        assert_eq!(marked(&off, &[SHOP]), [vary()]);
        assert_eq!(off.preflight(&head("OPTIONS", &[SHOP, PREFLIGHT])), None);
        assert_eq!(parse("null"), Ok(None));
    }

    #[test]
    fn headers_of_the_workflow_itself_count() {
        let own = ("access-control-allow-origin".to_owned(), "*".to_owned());
        let mut headers = vec![own.clone()];
        Cors::of_whitelist(None).mark(&head("POST", &[SHOP]), &mut headers);
        let origins = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&own.0));
        assert_eq!(origins.collect::<Vec<_>>(), [&own]);
    }

    #[test]
    fn other_configurations_are_faults() {
        for (config, place) in [
            ("true", "sidehook.cors"),
            ("\"*\"", "sidehook.cors"),
            ("{}", "sidehook.cors.origins"),
            (r#"{"origins":[]}"#, "sidehook.cors.origins"),
            (r#"{"origins":["shop.example"]}"#, "sidehook.cors.origins"),
            (r#"{"origins":["https://shop.example/"]}"#, "sidehook.cors.origins"),
            (r#"{"origins":["*","https://shop.example"]}"#, "sidehook.cors.origins"),
            (r#"{"origins":"null"}"#, "sidehook.cors.origins"),
            (r#"{"origins":"*","credentials":true}"#, "sidehook.cors.credentials"),
            (r#"{"origins":"*","headers":["a b"]}"#, "sidehook.cors.headers"),
            (r#"{"origins":"*","maxAge":0}"#, "sidehook.cors.maxAge"),
            (r#"{"origins":"*","methods":["GET"]}"#, "sidehook.cors.methods"),
        ] {
            let fault = parse(config).expect_err(config);
            assert!(fault.starts_with(&format!("`{place}` of its trigger ")), "{config}: {fault}");
        }
    }
}
