//! `hmac`: the scheme whose configuration says itself how a sender signs.

use std::borrow::Cow;

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::row::{Delivery, Part, Place, Stamp, Unit};
use super::rule::Rule;
use super::settings::{self, members};
use super::signed::Signed;
use crate::expr::Value;
use crate::field;
use crate::webhook::admission::check::{Fault, Parsed};
use crate::webhook::admission::members::Members;

const MEMBERS: [&str; 14] = [
    "secret",
    "secrets",
    "tolerance",
    "url",
    "header",
    "prefix",
    "separator",
    "encoding",
    "hash",
    "signed",
    "timestampHeader",
    "timestampUnit",
    "idHeader",
    "key",
];

/// `{secret | secrets, header, prefix, separator, encoding, hash, key, signed, timestampHeader, timestampUnit, idHeader,
/// url, tolerance}`. `signed` is a list of `body`, `timestamp`, `id`, `method`, `path`, `query`, `url`,
/// `header:<name>`, and other texts, which stand for themselves; the body alone unless set.
pub(super) fn parse(config: &Value) -> Parsed {
    let members = members(config, &MEMBERS)?;
    let rule = rule(&members)?;
    let secrets = settings::secrets(&members, "secret", "secrets")?;
    settings::check_forms(&secrets, &members.place_of("secret"), &[rule.key])?;
    let url = match (rule.signs_url(), members.has("url")) {
        (true, _) => Some(settings::url(&members)?),
        (false, true) => return Err(members.fault("url", "is there, but `signed` does not have it")),
        (false, false) => None,
    };
    if rule.stamp.is_none() && members.has("tolerance") {
        return Err(members.fault("tolerance", "is there, but no `timestampHeader`"));
    }
    let tolerance = settings::tolerance(&members)?;
    Ok(Some(Box::new(Signed { rules: vec![rule], secrets, tolerance, url })))
}

/// The way to sign that a configuration says.
pub(super) fn rule_of(config: &Value) -> Result<Rule, Fault> {
    rule(&members(config, &MEMBERS)?)
}

/// `idHeader`
pub(super) fn delivery(config: &Value) -> Option<Delivery> {
    let name = config.member("idHeader").as_str().map(str::to_ascii_lowercase)?;
    Some(Delivery::Header(Cow::Owned(name)))
}

fn rule(members: &Members<'_>) -> Result<Rule, Fault> {
    let encoding = match members.choice("encoding", &["hex", "base64", "base64url"])? {
        Some("base64") => Encoding::Base64,
        Some("base64url") => Encoding::Base64Url,
        _ => Encoding::Hex,
    };
    let algorithm = match members.choice("hash", &["sha256", "sha1", "sha384", "sha512"])? {
        Some("sha1") => Algorithm::HmacSha1,
        Some("sha384") => Algorithm::HmacSha384,
        Some("sha512") => Algorithm::HmacSha512,
        _ => Algorithm::HmacSha256,
    };
    let key = match members.choice("key", &["text", "base64", "hex"])? {
        Some("base64") => KeyForm::MaybePrefixed("whsec_"),
        Some("hex") => KeyForm::Hex,
        _ => KeyForm::Text,
    };
    let separator = |value: &Value| {
        let mut chars = value.as_str()?.chars();
        chars.next().filter(|_| chars.next().is_none())
    };
    let stamp = stamp(members)?;
    let id = members.header("idHeader")?;
    let signed = signed(members, stamp.is_some(), id.is_some())?;
    Ok(Rule {
        header: members.needed("header", members.header("header"))?.into(),
        prefix: members.text("prefix")?.unwrap_or_default().to_owned().into(),
        separator: members.read("separator", "has to be one character", separator)?,
        encoding,
        algorithm,
        key,
        signed: signed.into(),
        stamp: stamp.map(Cow::Owned),
        id: id.map(Cow::Owned),
    })
}

fn stamp(members: &Members<'_>) -> Result<Option<Stamp>, Fault> {
    let unit = match members.choice("timestampUnit", &["seconds", "milliseconds", "date"])? {
        Some("milliseconds") => Unit::Milliseconds,
        Some("date") => Unit::Date,
        _ => Unit::Seconds,
    };
    match members.header("timestampHeader")? {
        Some(name) => Ok(Some(Stamp { place: Place::Header(name.into()), unit })),
        None if members.has("timestampUnit") => {
            Err(members.fault("timestampUnit", "is there, but no `timestampHeader`"))
        }
        None => Ok(None),
    }
}

/// What is not signed is no proof of anything: the body and a time that is looked at have to be.
fn signed(members: &Members<'_>, has_stamp: bool, has_id: bool) -> Result<Vec<Part>, Fault> {
    let Some(texts) = members.read("signed", "has to be a list of texts", texts)? else {
        return match has_stamp {
            true => Err(members
                .fault("signed", "is missing; with a `timestampHeader` it says where the time is signed")),
            false => Ok(vec![Part::Body]),
        };
    };
    let fault = |what: &str| members.fault("signed", what);
    let parts: Option<Vec<Part>> = texts.into_iter().map(part).collect();
    let parts = parts.ok_or_else(|| {
        fault("has a word that is not known; texts that stand for themselves are written `text:…`")
    })?;
    match (parts.contains(&Part::Body), parts.contains(&Part::Stamp), parts.contains(&Part::Id)) {
        (false, _, _) => Err(fault("has to have `body`: what is not signed can be changed")),
        (_, is_signed, _) if is_signed != has_stamp => {
            Err(fault("has to have `timestamp` where there is a `timestampHeader`, and only there"))
        }
        (_, _, true) if !has_id => Err(fault("has `id`, but there is no `idHeader`")),
        _ => Ok(parts),
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    let items = value.as_array()?.items();
    let is_short = (1..=20).contains(&items.len());
    is_short.then(|| items.iter().map(Value::as_str).collect()).flatten()
}

fn part(text: &str) -> Option<Part> {
    Some(match text {
        "body" => Part::Body,
        "timestamp" => Part::Stamp,
        "id" => Part::Id,
        "method" => Part::Method,
        "path" => Part::Path,
        "query" => Part::Query,
        "url" => Part::Url,
        text => match (text.strip_prefix("header:"), text.strip_prefix("text:")) {
            (Some(name), _) => Part::Header(field::is_token(name).then(|| name.to_ascii_lowercase())?.into()),
            (_, Some(fixed)) => Part::Text(fixed.to_owned().into()),
            // Longer words would be taken for a fixed text where a part was meant.
            _ if text.len() > 2 && text.chars().all(char::is_alphabetic) => return None,
            _ => Part::Text(text.to_owned().into()),
        },
    })
}
