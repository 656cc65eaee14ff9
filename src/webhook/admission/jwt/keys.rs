//! The keys that tokens may be signed with: secrets, public keys in PEM, and sets of public keys by URL (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header};
use serde_json::Value;
use url::Url;

use super::verifier::family;
use crate::expr::Object;
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::{self, Secret};

/// So many keys of a set are tried with a token that does not name its key.
const MAX_TRIED: usize = 16;

/// Where the keys are.
#[derive(Debug)]
pub(super) enum Keys {
    Secrets(Vec<Secret>),
    /// In PEM: public keys, or certificates.
    Public(Vec<Secret>),
    /// A set of public keys.
    Set(Url),
}

impl Keys {
    /// Whether such keys are for an algorithm.
    pub(super) fn suit(&self, algorithm: Algorithm) -> bool {
        let is_hmac = family(algorithm) == AlgorithmFamily::Hmac;
        is_hmac == matches!(self, Keys::Secrets(_))
    }

    /// The keys that are configured here, for an algorithm; refuses when one of them is missing.
    pub(super) fn configured(&self, algorithm: Algorithm, env: &Object) -> Result<Vec<DecodingKey>, Refusal> {
        match self {
            Keys::Secrets(secrets) => {
                let secrets = secret::all(secrets, env)?;
                Ok(secrets.into_iter().map(DecodingKey::from_secret).collect())
            }
            Keys::Public(keys) => {
                let keys = secret::all(keys, env)?;
                Ok(keys.into_iter().filter_map(|pem| of_pem(algorithm, pem)).collect())
            }
            Keys::Set(_) => Ok(Vec::new()),
        }
    }

    /// Refuses where no token can be right, because a key is missing or cannot be read for any of the algorithms.
    pub(super) fn check(&self, algorithms: &[Algorithm], env: &Object) -> Result<(), Refusal> {
        let keys = match self {
            Keys::Secrets(keys) | Keys::Public(keys) => secret::all(keys, env)?,
            Keys::Set(_) => return Ok(()),
        };
        let is_read = |pem: &&[u8]| algorithms.iter().any(|algorithm| of_pem(*algorithm, pem).is_some());
        if matches!(self, Keys::Secrets(_)) || keys.iter().all(is_read) {
            return Ok(());
        }
        Err(Refusal::misconfigured().because("a public key of `sidehook.auth.jwt` cannot be read"))
    }
}

/// A public key, or that of a certificate, for the family of an algorithm.
pub(super) fn of_pem(algorithm: Algorithm, pem: &[u8]) -> Option<DecodingKey> {
    let key = match family(algorithm) {
        AlgorithmFamily::Hmac => return None,
        AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
        AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
    };
    key.ok()
}

/// The keys of a set that a token with this header may be signed with. None where the bytes are no set.
pub(super) fn of_set(set: &[u8], header: &Header) -> Option<Vec<DecodingKey>> {
    let set: Value = serde_json::from_slice(set).ok()?;
    // One at a time: a key of a kind that is not known must not hide the others.
    let keys =
        set.get("keys")?.as_array()?.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let keys = keys.filter(|key| is_for(key, header)).take(MAX_TRIED);
    Some(keys.filter_map(|key| DecodingKey::from_jwk(&key).ok()).collect())
}

fn is_for(key: &Jwk, header: &Header) -> bool {
    let own = match key.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(_) => AlgorithmFamily::Ec,
        AlgorithmParameters::OctetKeyPair(_) => AlgorithmFamily::Ed,
        // A secret that everybody can fetch is none.
        AlgorithmParameters::OctetKey(_) => return false,
    };
    let common = &key.common;
    own == family(header.alg)
        && header.kid.as_ref().is_none_or(|id| common.key_id.as_ref() == Some(id))
        && common.key_algorithm.is_none_or(|known| known.to_string() == format!("{:?}", header.alg))
        && common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
}
