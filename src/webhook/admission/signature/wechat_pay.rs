//! WeChat Pay's notifications: RSA under a key or certificate of the platform, and a resource in AES-GCM
//! (<https://pay.weixin.qq.com/doc/v3/merchant/4012071382>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm as Cipher, LessSafeKey, Nonce, UnboundKey};

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::row::{HMAC, Part, Row, Stamp, Unit};
use super::rule::{self, Rule};
use super::settings::{self, members};
use super::signed::Signed;
use crate::expr::{Object, Value, json};
use crate::webhook::admission::check::{Admit, Credential, Parsed};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

const ROW: Row = Row {
    header: "wechatpay-signature",
    encoding: Encoding::Base64,
    algorithm: Algorithm::RsaSha256,
    key: KeyForm::Public,
    signed: &[
        Part::Stamp,
        Part::text("\n"),
        Part::header("wechatpay-nonce"),
        Part::text("\n"),
        Part::Body,
        Part::text("\n"),
    ],
    stamp: Some(&Stamp::header("wechatpay-timestamp", Unit::Seconds)),
    ..HMAC
};

#[derive(Debug)]
struct WechatPay {
    signed: Signed,
    /// The APIv3 key, by which resources are opened.
    api_key: Option<Secret>,
}

/// `{publicKey | publicKeys, apiV3Key, tolerance}`: public keys or certificates of the platform.
pub(super) fn parse(config: &Value) -> Parsed {
    let members = members(config, &["publicKey", "publicKeys", "apiV3Key", "tolerance"])?;
    let secrets = settings::secrets(&members, "publicKey", "publicKeys")?;
    settings::check_forms(&secrets, &members.place_of("publicKey"), &[KeyForm::Public])?;
    let api_key = members.secret("apiV3Key")?;
    let literal = Object::new();
    let known = api_key.as_ref().and_then(|key| key.bytes(&literal));
    if known.is_some_and(|key| cipher(key).is_none()) {
        return Err(members.fault("apiV3Key", "has to have 32 characters"));
    }
    let tolerance = settings::tolerance(&members)?;
    let signed = Signed { rules: vec![Rule::of(&ROW)], secrets, tolerance, url: None };
    Ok(Some(Box::new(WechatPay { signed, api_key })))
}

impl Admit for WechatPay {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        self.signed.admit(head, body, facts)
    }

    /// The body with its resource opened in its place.
    fn open(&self, _: &Head, body: &[u8], facts: &Facts) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(api_key) = &self.api_key else { return Ok(None) };
        let key = api_key.known(&facts.env)?;
        let opened = open(key, body)
            .ok_or_else(|| Refusal::bad_request("The resource of this notification cannot be decrypted."))?;
        Ok(Some(opened))
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.signed.secrets.iter().chain(&self.api_key).collect()
    }

    fn credentials(&self) -> Vec<Credential<'_>> {
        self.signed.credentials()
    }
}

/// By the length of the key, as in WeChat's own libraries.
fn cipher(key: &[u8]) -> Option<&'static Cipher> {
    match key.len() {
        32 => Some(&AES_256_GCM),
        16 => Some(&AES_128_GCM),
        _ => None,
    }
}

fn open(key: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let body = rule::parse_object(body)?;
    let resource = body.member("resource");
    let text = |name: &str| resource.member(name).as_str().map(str::to_owned);
    let mut bytes = STANDARD.decode(text("ciphertext")?).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(text("nonce")?.as_bytes()).ok()?;
    let aad = Aad::from(text("associated_data").unwrap_or_default());
    let key = LessSafeKey::new(UnboundKey::new(cipher(key)?, key).ok()?);
    let opened = rule::parse_object(key.open_in_place(nonce, aad, &mut bytes).ok()?)?;
    let mut object = body.as_object()?.clone();
    object.insert("resource", opened);
    json::stringify(&Value::from(object)).map(String::into_bytes)
}
