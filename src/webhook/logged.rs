//! What the request log keeps of a request: which of them have a row and which a body (`sidehook.log`), with a mark in
//! place of everything that is or proves a secret.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::admission::{Credential, Fault, unusable};
use super::head::Head;
use super::withheld::{is_credential, is_withheld};
use crate::expr::Value;

/// Stands where a credential or a signature was.
pub const MARK: &str = "[withheld]";

/// Nothing longer is kept of a path, a query or a header, in bytes: heads have a limit of their own, which is far higher.
pub const LONGEST: usize = 8 << 10;

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// Requests that were refused or have failed, with their bodies.
    Refused,
    /// All requests, and the bodies of those that were refused or have failed.
    #[default]
    All,
    /// All requests with their bodies.
    Bodies,
}

impl Level {
    /// `off`, `refused`, `all` or `bodies`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "refused" => Some(Self::Refused),
            "all" => Some(Self::All),
            "bodies" => Some(Self::Bodies),
            _ => None,
        }
    }

    /// Reads `sidehook.log`; none where it is absent or null.
    pub fn parse(config: &Value) -> Result<Option<Self>, Fault> {
        if config.is_nullish() {
            return Ok(None);
        }
        let level = config.as_str().and_then(Self::named);
        let fault = || unusable("sidehook.log", "has to be `off`, `refused`, `all` or `bodies`");
        level.map(Some).ok_or_else(fault)
    }

    /// Whether a request has a row that has failed, or has not.
    pub fn keeps(self, has_failed: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Refused => has_failed,
            Self::All | Self::Bodies => true,
        }
    }

    /// Whether that row has the body.
    pub fn keeps_body(self, has_failed: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Refused | Self::All => has_failed,
            Self::Bodies => true,
        }
    }
}

/// The head of a request, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    pub path: String,
    pub query: String,
    /// JSON: a list of `[name, value]`.
    pub headers: String,
}

/// Headers that hold nothing secret whoever is asked.
const HARMLESS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "origin",
    "transfer-encoding",
    "user-agent",
    "x-forwarded-for",
    "x-request-id",
];

/// Where the senders of a webhook put what lets them in.
#[derive(Clone, Debug)]
pub enum Secrets<'a> {
    /// There, and where names tell of it.
    At(Vec<Credential<'a>>),
    /// Perhaps anywhere: the webhook is not known, or its configuration cannot be read.
    Unknown,
}

impl Secrets<'_> {
    fn has_header(&self, name: &str) -> bool {
        // Most headers are: nobody has to look for words in their names.
        let is_harmless = HARMLESS.contains(&name);
        match self {
            Self::At(own) => {
                own.contains(&Credential::Header(name))
                    || !is_harmless && (is_credential(name) || is_withheld(name))
            }
            Self::Unknown => !is_harmless,
        }
    }

    fn has_parameter(&self, name: &str) -> bool {
        is_withheld(name)
            || match self {
                Self::At(own) => own.contains(&Credential::Query(name)),
                Self::Unknown => name != "filterByTk",
            }
    }
}

/// The head of a request with a mark in place of its secrets. `params` is what a custom path has found.
pub fn masked(head: &Head, secrets: &Secrets<'_>, params: &Value) -> Masked {
    let headers: Vec<(&str, Cow<'_, str>)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            // A proxy may repeat the URL.
            let value = match value.split_once('?') {
                _ if secrets.has_header(name) => Cow::Borrowed(MARK),
                Some((before, query)) => format!("{before}?{}", masked_query(query, secrets)).into(),
                None => Cow::Borrowed(value.as_str()),
            };
            (name.as_str(), taken(value))
        })
        .collect();
    Masked {
        path: plain(masked_path(&head.path, params)),
        query: plain(masked_query(&head.query, secrets)),
        // Texts in lists are always JSON.
        headers: serde_json::to_string(&headers).unwrap_or_default(),
    }
}

fn masked_query(query: &str, secrets: &Secrets<'_>) -> String {
    if query.is_empty() {
        return String::new();
    }
    let pair = |pair: &str| {
        let Some((name, _)) = pair.split_once('=') else {
            let is_open = pair.is_empty() || matches!(secrets, Secrets::At(_));
            return if is_open { pair.to_owned() } else { MARK.to_owned() };
        };
        let decoded = percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned();
        if secrets.has_parameter(&decoded) { format!("{name}={MARK}") } else { pair.to_owned() }
    };
    query.split('&').map(pair).collect::<Vec<_>>().join("&")
}

/// A path without the parameters whose names tell of a secret (`hooks/:token`).
fn masked_path(path: &str, params: &Value) -> String {
    let params = params.as_object().into_iter().flat_map(|params| params.iter());
    let secrets: Vec<String> = params
        .filter(|(name, _)| is_withheld(name))
        .filter_map(|(_, value)| value.as_str().map(str::to_owned))
        .collect();
    if secrets.is_empty() {
        return path.to_owned();
    }
    let segment = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        if secrets.iter().any(|secret| *secret == decoded) { MARK.to_owned() } else { segment.to_owned() }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A text that every database takes, up to a length.
pub fn plain<'a>(text: impl Into<Cow<'a, str>>) -> String {
    taken(text.into()).into_owned()
}

fn taken(text: Cow<'_, str>) -> Cow<'_, str> {
    // PostgreSQL stores no NUL.
    if text.len() <= LONGEST && !text.contains('\0') {
        return text;
    }
    let end = text.floor_char_boundary(LONGEST);
    text[..end].replace('\0', "\u{fffd}").into()
}

/// A body on its way in, as far as it is kept.
#[derive(Clone, Debug, Default)]
pub struct Received {
    kept: Vec<u8>,
    size: usize,
    digest: Sha256,
}

impl Received {
    /// Takes the next part, and keeps `kept` bytes of it.
    pub fn take(&mut self, part: &[u8], kept: usize) {
        // What is kept is the beginning of all.
        let kept = if self.is_cut() { 0 } else { kept.min(part.len()) };
        self.kept.extend_from_slice(&part[..kept]);
        self.size += part.len();
        self.digest.update(part);
    }

    /// How many bytes are kept.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Of all that has arrived, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// SHA-256 of all that has arrived; none of nothing.
    pub fn sha256(&self) -> Option<String> {
        (self.size > 0).then(|| hex::encode(self.digest.clone().finalize()))
    }

    fn is_cut(&self) -> bool {
        self.kept.len() < self.size
    }

    /// What is kept, as text, and how that is written: `utf-8`, else `base64`. None where there is no body.
    pub fn text(&self) -> Option<(String, &'static str)> {
        if self.kept.is_empty() {
            return None;
        }
        let text = match std::str::from_utf8(&self.kept) {
            Ok(text) => Some(text),
            // A character that the cut goes through.
            Err(err) if self.is_cut() && err.error_len().is_none() => {
                std::str::from_utf8(&self.kept[..err.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        Some(match text.filter(|text| !text.contains('\0')) {
            Some(text) => (text.to_owned(), "utf-8"),
            None => {
                (base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.kept), "base64")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let headers = [
            ("authorization", "Basic c2VjcmV0"),
            ("x-hub-signature-256", "sha256=abc"),
            ("x-own", "hidden"),
            ("x-original-uri", "/a?token=hidden&b=1"),
            ("content-type", "text/plain"),
        ];
        Head {
            method: "POST".to_owned(),
            path: "/hooks/hid%64en/x".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            query: "a=1&api%4bey=hidden&code=hidden&l[token]=hidden&flag".to_owned(),
        }
    }

    #[test]
    fn no_harmless_header_tells_of_a_secret() {
        for name in HARMLESS {
            assert!(!is_credential(name) && !is_withheld(name), "{name}");
        }
    }

    #[test]
    fn secrets_have_a_mark_in_their_place() {
        let own = Secrets::At(vec![Credential::Header("x-own"), Credential::Query("code")]);
        let params = Value::object([("token", Value::from("hidden"))]);
        let masked = masked(&head(), &own, &params);
        assert_eq!(masked.query, "a=1&api%4bey=[withheld]&code=[withheld]&l[token]=[withheld]&flag");
        assert_eq!(masked.path, "/hooks/[withheld]/x");
        let all = format!("{masked:?}");
        for secret in ["hidden", "c2VjcmV0", "abc"] {
            assert!(!all.contains(secret), "{all}");
        }
        assert!(masked.headers.contains(r#"["x-original-uri","/a?token=[withheld]&b=1"]"#), "{all}");
        assert!(masked.headers.contains(r#"["content-type","text/plain"]"#), "{all}");
    }

    #[test]
    fn where_secrets_may_be_anywhere_little_is_kept() {
        let masked = masked(&head(), &Secrets::Unknown, &Value::Undefined);
        assert!(masked.query.starts_with("a=[withheld]&api"), "{}", masked.query);
        assert!(masked.headers.contains(r#"["x-own","[withheld]"]"#), "{}", masked.headers);
        assert!(masked.headers.contains(r#"["content-type","text/plain"]"#), "{}", masked.headers);
    }

    #[test]
    fn a_body_is_text_where_it_can_be() {
        let received = |parts: &[&[u8]], limit: usize| {
            let mut received = Received::default();
            parts.iter().for_each(|part| received.take(part, limit.saturating_sub(received.kept())));
            (received.text(), received.size())
        };
        let text = |text: &str, size| (Some((text.to_owned(), "utf-8")), size);
        assert_eq!(received(&[b"ab", b"cd"], 10), text("abcd", 4));
        assert_eq!(received(&[b"ab", b"cd"], 3), text("abc", 4));
        assert_eq!(received(&["aé".as_bytes()], 2), text("a", 3), "not half of a character");
        assert_eq!(received(&[b"a\0"], 9), (Some(("YQA=".to_owned(), "base64")), 2));
        assert_eq!(received(&[b"\xff"], 9), (Some(("/w==".to_owned(), "base64")), 1));
        assert_eq!(received(&[], 9), (None, 0));
        let mut all = Received::default();
        all.take(b"abc", 0);
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(all.sha256().as_deref(), Some(digest));
    }

    #[test]
    fn levels_say_what_is_kept() {
        let kept = |level: Level| [false, true].map(|failed| (level.keeps(failed), level.keeps_body(failed)));
        assert_eq!(kept(Level::Off), [(false, false); 2]);
        assert_eq!(kept(Level::Refused), [(false, false), (true, true)]);
        assert_eq!(kept(Level::All), [(true, false), (true, true)]);
        assert_eq!(kept(Level::Bodies), [(true, true); 2]);
        assert!(Level::parse(&Value::from("some")).is_err());
        assert!(Level::parse(&Value::Bool(true)).is_err());
        assert_eq!(Level::parse(&Value::Null), Ok(None));
    }
}
