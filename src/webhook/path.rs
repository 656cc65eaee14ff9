//! Custom paths, `sidehook.path` of a trigger such as `orders/:id`: what they may look like, which workflow
//! gets one that several want, and whose path a request has.

use std::collections::HashMap;
use std::fmt;

use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_decode_str, percent_encode, utf8_percent_encode,
};

use crate::expr::{Object, Value};

/// The first segment of the URLs of `/health/…`.
const HEALTH: &str = "health";

/// What stays as it is when a segment is brought into its one form: RFC 3986 calls these unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path that a workflow is to be served at. Slashes at its begin and end don't count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// Decoded.
    Text(String),
    /// `:name`: any text but an empty one.
    Parameter(String),
}

/// Why a path cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is not a text")]
    NoText,
    #[error("it has an empty segment")]
    EmptySegment,
    #[error("it has a segment of dots, which clients resolve before they send a path")]
    Dots,
    #[error("it contains one of the characters ? # *")]
    Reserved,
    #[error("its parameter {0:?} has to be a colon and a name of letters, digits, - and _")]
    BadName(String),
    #[error("it has two parameters of the name {0}")]
    RepeatedName(String),
}

/// A workflow that is to be served at a path.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Of the workflow's version: the lower one is the older.
    pub id: i64,
    /// The workflow's key.
    pub key: &'a str,
    pub path: &'a Result<Pattern, Fault>,
}

/// A claim that was turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// The workflow's key.
    pub key: String,
    pub reason: Reason,
}

/// Why a claim was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("its custom path cannot be used: {0}")]
    Unusable(#[from] Fault),
    #[error("its custom path {path} is among the server's own URLs below {prefix}")]
    OwnUrl { path: Pattern, prefix: String },
    #[error("its custom path {path} belongs to the older workflow with the key {owner}")]
    Taken { path: Pattern, owner: String },
}

/// Which workflow is served at which path. Where several patterns match a path, fixed segments count more
/// than parameters, and the first segments most.
#[derive(Debug)]
pub struct Table {
    /// The first segments of the URLs that the server keeps for itself.
    own: Vec<Vec<String>>,
    keys: matchit::Router<String>,
}

/// What a path leads to.
#[derive(Debug)]
pub struct Found<'a> {
    /// The workflow's key.
    pub key: &'a str,
    /// The path's parameters as texts: an object.
    pub params: Value,
}

impl Pattern {
    /// Reads `sidehook.path`; `None` where there is none.
    pub fn of_config(path: &Value) -> Option<Result<Self, Fault>> {
        path.is_truthy().then(|| path.as_str().ok_or(Fault::NoText).and_then(Self::parse))
    }

    /// Reads a path such as `orders/:id`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut pattern = Self { segments: Vec::new() };
        for part in text.trim().trim_matches('/').split('/') {
            let segment = Segment::parse(part)?;
            if let Segment::Parameter(name) = &segment
                && pattern.segments.contains(&segment)
            {
                return Err(Fault::RepeatedName(name.clone()));
            }
            pattern.segments.push(segment);
        }
        Ok(pattern)
    }

    fn is_below(&self, prefix: &[String]) -> bool {
        let mut segments = self.segments.iter();
        prefix.iter().all(|own| matches!(segments.next(), Some(Segment::Text(text)) if text == own))
    }

    /// The pattern as matchit writes it; `name` says what a parameter is called.
    fn route(&self, name: impl Fn(&str) -> String) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Text(text) => format!("/{}", utf8_percent_encode(text, ENCODED)),
            Segment::Parameter(parameter) => format!("/{{{}}}", name(parameter)),
        };
        self.segments.iter().map(segment).collect()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Text(text) => write!(f, "/{text}"),
            Segment::Parameter(name) => write!(f, "/:{name}"),
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "" => Err(Fault::EmptySegment),
            "." | ".." => Err(Fault::Dots),
            text if text.contains(['?', '#', '*']) => Err(Fault::Reserved),
            text => match text.strip_prefix(':') {
                Some(name) if is_name(name) => Ok(Segment::Parameter(name.to_owned())),
                Some(_) => Err(Fault::BadName(text.to_owned())),
                None => Ok(Segment::Text(percent_decode_str(text).decode_utf8_lossy().into_owned())),
            },
        }
    }
}

/// What a template can read as `$context.params.<name>`.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

impl Table {
    /// Gives the paths out, to the oldest workflow first. `api_base_path` is that of the settings.
    pub fn build<'a>(
        api_base_path: &str,
        claims: impl IntoIterator<Item = Claim<'a>>,
    ) -> (Self, Vec<Unserved>) {
        let mut claims: Vec<Claim<'_>> = claims.into_iter().collect();
        claims.sort_by_key(|claim| claim.id);
        let api = api_base_path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
        let mut table =
            Self { own: vec![vec![HEALTH.to_owned()], api.collect()], keys: matchit::Router::new() };
        let mut owners = HashMap::new();
        let mut unserved = Vec::new();
        for Claim { key, path, .. } in claims {
            if let Err(reason) = table.give(path, key, &mut owners) {
                unserved.push(Unserved { key: key.to_owned(), reason });
            }
        }
        (table, unserved)
    }

    /// `owners` are the keys of the workflows so far, by the shapes of their paths.
    fn give(
        &mut self,
        path: &Result<Pattern, Fault>,
        key: &str,
        owners: &mut HashMap<String, String>,
    ) -> Result<(), Reason> {
        let path = path.as_ref().map_err(Fault::clone)?;
        if let Some(prefix) = self.own.iter().find(|prefix| path.is_below(prefix)) {
            return Err(Reason::OwnUrl { path: path.clone(), prefix: format!("/{}", prefix.join("/")) });
        }
        let shape = path.route(|_| "_".to_owned());
        let taken = |owner: &str| Reason::Taken { path: path.clone(), owner: owner.to_owned() };
        if let Some(owner) = owners.get(&shape) {
            return Err(taken(owner));
        }
        // The routes differ in shape, so none of them is in another's way.
        self.keys.insert(path.route(str::to_owned), key.to_owned()).map_err(|_| taken(key))?;
        owners.insert(shape, key.to_owned());
        Ok(())
    }

    /// Whether the server keeps this path of a request for itself.
    pub fn is_own(&self, path: &str) -> bool {
        let segments: Vec<_> = segments(path).collect();
        let is_below = |prefix: &Vec<String>| {
            let mut segments = segments.iter();
            prefix.iter().all(|own| segments.next().is_some_and(|segment| segment == own.as_bytes()))
        };
        self.own.iter().any(is_below)
    }

    /// The workflow at a path of a request, which is still encoded.
    pub fn find(&self, path: &str) -> Option<Found<'_>> {
        if self.is_own(path) {
            return None;
        }
        let path: String =
            segments(path).map(|segment| format!("/{}", percent_encode(&segment, ENCODED))).collect();
        let found = self.keys.at(&path).ok()?;
        let decode = |value: &str| Value::from(&*percent_decode_str(value).decode_utf8_lossy());
        let params: Object = found.params.iter().map(|(name, value)| (name, decode(value))).collect();
        Some(Found { key: found.value, params: Value::from(params) })
    }
}

/// The decoded segments of a request's path. A slash at its end does not count.
fn segments(path: &str) -> impl Iterator<Item = Vec<u8>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(|segment| percent_decode(segment.as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn build(paths: &[&str]) -> (Table, Vec<String>) {
        let patterns: Vec<_> = paths.iter().map(|path| Pattern::parse(path)).collect();
        // The last is the oldest.
        let claims = paths.iter().zip(&patterns).enumerate().map(|(i, (key, path))| Claim {
            id: -(i as i64),
            key,
            path,
        });
        let (table, unserved) = Table::build("/v1/api/", claims);
        (table, unserved.into_iter().map(|one| format!("{}: {}", one.key, one.reason)).collect())
    }

    fn found(table: &Table, path: &str) -> String {
        let text = |found: Found<'_>| format!("{} {}", found.key, json::stringify_or_null(&found.params));
        table.find(path).map_or_else(|| "none".to_owned(), text)
    }

    #[test]
    fn patterns_read_back_and_bad_ones_say_why() {
        let cases = [
            ("orders/:id", "/orders/:id"),
            (" /orders/new/ ", "/orders/new"),
            ("caf%C3%A9/{x}:y", "/café/{x}:y"),
            ("a//b", "it has an empty segment"),
            ("/", "it has an empty segment"),
            ("a/../b", "it has a segment of dots, which clients resolve before they send a path"),
            ("a/*", "it contains one of the characters ? # *"),
            ("a?b=c", "it contains one of the characters ? # *"),
            (":", r#"its parameter ":" has to be a colon and a name of letters, digits, - and _"#),
            ("a/:b.c", r#"its parameter ":b.c" has to be a colon and a name of letters, digits, - and _"#),
            (":a/x/:a", "it has two parameters of the name a"),
        ];
        for (text, expected) in cases {
            let read = Pattern::parse(text);
            assert_eq!(
                read.map_or_else(|fault| fault.to_string(), |path| path.to_string()),
                expected,
                "{text}"
            );
        }
        let of = |config: &str| Pattern::of_config(&json::parse(config.as_bytes()).expect("JSON in a test"));
        assert_eq!([of("null"), of("false"), of(r#""""#)], [None, None, None]);
        assert_eq!(of("5"), Some(Err(Fault::NoText)));
    }

    #[test]
    fn fixed_segments_win_and_parameters_are_decoded() {
        let (table, unserved) =
            build(&["orders/:id", "orders/new", "orders/:key/lines", ":a/x", "größe", "{b}"]);
        assert!(unserved.is_empty(), "{unserved:?}");
        let cases = [
            ("/orders/5", r#"orders/:id {"id":"5"}"#),
            ("/orders/5/", r#"orders/:id {"id":"5"}"#),
            ("/orders/new", "orders/new {}"),
            ("/%6frders/%6Eew", "orders/new {}"),
            ("/orders/newer", r#"orders/:id {"id":"newer"}"#),
            ("/orders/a%2Fb%20c+%FF", "orders/:id {\"id\":\"a/b c+\u{fffd}\"}"),
            ("/orders/new/lines", r#"orders/:key/lines {"key":"new"}"#),
            ("/orders/x", r#"orders/:id {"id":"x"}"#),
            ("/other/x", r#":a/x {"a":"other"}"#),
            ("/gr%C3%B6%C3%9Fe", "größe {}"),
            ("/%7Bb%7D", "{b} {}"),
            ("/Orders/5", "none"),
            ("/orders", "none"),
            ("/orders/", "none"),
            ("/orders//lines", "none"),
            ("/", "none"),
            ("", "none"),
        ];
        for (path, expected) in cases {
            assert_eq!(found(&table, path), expected, "{path}");
        }
    }

    #[test]
    fn the_older_workflow_keeps_a_path_and_the_server_keeps_its_own() {
        let (table, unserved) = build(&[
            "a/:x",
            "a/:y",
            "a/y",
            "v1/api/x",
            "v1/:x",
            "health",
            "health/x",
            ":any/live",
            "v1/api2/x",
            "a/*",
        ]);
        let expected = [
            "a/*: its custom path cannot be used: it contains one of the characters ? # *",
            "health/x: its custom path /health/x is among the server's own URLs below /health",
            "health: its custom path /health is among the server's own URLs below /health",
            "v1/api/x: its custom path /v1/api/x is among the server's own URLs below /v1/api",
            "a/:x: its custom path /a/:x belongs to the older workflow with the key a/:y",
        ];
        assert_eq!(unserved, expected);
        assert_eq!(found(&table, "/a/1"), r#"a/:y {"y":"1"}"#);
        assert_eq!(found(&table, "/v1/x"), r#"v1/:x {"x":"x"}"#);
        assert_eq!(found(&table, "/v1/api2/x"), "v1/api2/x {}");
        assert_eq!(found(&table, "/x/live"), r#":any/live {"any":"x"}"#);
        for own in ["/v1/api", "/v1/api/", "/v1/%61pi/x", "/health/live", "/health"] {
            assert!(table.is_own(own), "{own}");
            assert_eq!(found(&table, own), "none", "{own}");
        }
    }

    #[test]
    fn below_a_base_path_of_a_slash_all_is_the_servers() {
        let path = Pattern::parse("a");
        let (table, unserved) = Table::build("/", [Claim { id: 1, key: "k", path: &path }]);
        assert_eq!(unserved.len(), 1);
        assert!(table.find("/a").is_none());
    }

    proptest! {
        #[test]
        fn any_paths_make_a_table(
            patterns in proptest::collection::vec("(/?(:?[ab]|\\{|\\*|%7D|é|\\PC)){0,4}", 0..6),
            path in "(/(a|b|%7B|%FF|\\PC)?){0,4}",
        ) {
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let (table, unserved) = build(&patterns);
            prop_assert!(unserved.len() <= patterns.len());
            let _ = table.find(&path);
        }

        #[test]
        fn a_path_is_found_at_its_own_pattern(name in "[^/?#*:.%\\s\\p{C}][^/?#*%\\s\\p{C}]{0,8}") {
            prop_assume!(name != HEALTH);
            let (table, unserved) = build(&[&name]);
            prop_assert_eq!(unserved, Vec::<String>::new());
            let sent = format!("/{}", utf8_percent_encode(&name, ENCODED));
            prop_assert_eq!(found(&table, &sent), format!("{name} {{}}"));
        }
    }
}
