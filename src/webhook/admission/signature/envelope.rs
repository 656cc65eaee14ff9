//! The encrypted messages of WeCom and of DingTalk's event subscriptions: a digest over sorted texts in the query, and a
//! body in AES (<https://developer.work.weixin.qq.com/document/path/90968>,
//! <https://open.dingtalk.com/document/orgapp/configure-event-subcription>).

use std::borrow::Cow;
use std::time::Duration;

use aes::Aes256;
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use url::form_urlencoded;

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::row::Unit;
use super::rule::{self, Message};
use super::settings;
use crate::expr::{Object, Value, json};
use crate::webhook::admission::check::{Admit, Fault, Parsed};
use crate::webhook::admission::members::Members;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

/// The members of a configuration beside `scheme` or `type`.
pub const MEMBERS: [&str; 5] = ["secret", "secrets", "aesKey", "receiver", "tolerance"];

/// The last of the 43 characters of an `EncodingAESKey` has two bits too many, which may be set.
const LAX: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What opens the messages.
#[derive(Debug)]
pub struct Envelope {
    /// The token of the configuration at the sender.
    secrets: Vec<Secret>,
    aes_key: Secret,
    /// For whom a message has to be: the id of the company, or the key of the app.
    receiver: Option<String>,
    tolerance: Duration,
    unit: Unit,
}

/// `wecom`
pub fn parse_wecom(config: &Value) -> Parsed {
    Ok(Some(Box::new(Envelope::of_members(&settings::members(config, &MEMBERS)?, Unit::Seconds)?)))
}

/// `dingtalk-events`
pub fn parse_dingtalk(config: &Value) -> Parsed {
    Ok(Some(Box::new(Envelope::of_members(&settings::members(config, &MEMBERS)?, Unit::Milliseconds)?)))
}

impl Envelope {
    /// `{secret | secrets, aesKey, receiver, tolerance}`; DingTalk's times are milliseconds.
    pub fn of_members(members: &Members<'_>, unit: Unit) -> Result<Self, Fault> {
        let secrets = settings::secrets(members, "secret", "secrets")?;
        let aes_key = members.needed("aesKey", members.secret("aesKey"))?;
        let literal = Object::new();
        if aes_key.bytes(&literal).is_some_and(|text| key(text).is_none()) {
            return Err(members.fault("aesKey", "has to be the 43 characters of the EncodingAESKey"));
        }
        let receiver = members.text("receiver")?.map(str::to_owned);
        Ok(Self { secrets, aes_key, receiver, tolerance: settings::tolerance(members)?, unit })
    }

    /// Checks that who knows the token has sent a text now, and opens it.
    pub fn open_text(&self, head: &Head, encrypted: &str, facts: &Facts) -> Result<Vec<u8>, Refusal> {
        let tokens = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
        let key = self.key(facts)?;
        let query = |name: &str| single(&head.query, name).ok_or_else(settings::unproven);
        let (timestamp, nonce) = (query("timestamp")?, query("nonce")?);
        let given = query("msg_signature").or_else(|_| query("signature"))?;
        let is_signed = |token: &[u8]| {
            let mut parts = [token, timestamp.as_bytes(), nonce.as_bytes(), encrypted.as_bytes()];
            parts.sort_unstable();
            let parts = parts.map(Cow::Borrowed);
            Algorithm::Sha1.proves(&[], &parts, &[&given], Encoding::Hex)
        };
        let is_proven = tokens.iter().map(|(_, token)| is_signed(token)).fold(false, |any, this| any | this);
        let message = Message { head, body: &[], url: None, now: facts.now, tolerance: self.tolerance };
        if !is_proven || !message.is_recent(self.unit.milliseconds(&timestamp)) {
            return Err(settings::unproven());
        }
        self.decrypt(&key, encrypted).ok_or_else(settings::unproven)
    }

    /// 16 random bytes, the length of the message, the message, the receiver.
    fn decrypt(&self, key: &[u8; 32], encrypted: &str) -> Option<Vec<u8>> {
        let bytes = decrypt(key, &key[..16], &LAX.decode(encrypted).ok()?, 32)?;
        let length = u32::from_be_bytes(bytes.get(16..20)?.try_into().ok()?) as usize;
        let rest = bytes.get(20..)?;
        let (message, receiver) = rest.split_at_checked(length)?;
        let is_for_us = self.receiver.as_ref().is_none_or(|wanted| wanted.as_bytes() == receiver);
        is_for_us.then(|| message.to_vec())
    }

    fn key(&self, facts: &Facts) -> Result<[u8; 32], Refusal> {
        key(self.aes_key.known(&facts.env)?).ok_or_else(|| {
            Refusal::misconfigured().because("the EncodingAESKey of a webhook does not have 43 characters")
        })
    }

    /// An answer in an envelope of its own, as JSON. What has to be new each time comes from the time and the keys:
    /// nothing here can ask for random numbers, and who does not know the keys cannot tell the difference.
    pub fn seal(&self, text: &str, facts: &Facts) -> Result<String, Refusal> {
        let key = self.key(facts)?;
        let tokens = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
        let token = tokens.first().map(|(_, token)| &**token).unwrap_or_default();
        let now = format!("{:.0}", facts.now);
        let seed =
            hex::encode(Algorithm::HmacSha256.made(&key, &[now.as_bytes().into()]).unwrap_or_default());
        let (prefix, nonce) = (seed.get(..16).unwrap_or_default(), seed.get(16..32).unwrap_or_default());
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
        let receiver = self.receiver.as_deref().unwrap_or_default();
        let message = [prefix.as_bytes(), &length, text.as_bytes(), receiver.as_bytes()].concat();
        let encrypted = LAX.encode(encrypt(&key, message).unwrap_or_default());
        let mut parts = [token, now.as_bytes(), nonce.as_bytes(), encrypted.as_bytes()];
        parts.sort_unstable();
        let signature = Algorithm::Sha1.made(&[], &parts.map(Cow::Borrowed)).unwrap_or_default();
        let members = [
            ("msg_signature", hex::encode(signature)),
            ("timeStamp", now.clone()),
            ("nonce", nonce.to_owned()),
            ("encrypt", encrypted),
        ];
        Ok(json::stringify_or_null(&Value::object(members.map(|(name, text)| (name, Value::from(text))))))
    }

    fn open_body(&self, head: &Head, body: &[u8], facts: &Facts) -> Result<Vec<u8>, Refusal> {
        let encrypted = encrypted(body).ok_or_else(settings::unproven)?;
        self.open_text(head, &encrypted, facts)
    }
}

impl Admit for Envelope {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        self.open_body(head, body.unwrap_or_default(), facts).map(drop)
    }

    fn open(&self, head: &Head, body: &[u8], facts: &Facts) -> Result<Option<Vec<u8>>, Refusal> {
        self.open_body(head, body, facts).map(Some)
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().chain([&self.aes_key]).collect()
    }
}

/// A parameter that a query has once.
pub fn single(query: &str, name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let (Some((_, value)), None) = (found.next(), found.next()) else { return None };
    Some(value.into_owned())
}

/// The encrypted text of a body: an element of XML, or a member of JSON.
fn encrypted(body: &[u8]) -> Option<String> {
    const START: &str = "<Encrypt><![CDATA[";
    const END: &str = "]]></Encrypt>";
    if !body.trim_ascii_start().starts_with(b"<") {
        return rule::parse_object(body)?.member("encrypt").as_str().map(str::to_owned);
    }
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once(START)?;
    rest.split_once(END).map(|(text, _)| text.to_owned())
}

/// The key that an `EncodingAESKey` is.
fn key(text: &[u8]) -> Option<[u8; 32]> {
    LAX.decode(text).ok()?.try_into().ok()
}

/// AES-256-CBC with the padding of PKCS#7 for blocks of 32 bytes.
fn encrypt(key: &[u8; 32], mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let padding = 32 - bytes.len() % 32;
    bytes.resize(bytes.len() + padding, padding as u8);
    let encryptor = cbc::Encryptor::<Aes256>::new_from_slices(key, &key[..16]).ok()?;
    Some(encryptor.encrypt_padded_vec_mut::<NoPadding>(&bytes))
}

/// Undoes AES-256-CBC with the padding of PKCS#7 for blocks of `block` bytes.
pub fn decrypt(key: &[u8], iv: &[u8], encrypted: &[u8], block: u8) -> Option<Vec<u8>> {
    let decryptor = cbc::Decryptor::<Aes256>::new_from_slices(key, iv).ok()?;
    let mut bytes = decryptor.decrypt_padded_vec_mut::<NoPadding>(encrypted).ok()?;
    let padding = *bytes.last()?;
    let end = bytes.len().checked_sub(usize::from(padding))?;
    let is_padding = (1..=block).contains(&padding) && bytes[end..].iter().all(|byte| *byte == padding);
    bytes.truncate(end);
    is_padding.then_some(bytes)
}
