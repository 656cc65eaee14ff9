//! Alipay's notifications: RSA2 over the sorted fields of a form
//! (<https://opendocs.alipay.com/open/270/105902>). They have no time by which old ones could be told: `notify_id` is for
//! that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::{Algorithm, KeyForm};
use super::form;
use super::settings::{self, members};
use crate::expr::Value;
use crate::webhook::admission::check::{Admit, Parsed};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

#[derive(Debug)]
struct Alipay {
    keys: Vec<Secret>,
    app: Option<String>,
}

/// `{publicKey | publicKeys, appId}`: Alipay's public key, not that of the app.
pub(super) fn parse(config: &Value) -> Parsed {
    let members = members(config, &["publicKey", "publicKeys", "appId"])?;
    let keys = settings::secrets(&members, "publicKey", "publicKeys")?;
    settings::check_forms(&keys, &members.place_of("publicKey"), &[KeyForm::Public])?;
    let app = members.text("appId")?.map(str::to_owned);
    Ok(Some(Box::new(Alipay { keys, app })))
}

impl Admit for Alipay {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let keys = settings::keys(&self.keys, &[KeyForm::Public], &facts.env)?;
        let is_proven = form::fields(head, body.unwrap_or_default())
            .and_then(|fields| self.signed(fields))
            .is_some_and(|(signed, signature)| {
                let mut keys = keys.iter();
                keys.any(|(_, key)| Algorithm::RsaSha256.is_signed(key, signed.as_bytes(), &signature))
            });
        if is_proven { Ok(()) } else { Err(settings::unproven()) }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.keys.iter().collect()
    }
}

impl Alipay {
    /// What is signed, and the signature. A name that is there twice is no field that Alipay has sent.
    fn signed(&self, mut fields: Vec<(String, String)>) -> Option<(String, Vec<u8>)> {
        fields.sort_unstable();
        if fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        let find = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
        let is_ours = self.app.as_ref().is_none_or(|app| find("app_id") == Some(app));
        if !is_ours || find("sign_type") != Some("RSA2") {
            return None;
        }
        let signature = STANDARD.decode(find("sign")?).ok()?;
        let signed = fields
            .iter()
            .filter(|(name, value)| !matches!(&**name, "sign" | "sign_type") && !value.is_empty());
        let signed: Vec<String> = signed.map(|(name, value)| format!("{name}={value}")).collect();
        Some((signed.join("&"), signature))
    }
}
