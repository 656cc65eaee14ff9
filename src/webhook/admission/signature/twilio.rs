//! Twilio's signature: over the URL and the sorted fields of a form, or over a URL that has the digest of any other
//! body (<https://www.twilio.com/docs/usage/webhooks/webhooks-security>).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::form;
use super::rule::Message;
use super::settings::{self, members};
use crate::expr::Value;
use crate::webhook::admission::check::{Admit, Credential, Parsed};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

pub(super) const HEADER: &str = "x-twilio-signature";

#[derive(Debug)]
struct Twilio {
    secrets: Vec<Secret>,
    url: String,
}

/// `{secret | secrets, url}`: the auth token, and the URL that Twilio was told.
pub(super) fn parse(config: &Value) -> Parsed {
    let members = members(config, &["secret", "secrets", "url"])?;
    let secrets = settings::secrets(&members, "secret", "secrets")?;
    Ok(Some(Box::new(Twilio { secrets, url: settings::url(&members)? })))
}

impl Admit for Twilio {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let body = body.unwrap_or_default();
        let url = Some(&*self.url);
        let message = Message { head, body, url, now: facts.now, tolerance: Duration::ZERO };
        let keys = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
        let signed = signed(&message).ok_or_else(settings::unproven)?;
        let given: Vec<&str> = head.header(HEADER).into_iter().collect();
        let is_proof = |key: &[u8]| {
            Algorithm::HmacSha1.proves(key, &[Cow::Borrowed(signed.as_bytes())], &given, Encoding::Base64)
        };
        let is_proven = keys.iter().map(|(_, key)| is_proof(key)).fold(false, |any, this| any | this);
        if is_proven { Ok(()) } else { Err(settings::unproven()) }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }

    fn credentials(&self) -> Vec<Credential<'_>> {
        vec![Credential::Header(HEADER)]
    }
}

/// What is signed; none where the body is not covered by it.
fn signed(message: &Message<'_>) -> Option<String> {
    let mut signed = message.signed_url()?;
    if message.body.is_empty() {
        return Some(signed);
    }
    let Some(fields) = form::fields(message.head, message.body) else {
        return is_digest_right(message).then_some(signed);
    };
    // Of a repeated name each value counts once, as in Twilio's own libraries.
    let mut sorted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    for (name, values) in &sorted {
        values.iter().for_each(|value| signed.extend([&**name, &**value]));
    }
    Some(signed)
}

fn is_digest_right(message: &Message<'_>) -> bool {
    let query = form_urlencoded::parse(message.head.query.as_bytes());
    let mut given = query.filter(|(name, _)| name == "bodySHA256").map(|(_, value)| value);
    let (Some(given), None) = (given.next(), given.next()) else { return false };
    let made = hex::encode(digest(&SHA256, message.body));
    given.as_bytes().ct_eq(made.as_bytes()).into()
}
