//! Whether a request carries the proof that a way to sign asks for: finds signatures and times, puts together what was
//! signed. A rule is a row of the list of schemes, or what a configuration says.

use std::borrow::Cow;
use std::time::Duration;

use super::algorithm::{Algorithm, Encoding, Key, KeyForm};
use super::row::{Part, Place, Row, Stamp, Unit};
use crate::expr::{Value, json};
use crate::webhook::head::Head;

/// Signatures of one request that are looked at. Senders give one for each secret that is in use.
const MOST_SIGNATURES: usize = 20;

/// The most values of a body that is read for what it says about its own signature.
const MOST_VALUES: usize = 100_000;

/// A way to sign, see [`Row`].
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub header: Cow<'static, str>,
    pub prefix: Cow<'static, str>,
    pub separator: Option<char>,
    pub encoding: Encoding,
    pub algorithm: Algorithm,
    pub key: KeyForm,
    pub signed: Cow<'static, [Part]>,
    pub stamp: Option<Cow<'static, Stamp>>,
    pub id: Option<Cow<'static, str>>,
}

/// A request whose signature is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub head: &'a Head,
    pub body: &'a [u8],
    /// The URL that the sender was told, as the configuration has it.
    pub url: Option<&'a str>,
    /// Milliseconds since 1970.
    pub now: f64,
    /// How far the time of the sender may be from the own one.
    pub tolerance: Duration,
}

impl Rule {
    pub(super) fn of(row: &'static Row) -> Self {
        Self {
            header: row.header.into(),
            prefix: row.prefix.into(),
            separator: row.separator,
            encoding: row.encoding,
            algorithm: row.algorithm,
            key: row.key,
            signed: row.signed.into(),
            stamp: row.stamp.map(Cow::Borrowed),
            id: row.id.map(Cow::Borrowed),
        }
    }

    /// Whether the URL is part of what is signed.
    pub(super) fn signs_url(&self) -> bool {
        self.signed.iter().any(|part| matches!(part, Part::Url | Part::DecodedUrl))
    }

    /// Whether one of the signatures of a request is right under one of the keys, and not old.
    pub(super) fn is_proven(&self, keys: &[Key], message: &Message<'_>) -> bool {
        let listed = self.listed(message.head);
        let Some(stamp) = self.stamp_of_head(message.head, &listed) else { return false };
        let is_recent = |stamp: &str, unit: Unit| message.is_recent(unit.milliseconds(stamp));
        if self.stamp.as_ref().is_some_and(|known| known.is_in_head() && !is_recent(stamp, known.unit)) {
            return false;
        }
        let given = listed.iter().filter_map(|text| text.strip_prefix(&*self.prefix));
        let given: Vec<&str> = given.filter(|text| !text.is_empty()).take(MOST_SIGNATURES).collect();
        let mut is_proven = false;
        for key in keys {
            let parts: Option<Vec<_>> =
                self.signed.iter().map(|part| self.part(part, key, stamp, message)).collect();
            let Some(parts) = parts else { return false };
            is_proven |= self.algorithm.proves(key, &parts, &given, self.encoding);
        }
        is_proven && self.is_body_recent(message)
    }

    /// What the header lists, blanks around it left out.
    fn listed<'a>(&self, head: &'a Head) -> Vec<&'a str> {
        let values = head.headers.iter().filter(|(name, _)| *name == self.header).map(|(_, value)| &**value);
        match self.separator {
            Some(separator) => values.flat_map(|value| value.split(separator)).map(str::trim).collect(),
            None => values.map(str::trim).collect(),
        }
    }

    /// The time of the delivery as it is written before the body; empty where there is none to be.
    fn stamp_of_head<'a>(&'a self, head: &'a Head, listed: &[&'a str]) -> Option<&'a str> {
        match self.stamp.as_deref().map(|stamp| &stamp.place) {
            None | Some(Place::Member(_)) => Some(""),
            Some(Place::Header(name)) => head.header(name),
            Some(Place::Beside(prefix)) => listed.iter().find_map(|text| text.strip_prefix(&**prefix)),
        }
    }

    fn is_body_recent(&self, message: &Message<'_>) -> bool {
        let Some(Stamp { place: Place::Member(name), unit }) = self.stamp.as_deref() else { return true };
        let stamp = parse_object(message.body).map(|body| body.member(name));
        let stamp = stamp.and_then(|stamp| match stamp {
            Value::Number(number) => unit.milliseconds(&format!("{number:.0}")),
            stamp => unit.milliseconds(stamp.as_str()?),
        });
        message.is_recent(stamp)
    }

    /// The bytes of a part of what is signed; none where the request does not have it.
    pub(super) fn part<'a>(
        &'a self,
        part: &'a Part,
        key: &'a Key,
        stamp: &'a str,
        message: &Message<'a>,
    ) -> Option<Cow<'a, [u8]>> {
        let head = message.head;
        Some(match part {
            Part::Body => message.body.into(),
            Part::Stamp => bytes(stamp),
            Part::Id => bytes(head.header(self.id.as_deref()?)?),
            Part::Text(text) => text.as_bytes().into(),
            Part::Header(name) => bytes(head.header(name)?),
            Part::Secret => key.into(),
            Part::Method => head.method.as_bytes().into(),
            Part::Path => head.path.as_bytes().into(),
            Part::Query => head.query.as_bytes().into(),
            Part::Url => message.signed_url()?.into_bytes().into(),
            Part::DecodedUrl => decoded(&message.signed_url()?).into_bytes().into(),
        })
    }
}

impl Message<'_> {
    /// The URL that the sender has called: that of the configuration, with the query of the request. One without a
    /// path is that of the server, whose paths are those of requests.
    pub(super) fn signed_url(&self) -> Option<String> {
        let url = self.url?;
        let base = url.split_once('?').map_or(url, |(base, _)| base);
        let has_path = base.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let path = if has_path { "" } else { &*self.head.path };
        let query = &self.head.query;
        let mark = if query.is_empty() { "" } else { "?" };
        Some(format!("{base}{path}{mark}{query}"))
    }

    /// Whether a time is near enough to now; not when there is none.
    pub(super) fn is_recent(&self, milliseconds: Option<f64>) -> bool {
        let tolerance = self.tolerance.as_secs_f64() * 1000.0;
        milliseconds.is_some_and(|time| (self.now - time).abs() <= tolerance)
    }
}

impl Stamp {
    fn is_in_head(&self) -> bool {
        !matches!(self.place, Place::Member(_))
    }
}

impl Unit {
    /// Milliseconds since 1970; none for a text of another form.
    pub fn milliseconds(self, text: &str) -> Option<f64> {
        let digits = || {
            let is_number = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse::<f64>().ok()).flatten()
        };
        match self {
            Self::Seconds => digits().map(|seconds| seconds * 1000.0),
            Self::Milliseconds => digits(),
            Self::Date => {
                chrono::DateTime::parse_from_rfc3339(text).ok().map(|date| date.timestamp_millis() as f64)
            }
        }
    }
}

/// A JSON body that has to be read before anybody is let in, so with a limit of its own.
pub fn parse_object(body: &[u8]) -> Option<Value> {
    let limits = json::Limits { values: MOST_VALUES, take: &|_| true };
    json::parse_within(body, limits).ok().filter(|body| body.as_object().is_some())
}

/// The bytes of a header, which came as ISO 8859-1.
fn bytes(header: &str) -> Cow<'_, [u8]> {
    match header.is_ascii() {
        true => header.as_bytes().into(),
        false => crate::field::bytes(header).unwrap_or_default().into(),
    }
}

/// What HubSpot decodes before it signs
/// (<https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests>).
fn decoded(url: &str) -> String {
    const ESCAPES: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    ESCAPES.iter().fold(url.to_owned(), |url, (escape, sign)| url.replace(escape, sign))
}
