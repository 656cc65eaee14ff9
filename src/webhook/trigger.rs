//! The configuration of a webhook trigger, `workflows.config`: parsed once per version of a workflow.
//!
//! Nothing here fails. What has another shape than expected in NocoBase's own part counts as not configured. What
//! this version does not know or cannot use in `sidehook` is a fault, with which nobody is let in.

use super::admission::{self, Admission, Fault};
use super::body;
use super::challenge::Challenge;
use super::cors::Cors;
use super::delivery::Idempotency;
use super::filter::Filter;
use super::json_path::JsonPath;
use super::logged::Level;
use super::path::{self, Pattern};
use super::response::Response;
use super::secret::Secret;
use crate::expr::path::Path;
use crate::expr::{Array, Object, Value};

/// The trigger of one version of a workflow.
#[derive(Debug)]
pub struct Trigger {
    /// Who is let in.
    pub admission: Admission,
    /// `request`: the items to pick; `None` when the configuration has none at all.
    pub request: Option<Request>,
    /// `response`: the answer of an asynchronous workflow.
    pub response: Response,
    /// `sidehook.challenge`: what is answered at once, before a workflow is run.
    pub challenge: Option<Challenge>,
    /// `sidehook.path`: where the workflow is served beside its own URLs.
    pub path: Option<Result<Pattern, path::Fault>>,
    /// `sidehook.parse` and `sidehook.rawBody`: how bodies are read.
    pub body: body::Options,
    /// `sidehook.cors`, where it says something of its own.
    pub cors: Option<Cors>,
    /// `sidehook.filter`: which requests are worth an execution.
    pub filter: Option<Filter>,
    /// `sidehook.idempotency`: by what several deliveries of one event are known.
    pub idempotency: Option<Idempotency>,
    /// `sidehook.log`: what is kept of its requests, where it says something of its own.
    pub log: Option<Level>,
    /// `sidehook.context` is `"full"`.
    full_context: bool,
    /// What is wrong with `sidehook`, but for its checks.
    faults: Vec<Fault>,
}

/// The members of `sidehook` beside those of [`admission::CHECKS`].
const EXTENSIONS: [&str; 9] =
    ["challenge", "context", "cors", "filter", "idempotency", "log", "parse", "path", "rawBody"];

/// The members of `sidehook` that this version knows.
pub fn members() -> impl Iterator<Item = &'static str> {
    EXTENSIONS.into_iter().chain(admission::extensions())
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
    /// A key that is a JSONPath. One that can find a single value at most (`$.a[0]`) gives that value; any
    /// other gives an array of all values found.
    JsonPath(JsonPath),
}

impl Trigger {
    /// Reads `workflows.config`, whatever it is.
    pub fn parse(config: &Value) -> Self {
        let request = config.member("request");
        let request = request.as_object().map(|_| Request::parse(&request));
        let is_picked_from = request.as_ref().is_some_and(|request| !request.body.is_empty());
        let response = config.member("response");
        let sidehook = config.member("sidehook");
        let path = Pattern::of_config(&sidehook.member("path"));
        let (full_context, mut faults) = (sidehook.member("context"), unknown(&sidehook));
        let is_full = full_context.as_str() == Some("full");
        if !full_context.is_nullish() && !is_full {
            faults
                .push(Fault::unusable("`sidehook.context` of its trigger is not \"full\": nobody is let in"));
        }
        let body = used(body::Options::parse(&sidehook, is_picked_from), &mut faults);
        let filter = used(Filter::parse(&sidehook.member("filter")), &mut faults);
        let idempotency = used(Idempotency::parse(&sidehook), &mut faults);
        let log = used(Level::parse(&sidehook.member("log")), &mut faults);
        let cors = used(Cors::parse(&sidehook.member("cors")), &mut faults);
        if let Some(Err(fault)) = &path {
            faults
                .push(Fault::unusable(format!("its custom path cannot be used: {fault}: nobody is let in")));
        }
        let challenge = Challenge::parse(&sidehook.member("challenge"), &sidehook.member("signature"));
        let challenge = challenge.unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        Self {
            admission: Admission::parse(config),
            challenge,
            request,
            response: Response::parse(&response),
            path,
            body,
            cors,
            filter,
            idempotency,
            log,
            full_context: is_full,
            faults,
        }
    }

    /// Everything that is wrong with the configuration.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().chain(&self.admission.faults)
    }

    /// The secrets that it goes by, so that it can be said which of them are missing.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let challenge = self.challenge.iter().flat_map(Challenge::secrets);
        self.admission.secrets().chain(challenge)
    }

    /// Why nobody is let in, whatever is sent.
    pub fn unusable(&self) -> Option<&Fault> {
        self.faults().find(|fault| fault.refusal.is_none())
    }

    /// Whether the context holds the request as a whole: when asked for, or when no item could be picked
    /// because the configuration has no `request`.
    pub fn has_full_context(&self) -> bool {
        self.full_context || self.request.is_none()
    }

    /// The JSONPaths of the items.
    pub fn json_paths(&self) -> impl Iterator<Item = &JsonPath> {
        let items = self.request.iter().flat_map(|request| request.query.iter().chain(&request.body));
        items.filter_map(|item| match &item.place {
            Place::JsonPath(path) => Some(path),
            Place::Path(_) => None,
        })
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
        match key.starts_with('$').then(|| JsonPath::parse(key)).flatten() {
            Some(path) => Place::JsonPath(path),
            None => Place::Path(Path::parse(key)),
        }
    }
}

/// A part of the configuration, or its default beside a fault with which nobody is let in.
fn used<T: Default>(part: Result<T, Fault>, faults: &mut Vec<Fault>) -> T {
    part.unwrap_or_else(|fault| {
        faults.push(fault);
        T::default()
    })
}

/// What nobody has implemented yet may be meant to keep somebody out.
fn unknown(sidehook: &Value) -> Vec<Fault> {
    if sidehook.is_truthy() && sidehook.as_object().is_none() {
        return vec![Fault::unusable("`sidehook` of its trigger is not an object: nobody is let in")];
    }
    let names = sidehook.as_object().into_iter().flat_map(Object::iter).map(|(name, _)| &**name);
    let is_known = |name: &str| members().any(|known| known == name);
    let fault = |name| {
        Fault::unusable(format!(
            "`sidehook.{name}` of its trigger is not known to this version: nobody is let in"
        ))
    };
    names.filter(|name| !is_known(name)).map(fault).collect()
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
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn parse(config: &str) -> Trigger {
        Trigger::parse(&json::parse(config.as_bytes()).expect("JSON in a test"))
    }

    fn is_json_path(key: &str) -> Option<bool> {
        match Place::parse(key) {
            Place::Path(_) => None,
            Place::JsonPath(path) => Some(path.is_singular()),
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
            (r#"{"request":{},"sidehook":{}}"#, false),
        ];
        for (config, expected) in cases {
            assert_eq!(parse(config).has_full_context(), expected, "{config}");
        }
    }

    fn unusable(sidehook: &str) -> Option<String> {
        parse(&format!(r#"{{"sidehook":{sidehook}}}"#)).unusable().map(|fault| fault.text.clone())
    }

    #[test]
    fn an_extension_that_is_not_known_or_cannot_be_used_is_a_fault() {
        let trigger = parse(r#"{"sidehook":{"path":"a/:b","context":"full"}}"#);
        assert_eq!(trigger.faults().count(), 0);
        assert_eq!(trigger.path.map(|path| path.map(|path| path.to_string())), Some(Ok("/a/:b".to_owned())));
        for usable in ["null", "false", "{}", r#"{"context":null,"path":null}"#, r#"{"path":""}"#] {
            assert_eq!(unusable(usable), None, "{usable}");
        }
        let cases = [
            (
                r#"{"seal":{}}"#,
                "`sidehook.seal` of its trigger is not known to this version: nobody is let in",
            ),
            (
                r#"{"Auth":null}"#,
                "`sidehook.Auth` of its trigger is not known to this version: nobody is let in",
            ),
            (r#"{"cors":{}}"#, "`sidehook.cors.origins` of its trigger is missing: nobody is let in"),
            (r#"{"context":true}"#, "`sidehook.context` of its trigger is not \"full\": nobody is let in"),
            (r#"{"context":"part"}"#, "`sidehook.context` of its trigger is not \"full\": nobody is let in"),
            (r#"{"path":5}"#, "its custom path cannot be used: it is not a text: nobody is let in"),
            (
                r#"{"path":"a//b"}"#,
                "its custom path cannot be used: it has an empty segment: nobody is let in",
            ),
            (r#"["path"]"#, "`sidehook` of its trigger is not an object: nobody is let in"),
            (r#""full""#, "`sidehook` of its trigger is not an object: nobody is let in"),
        ];
        for (config, text) in cases {
            assert_eq!(unusable(config).as_deref(), Some(text), "{config}");
        }
        let trigger = parse(r#"{"basicAuthentication":true}"#);
        assert_eq!((trigger.faults().count(), trigger.unusable()), (1, None));
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

    /// NocoBase's plugin reads the same file: what lets nobody in is not stored.
    #[test]
    fn what_cannot_be_used_is_what_the_plugin_does_not_store() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhook/shapes.json");
        let file = json::parse(&fs::read(file).expect("the file of shapes")).expect("JSON");
        let items = |list: Value| list.as_array().map(|list| list.items().to_vec()).unwrap_or_default();
        let shapes = items(file.member("shapes"));
        assert!(shapes.len() > 100, "{} shapes", shapes.len());
        for shape in shapes {
            let trigger = Trigger::parse(&Value::object([("sidehook", shape.member("sidehook"))]));
            // The place stands first; that of a path is not told.
            let place = |fault: &Fault| fault.text.split('`').nth(1).unwrap_or("sidehook.path").to_owned();
            let found: Vec<String> = trigger.faults().map(place).collect();
            let expected = items(shape.member("faults"));
            assert_eq!(found.len(), expected.len(), "{shape:?}: {found:?}");
            for (found, expected) in found.iter().zip(&expected) {
                // Perhaps at the whole of which the plugin knows the part.
                let expected = expected.as_str().expect("a path");
                let is_there = expected
                    .strip_prefix(&**found)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                assert!(is_there, "{shape:?}: {found}");
            }
        }
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
