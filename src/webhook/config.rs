//! The configuration of a webhook trigger, `workflows.config`: parsed once per version of a workflow.
//!
//! Nothing here fails. What has another shape than expected counts as not configured, except for basic
//! authentication, which then lets nobody in.

use std::fmt;

use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::path::{Fault, Pattern};
use crate::expr::path::Path;
use crate::expr::{Array, Object, Template, Value};

/// The trigger of one version of a workflow.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// `basicAuthentication`
    pub basic_auth: BasicAuth,
    /// `request`: the items to pick; `None` when the configuration has none at all.
    pub request: Option<Request>,
    /// `response`: the answer of an asynchronous workflow.
    pub response: Response,
    /// `sidehook.path`: where the workflow is served beside its own URLs.
    pub path: Option<Result<Pattern, Fault>>,
    /// `sidehook.context` is `"full"`.
    full_context: bool,
    /// Members of `sidehook` that this version knows nothing of.
    pub unknown_extensions: Vec<String>,
}

/// The members of `sidehook` that count.
const EXTENSIONS: [&str; 2] = ["context", "path"];

/// What `basicAuthentication` asks for.
#[derive(Clone, Debug)]
pub enum BasicAuth {
    /// Absent or falsy.
    Off,
    /// `{username, password}`
    Credentials(Credentials),
    /// Switched on without a user name and a password that could be compared.
    Unusable,
}

/// A user name and a password. Only their digests are kept: they have one length, so comparing them takes the
/// same time whatever was sent.
#[derive(Clone)]
pub struct Credentials {
    username: [u8; 32],
    password: [u8; 32],
}

/// The parts of a request that go into the context.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub headers: Vec<HeaderItem>,
    pub query: Vec<Item>,
    pub body: Vec<Item>,
}

/// A header to pick.
#[derive(Clone, Debug)]
pub struct HeaderItem {
    /// In lower case.
    pub header: String,
    /// The name in the context: `_var`, else `key` as it is written.
    pub name: String,
}

/// A part of the query or of the body to pick.
#[derive(Clone, Debug)]
pub struct Item {
    pub place: Place,
    /// The name in the context: `_var`, else `key`.
    pub name: String,
}

/// Where an item is found.
#[derive(Clone, Debug)]
pub enum Place {
    /// A lodash path.
    Path(Path),
    /// A key that is a JSONPath (RFC 9535). One that can find a single value at most (`$.a[0]`) is
    /// `singular` and gives that value; any other gives an array of all values found.
    JsonPath { query: JpQuery, singular: bool },
}

/// The configured answer: `{statusCode, headers: [{name, value}], body}`, each with placeholders.
#[derive(Clone, Debug)]
pub struct Response {
    pub status_code: Template,
    pub headers: Template,
    pub body: Template,
}

impl Response {
    /// Whether the answer depends on the execution's context.
    pub fn has_placeholders(&self) -> bool {
        [&self.status_code, &self.headers, &self.body].iter().any(|template| template.has_placeholders())
    }
}

impl Trigger {
    /// Reads `workflows.config`, whatever it is.
    pub fn parse(config: &Value) -> Self {
        let request = config.member("request");
        let response = config.member("response");
        let sidehook = config.member("sidehook");
        Self {
            basic_auth: BasicAuth::parse(&config.member("basicAuthentication")),
            request: request.as_object().map(|_| Request::parse(&request)),
            response: Response {
                status_code: Template::parse(&response.member("statusCode")),
                headers: Template::parse(&response.member("headers")),
                body: Template::parse(&response.member("body")),
            },
            path: Pattern::of_config(&sidehook.member("path")),
            full_context: sidehook.member("context").as_str() == Some("full"),
            unknown_extensions: unknown_extensions(&sidehook),
        }
    }

    /// Whether the context holds the request as a whole: when asked for, or when no item could be picked
    /// because the configuration has no `request`.
    pub fn has_full_context(&self) -> bool {
        self.full_context || self.request.is_none()
    }
}

impl BasicAuth {
    fn parse(config: &Value) -> Self {
        if !config.is_truthy() {
            return BasicAuth::Off;
        }
        let (username, password) = (config.member("username"), config.member("password"));
        match (username.as_str(), password.as_str()) {
            (Some(username), Some(password)) => {
                BasicAuth::Credentials(Credentials::new(username.as_bytes(), password.as_bytes()))
            }
            _ => BasicAuth::Unusable,
        }
    }
}

impl Credentials {
    /// A user name and a password as bytes, in UTF-8 by RFC 7617.
    pub fn new(username: &[u8], password: &[u8]) -> Self {
        Self { username: Sha256::digest(username).into(), password: Sha256::digest(password).into() }
    }

    /// Compares both parts, also when the first already differs.
    pub fn equals(&self, other: &Self) -> bool {
        let username = self.username.ct_eq(&other.username);
        let password = self.password.ct_eq(&other.password);
        (username & password).into()
    }
}

/// Prints nothing of them: passwords can be guessed from a digest.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Request {
    fn parse(config: &Value) -> Self {
        let header = |(key, name): (String, String)| HeaderItem { header: key.to_ascii_lowercase(), name };
        let item = |(key, name): (String, String)| Item { place: Place::parse(&key), name };
        Self {
            headers: named_keys(&config.member("headers")).map(header).collect(),
            query: named_keys(&config.member("query")).map(item).collect(),
            body: named_keys(&config.member("body")).map(item).collect(),
        }
    }
}

impl Place {
    /// A key that starts with `$` is a JSONPath if it reads as one. `$filter` does not, and is a path like
    /// any other: query parameters and JSON members have such names.
    fn parse(key: &str) -> Self {
        match key.starts_with('$').then(|| parse_json_path(key)) {
            Some(Ok(query)) => {
                let singular = query.segments.iter().all(is_singular);
                Place::JsonPath { query, singular }
            }
            _ => Place::Path(Path::parse(key)),
        }
    }
}

fn is_singular(segment: &Segment) -> bool {
    matches!(segment, Segment::Selector(Selector::Name(_) | Selector::Index(_)))
}

fn unknown_extensions(sidehook: &Value) -> Vec<String> {
    let names = sidehook.as_object().into_iter().flat_map(Object::iter).map(|(name, _)| name.to_string());
    names.filter(|name| !EXTENSIONS.contains(&name.as_str())).collect()
}

/// The keys of a list of `{key, alias, _var}` with their names in the context. (`alias` is for people only.)
fn named_keys(list: &Value) -> impl Iterator<Item = (String, String)> {
    let items = list.as_array().map(Array::items).unwrap_or_default();
    items.iter().filter_map(|item| {
        let text = |member| item.member(member).as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let key = text("key")?;
        let name = text("_var").unwrap_or_else(|| key.clone());
        Some((key, name))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn parse(config: &str) -> Trigger {
        Trigger::parse(&json::parse(config.as_bytes()).expect("JSON in a test"))
    }

    fn is_json_path(key: &str) -> Option<bool> {
        match Place::parse(key) {
            Place::Path(_) => None,
            Place::JsonPath { singular, .. } => Some(singular),
        }
    }

    #[test]
    fn items_are_named_by_var_or_key() {
        let trigger = parse(
            r#"{"request":{"headers":[{"key":"X-One"},{"key":"Date","alias":"at","_var":"when"}],
                "query":[{"key":"a.b","_var":""}],"body":[{"key":"c","_var":"body_$0"}]}}"#,
        );
        let request = trigger.request.expect("a request is configured");
        let headers: Vec<_> = request.headers.iter().map(|item| (&*item.header, &*item.name)).collect();
        assert_eq!(headers, [("x-one", "X-One"), ("date", "when")]);
        assert_eq!(request.query[0].name, "a.b");
        assert_eq!(request.body[0].name, "body_$0");
    }

    #[test]
    fn keys_that_read_as_json_path_are_json_path() {
        let cases = [
            ("$", Some(true)),
            ("$.a[0]['b c']", Some(true)),
            ("$[-1]", Some(true)),
            ("$.a[*].b", Some(false)),
            ("$..a", Some(false)),
            ("$[0,1]", Some(false)),
            ("$.a[?@.b > 1]", Some(false)),
            ("$filter", None),
            ("$.a[", None),
            ("$[?bad", None),
            ("a.$", None),
        ];
        for (key, expected) in cases {
            assert_eq!(is_json_path(key), expected, "{key}");
        }
    }

    #[test]
    fn the_context_is_full_when_asked_for_or_when_nothing_can_be_picked() {
        let cases = [
            ("null", true),
            ("{}", true),
            (r#"{"request":null}"#, true),
            (r#"{"request":[]}"#, true),
            (r#"{"request":{}}"#, false),
            (r#"{"request":{},"sidehook":{"context":"full"}}"#, true),
            (r#"{"request":{},"sidehook":{"context":true}}"#, false),
            (r#"{"request":{},"sidehook":"full"}"#, false),
        ];
        for (config, expected) in cases {
            assert_eq!(parse(config).has_full_context(), expected, "{config}");
        }
    }

    #[test]
    fn extensions_that_are_not_known_are_named() {
        let trigger = parse(r#"{"sidehook":{"path":"a/:b","context":"full","signature":{},"auth":null}}"#);
        assert_eq!(trigger.path.map(|path| path.map(|path| path.to_string())), Some(Ok("/a/:b".to_owned())));
        assert_eq!(trigger.unknown_extensions, ["signature", "auth"]);
        assert!(parse(r#"{"sidehook":["path"]}"#).path.is_none());
    }

    #[test]
    fn items_of_another_shape_are_left_out() {
        let trigger = parse(
            r#"{"request":{"headers":{},"query":"a",
                "body":[null,1,"a",[],{},{"key":""},{"key":5},{"key":"b"}]}}"#,
        );
        let request = trigger.request.expect("a request is configured");
        assert!(request.headers.is_empty() && request.query.is_empty());
        assert_eq!(request.body.iter().map(|item| &*item.name).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn credentials_are_equal_in_both_parts_and_are_not_printed() {
        let credentials = Credentials::new(b"alice", b"secret");
        assert!(credentials.equals(&Credentials::new(b"alice", b"secret")));
        for (username, password) in [("alice", "Secret"), ("bob", "secret"), ("", ""), ("alicesecret", "")] {
            assert!(!credentials.equals(&Credentials::new(username.as_bytes(), password.as_bytes())));
        }
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
    }

    proptest! {
        #[test]
        fn any_key_is_a_place(key in "\\PC{0,40}", path in "\\$[\\[\\].*?@$'\",:()&|!<>=a-c0-9 -]{0,30}") {
            let _ = (Place::parse(&key), Place::parse(&path));
        }

        #[test]
        fn any_configuration_is_read(value in "[\\[\\]{}:,0]{0,10}") {
            let part = json::parse(value.as_bytes()).unwrap_or_default();
            for key in ["request", "response", "basicAuthentication", "sidehook"] {
                Trigger::parse(&Value::object([(key, part.clone())]));
            }
        }
    }
}
