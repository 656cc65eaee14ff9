//! Feishu and Lark: a digest with the Encrypt Key in it, bodies encrypted with that key, and a Verification Token in the
//! body (<https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/encrypt-key-encryption-configuration-case>).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::envelope;
use super::row::{HMAC, Part, Row, Stamp, Unit};
use super::rule::{self, Message, Rule};
use super::settings;
use crate::expr::Value;
use crate::webhook::admission::check::{Admit, Fault, Parsed};
use crate::webhook::admission::members::Members;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

/// The members of a configuration beside `scheme` or `type`.
pub const MEMBERS: [&str; 5] = ["secret", "secrets", "token", "tokens", "tolerance"];

const ROW: Row = Row {
    header: "x-lark-signature",
    algorithm: Algorithm::Sha256,
    signed: &[Part::Stamp, Part::header("x-lark-request-nonce"), Part::Secret, Part::Body],
    stamp: Some(&Stamp::header("x-lark-request-timestamp", Unit::Seconds)),
    ..HMAC
};

/// What Feishu is known by: at least one of both.
#[derive(Debug)]
pub struct Feishu {
    /// Encrypt Keys.
    secrets: Vec<Secret>,
    /// Verification Tokens.
    tokens: Vec<Secret>,
    tolerance: Duration,
    rule: Rule,
}

/// `{secret | secrets, token | tokens, tolerance}`: the Encrypt Key and the Verification Token of the app.
pub fn parse(config: &Value) -> Parsed {
    Ok(Some(Box::new(Feishu::of_members(&settings::members(config, &MEMBERS)?)?)))
}

impl Feishu {
    pub fn of_members(members: &Members<'_>) -> Result<Self, Fault> {
        let some = |one, several| match members.has(one) || members.has(several) {
            true => settings::secrets(members, one, several),
            false => Ok(Vec::new()),
        };
        let (secrets, tokens) = (some("secret", "secrets")?, some("token", "tokens")?);
        if secrets.is_empty() && tokens.is_empty() {
            return Err(members
                .fault_of_all("has to have `secret`, the Encrypt Key, or `token`, the Verification Token"));
        }
        Ok(Self { secrets, tokens, tolerance: settings::tolerance(members)?, rule: Rule::of(&ROW) })
    }

    /// The body as Feishu means it, its token found right. Whether it is signed is not looked at.
    pub fn read(&self, body: &[u8], facts: &Facts) -> Result<Vec<u8>, Refusal> {
        let value = rule::parse_object(body).ok_or_else(settings::unproven)?;
        let opened = match value.member("encrypt").as_str() {
            Some(encrypted) => {
                let keys = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
                let opened = keys.iter().find_map(|(_, key)| decrypt(key, encrypted));
                opened.ok_or_else(settings::unproven)?
            }
            None => body.to_vec(),
        };
        if !self.tokens.is_empty() {
            let value = rule::parse_object(&opened).ok_or_else(settings::unproven)?;
            let given = [value.member("token"), value.member("header").member("token")];
            let given: Vec<&str> = given.iter().filter_map(Value::as_str).collect();
            let tokens = settings::keys(&self.tokens, &[KeyForm::Text], &facts.env)?;
            let is_right = |token: &[u8]| Algorithm::Token.proves(token, &[], &given, Encoding::Plain);
            if !tokens.iter().map(|(_, token)| is_right(token)).fold(false, |any, this| any | this) {
                return Err(settings::unproven());
            }
        }
        Ok(opened)
    }
}

impl Admit for Feishu {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let body = body.unwrap_or_default();
        if !self.secrets.is_empty() {
            let keys = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
            let keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
            let message = Message { head, body, url: None, now: facts.now, tolerance: self.tolerance };
            if !self.rule.is_proven(&keys, &message) {
                return Err(settings::unproven());
            }
        }
        self.read(body, facts).map(drop)
    }

    fn open(&self, _: &Head, body: &[u8], facts: &Facts) -> Result<Option<Vec<u8>>, Refusal> {
        self.read(body, facts).map(Some)
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().chain(&self.tokens).collect()
    }
}

/// AES-256-CBC under the digest of the key, behind its initialization vector.
fn decrypt(key: &[u8], encrypted: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(encrypted).ok()?;
    let (iv, rest) = bytes.split_at_checked(16)?;
    envelope::decrypt(digest(&SHA256, key).as_ref(), iv, rest, 16)
}
