//! Mailgun's signature, which is a part of the body and signs a time and a random token only
//! (<https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks>).

use std::time::Duration;

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::form;
use super::row::Unit;
use super::rule::{self, Message};
use super::settings::{self, members};
use crate::expr::Value;
use crate::webhook::admission::check::{Admit, Parsed};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

#[derive(Debug)]
struct Mailgun {
    secrets: Vec<Secret>,
    tolerance: Duration,
}

/// What the body says of its own signature.
struct Claim {
    timestamp: String,
    token: String,
    signature: String,
}

/// `{secret | secrets, tolerance}`: the HTTP webhook signing key.
pub(super) fn parse(config: &Value) -> Parsed {
    let members = members(config, &["secret", "secrets", "tolerance"])?;
    let secrets = settings::secrets(&members, "secret", "secrets")?;
    Ok(Some(Box::new(Mailgun { secrets, tolerance: settings::tolerance(&members)? })))
}

impl Admit for Mailgun {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let body = body.unwrap_or_default();
        let keys = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
        let claim = Claim::read(head, body).ok_or_else(settings::unproven)?;
        let signed = [claim.timestamp.as_bytes().into(), claim.token.as_bytes().into()];
        let given = [&*claim.signature];
        let is_proof = |key: &[u8]| Algorithm::HmacSha256.proves(key, &signed, &given, Encoding::Hex);
        let is_proven = keys.iter().map(|(_, key)| is_proof(key)).fold(false, |any, this| any | this);
        let message = Message { head, body, url: None, now: facts.now, tolerance: self.tolerance };
        let is_recent = message.is_recent(Unit::Seconds.milliseconds(&claim.timestamp));
        if is_proven && is_recent { Ok(()) } else { Err(settings::unproven()) }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }
}

impl Claim {
    /// JSON of webhooks has an object, forms of routes have fields.
    fn read(head: &Head, body: &[u8]) -> Option<Self> {
        let claim = match form::fields(head, body) {
            Some(fields) => Value::object(fields.into_iter().map(|(name, value)| (name, Value::from(value)))),
            None => rule::parse_object(body)?.member("signature"),
        };
        let find = |name: &str| match claim.member(name) {
            Value::Number(number) => Some(format!("{number:.0}")),
            value => value.as_str().map(str::to_owned),
        };
        Some(Self { timestamp: find("timestamp")?, token: find("token")?, signature: find("signature")? })
    }
}
