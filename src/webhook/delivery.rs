//! `sidehook.idempotency`: by what several deliveries of one event are known. That only the first is run is the
//! engine's business.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::admission::{Fault, Members, signature};
use super::body::qs;
use super::head::Head;
use super::refusal::Refusal;
use super::reply::Reply;
use crate::expr::path::Path;
use crate::expr::{Value, json};
use crate::field;

/// The header that names the execution of an earlier delivery.
const DUPLICATE: &str = "x-sidehook-duplicate";

/// How deliveries are told apart.
#[derive(Clone, Debug)]
pub struct Idempotency {
    from: Source,
    /// After so long a delivery with the same id is another event.
    pub ttl: Option<Duration>,
    /// Whether a delivery without an id is refused.
    is_required: bool,
}

/// Where the id of a delivery stands.
#[derive(Clone, Debug)]
enum Source {
    /// A header, its name in lower case.
    Header(String),
    Query(Path),
    Body(Path),
    /// The body as it came is its own id.
    WholeBody,
    /// Where the sender whose signatures are checked has it.
    Scheme(signature::Delivery),
}

const FORM: &str = "has to be `header:<name>`, `query:<path>`, `body:<path>`, `body` or `signature`";

impl Idempotency {
    /// Reads `{from, ttl, required}`, or `true` for the id that the scheme of `sidehook.signature` has; off where it is
    /// absent, null or false. `from` is that id, too, where it is absent.
    pub fn parse(sidehook: &Value) -> Result<Option<Self>, Fault> {
        const PLACE: &str = "sidehook.idempotency";
        let config = match sidehook.member("idempotency") {
            config if config.is_nullish() => return Ok(None),
            Value::Bool(false) => return Ok(None),
            Value::Bool(true) => Value::object::<&str>([]),
            config => config,
        };
        let members = Members::of(PLACE, &config, &["from", "ttl", "required"])?;
        let of_scheme = || signature::delivery(&sidehook.member("signature")).map(Source::Scheme);
        let read = |from: &Value| match from.as_str()? {
            "signature" => of_scheme(),
            from => Source::parse(from),
        };
        let from = match members.value("from") {
            None => of_scheme().ok_or_else(|| {
                members.fault("from", "is missing, and there is no `sidehook.signature` whose sender has ids")
            })?,
            Some(from) if from.as_str() == Some("signature") => of_scheme().ok_or_else(|| {
                members
                    .fault("from", "is the id of a sender that has none, or whose signatures are not checked")
            })?,
            Some(_) => members.needed("from", members.read("from", FORM, read))?,
        };
        let is_required = members.flag("required")?.unwrap_or(false);
        Ok(Some(Self { from, ttl: members.duration("ttl")?, is_required }))
    }

    /// The id of a delivery; none where it has none and need not have one. `body` is what was made of `bytes`, which are
    /// as they came. Refuses (400) a delivery that lacks the id that it has to have.
    pub fn id_of(&self, head: &Head, bytes: &[u8], body: &Value) -> Result<Option<String>, Refusal> {
        let id = match &self.from {
            Source::Header(name) => head.joined_header(name),
            Source::Query(path) => text_of(&path.get(&qs::parse_query(&head.query))),
            Source::Body(path) => text_of(&path.get(body)),
            Source::WholeBody => (!bytes.is_empty()).then(|| hex::encode(Sha256::digest(bytes))),
            Source::Scheme(delivery) => delivery.find(head, body),
        };
        match id.filter(|id| !id.trim().is_empty()) {
            None if self.is_required => Err(Refusal::bad_request("The delivery has no id.")),
            id => Ok(id),
        }
    }
}

impl Source {
    fn parse(from: &str) -> Option<Self> {
        let (place, name) = from.split_once(':').unwrap_or((from, ""));
        Some(match (place, name) {
            ("body", "") if from == "body" => Self::WholeBody,
            (_, "") => return None,
            ("header", name) if field::is_token(name) => Self::Header(name.to_ascii_lowercase()),
            // A JSONPath would be taken for a lodash path that finds nothing.
            ("query" | "body", name) if name.starts_with(['$', '.']) => return None,
            ("query", path) => Self::Query(Path::parse(path)),
            ("body", path) => Self::Body(Path::parse(path)),
            _ => return None,
        })
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.to_string()),
        value => json::stringify(value),
    }
}

/// `executions.eventKey` of a delivery to a workflow.
pub fn event_key(workflow: &str, id: &str) -> String {
    let digest = Sha256::new().chain_update(workflow).chain_update([0_u8]).chain_update(id).finalize();
    format!("sh:{}", hex::encode(digest))
}

impl Reply {
    /// The same for a delivery whose event is, or was, run for an earlier one.
    pub fn of_duplicate(mut self, execution_id: i64) -> Self {
        self.headers.push((DUPLICATE.to_owned(), execution_id.to_string()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sidehook: &str) -> Result<Option<Idempotency>, String> {
        let sidehook = json::parse(sidehook.as_bytes()).expect("JSON in a test");
        Idempotency::parse(&sidehook).map_err(|fault| fault.text)
    }

    fn usable(sidehook: &str) -> Idempotency {
        parse(sidehook).expect(sidehook).expect("it is on")
    }

    /// The id of a delivery, `-` where it has none.
    fn id(from: &str, body: &str) -> String {
        let head = Head {
            headers: [("x-id", "a"), ("x-id", "b"), ("x-empty", " ")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            query: "q=1&l[a]=2&e=".to_owned(),
            ..Head::default()
        };
        let idempotency = usable(&format!(r#"{{"idempotency":{{"from":"{from}"}}}}"#));
        let value = json::parse(body.as_bytes()).unwrap_or_default();
        let id = idempotency.id_of(&head, body.as_bytes(), &value).expect("it need not have one");
        id.unwrap_or_else(|| "-".to_owned())
    }

    #[test]
    fn ids_are_found_where_they_are_said_to_be() {
        let body = r#"{"id":"i","n":12.50,"o":{"a":[1]},"null":null,"e":"","f":false}"#;
        let cases = [
            ("header:X-Id", "a, b"),
            ("header:x-none", "-"),
            ("header:x-empty", "-"),
            ("query:q", "1"),
            ("query:l.a", "2"),
            ("query:e", "-"),
            ("body:id", "i"),
            ("body:n", "12.5"),
            ("body:o", r#"{"a":[1]}"#),
            ("body:o.a[0]", "1"),
            ("body:f", "false"),
            ("body:null", "-"),
            ("body:e", "-"),
            ("body:none.at.all", "-"),
            ("body:o.a.map", "-"),
        ];
        for (from, expected) in cases {
            assert_eq!(id(from, body), expected, "{from}");
        }
        assert_eq!(id("body", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(id("body", ""), "-");
    }

    #[test]
    fn a_missing_id_is_refused_where_it_has_to_be_there() {
        let required = usable(r#"{"idempotency":{"from":"body:id","required":true,"ttl":"7d"}}"#);
        assert_eq!(required.ttl, Some(Duration::from_secs(7 * 86_400)));
        let refused = required.id_of(&Head::default(), b"{}", &Value::Undefined).expect_err("it has no id");
        assert_eq!(refused.status, 400);
    }

    #[test]
    fn the_id_of_the_scheme_is_the_default() {
        let github = r#"{"signature":{"scheme":"github","secret":"s"},"idempotency":@}"#;
        let head =
            Head { headers: vec![("x-github-delivery".to_owned(), "d".to_owned())], ..Head::default() };
        for on in ["true", "{}", r#"{"from":"signature"}"#, r#"{"from":null,"ttl":5}"#] {
            let id = usable(&github.replace('@', on)).id_of(&head, b"", &Value::Undefined);
            assert_eq!(id, Ok(Some("d".to_owned())), "{on}");
        }
        for on in ["true", "{}", r#"{"from":"signature"}"#] {
            let fault = parse(&format!(r#"{{"idempotency":{on}}}"#)).expect_err(on);
            assert!(fault.contains("`sidehook.idempotency.from`"), "{fault}");
        }
    }

    #[test]
    fn other_shapes_are_faults() {
        for off in ["{}", r#"{"idempotency":null}"#, r#"{"idempotency":false}"#] {
            assert!(parse(off).expect(off).is_none(), "{off}");
        }
        let unusable = [
            "5",
            "\"header:x\"",
            "[]",
            r#"{"from":"x-id"}"#,
            r#"{"from":"header:"}"#,
            r#"{"from":"header:a b"}"#,
            r#"{"from":"body:"}"#,
            r#"{"from":"body:$.id"}"#,
            r#"{"from":"cookie:a"}"#,
            r#"{"from":5}"#,
            r#"{"from":"body","ttl":0}"#,
            r#"{"from":"body","ttl":"soon"}"#,
            r#"{"from":"body","required":"yes"}"#,
            r#"{"from":"body","key":"a"}"#,
        ];
        for config in unusable {
            let fault = parse(&format!(r#"{{"idempotency":{config}}}"#)).expect_err(config);
            assert!(fault.contains("`sidehook.idempotency"), "{fault}");
        }
    }

    #[test]
    fn keys_differ_by_workflow_and_id() {
        let key = event_key("ab", "c");
        assert!(key.starts_with("sh:") && key.len() == 67, "{key}");
        assert_eq!(key, event_key("ab", "c"));
        assert!(key != event_key("a", "bc") && key != event_key("ab", "d"));
    }
}
