//! The algorithms by which senders sign, the forms of their keys and signatures. `ring` and `webpki` compute; nothing
//! here knows requests.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac, signature};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    SubjectPublicKeyInfoDer, alg_id,
};
use subtle::ConstantTimeEq;
use webpki::{EndEntityCert, RawPublicKeyEntity};

/// How a signature comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The secret itself is sent.
    Token,
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    /// A digest over parts, one of which is the secret.
    Sha1,
    Sha256,
    Ed25519,
    /// ECDSA over P-256 with SHA-256, in ASN.1.
    EcdsaP256,
    /// RSA (PKCS#1 v1.5) with SHA-256.
    RsaSha256,
    /// RSA (PKCS#1 v1.5) with SHA-1, which Amazon SNS still has.
    RsaSha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Small hexadecimal digits.
    Hex,
    Base64,
    /// With `-` and `_`, and without padding.
    Base64Url,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// The bytes of a text.
    Text,
    /// A text that does not begin so.
    TextUnless(&'static str),
    /// Base64 behind a prefix.
    Base64(&'static str),
    /// Base64 behind a prefix or without one.
    MaybePrefixed(&'static str),
    Hex,
    /// A public key or a certificate, in PEM, or in base64 alone.
    Public,
}

/// What the bytes of a key are: what an algorithm needs of it.
pub(super) type Key = Vec<u8>;

impl Algorithm {
    /// Whether its keys are public ones.
    pub fn is_asymmetric(self) -> bool {
        matches!(self, Self::Ed25519 | Self::EcdsaP256 | Self::RsaSha256 | Self::RsaSha1)
    }

    /// Whether one of some signatures is that of a message under a key. How long it takes does not tell how much of a
    /// signature is right.
    pub fn proves(self, key: &[u8], message: &[Cow<'_, [u8]>], given: &[&str], encoding: Encoding) -> bool {
        match self.made(key, message) {
            Some(made) => {
                let expected = encoding.write(&made);
                // Both sides as digests of one length, so that a token's length does not show either.
                let expected = digest::digest(&digest::SHA256, &expected);
                let is_expected = |given: &&str| {
                    let given = digest::digest(&digest::SHA256, given.as_bytes());
                    given.as_ref().ct_eq(expected.as_ref())
                };
                given.iter().map(is_expected).fold(subtle::Choice::from(0), |any, this| any | this).into()
            }
            None => {
                let message = message.concat();
                let mut given = given.iter().filter_map(|given| encoding.read(given));
                given.any(|given| self.is_signed(key, &message, &given))
            }
        }
    }

    /// What who knows the key can make again; none for signatures by private keys.
    pub fn made(self, key: &[u8], message: &[Cow<'_, [u8]>]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Token => key.to_vec(),
            Self::HmacSha1 => mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, message),
            Self::HmacSha256 => mac(hmac::HMAC_SHA256, key, message),
            Self::HmacSha384 => mac(hmac::HMAC_SHA384, key, message),
            Self::HmacSha512 => mac(hmac::HMAC_SHA512, key, message),
            Self::Sha1 => hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, message),
            Self::Sha256 => hash(&digest::SHA256, message),
            Self::Ed25519 | Self::EcdsaP256 | Self::RsaSha256 | Self::RsaSha1 => return None,
        })
    }

    /// Whether a signature is that of the private key that belongs to a public one.
    pub fn is_signed(self, key: &[u8], message: &[u8], given: &[u8]) -> bool {
        let algorithm: &dyn SignatureVerificationAlgorithm = match self {
            Self::EcdsaP256 => webpki::ring::ECDSA_P256_SHA256,
            Self::RsaSha256 => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
            Self::RsaSha1 => &LegacyRsa,
            // Its key is written without what says that it is one.
            Self::Ed25519 => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
                return key.verify(message, given).is_ok();
            }
            _ => return false,
        };
        let key = SubjectPublicKeyInfoDer::from(key);
        let key = RawPublicKeyEntity::try_from(&key);
        key.is_ok_and(|key| key.verify_signature(algorithm, message, given).is_ok())
    }
}

fn mac(algorithm: hmac::Algorithm, key: &[u8], message: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    message.iter().for_each(|part| context.update(part));
    context.sign().as_ref().to_vec()
}

fn hash(algorithm: &'static digest::Algorithm, message: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let mut context = digest::Context::new(algorithm);
    message.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

/// RSA with SHA-1, which `webpki` leaves out: nobody can make a second message to a given SHA-1 yet.
#[derive(Debug)]
struct LegacyRsa;

impl SignatureVerificationAlgorithm for LegacyRsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], given: &[u8]) -> Result<(), InvalidSignature> {
        let algorithm = &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
        signature::UnparsedPublicKey::new(algorithm, key).verify(message, given).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    /// Asked for signatures of certificates only; there is none for SHA-1 here.
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_PKCS1_SHA256
    }
}

impl Encoding {
    /// A signature as a text.
    pub fn write(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Hex => hex::encode(bytes).into_bytes(),
            Self::Base64 => STANDARD.encode(bytes).into_bytes(),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
        }
    }

    /// What a text says; none unless it is written exactly so.
    pub fn read(self, text: &str) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Plain => return Some(text.as_bytes().to_vec()),
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
        };
        bytes.filter(|bytes| self.write(bytes) == text.as_bytes())
    }
}

impl KeyForm {
    /// The key that a secret holds; none where it has another form.
    pub fn read(self, secret: &[u8]) -> Option<Key> {
        let key = match self {
            Self::Text => Some(secret.to_vec()),
            Self::TextUnless(prefix) => (!secret.starts_with(prefix.as_bytes())).then(|| secret.to_vec()),
            Self::Base64(prefix) => STANDARD.decode(secret.strip_prefix(prefix.as_bytes())?).ok(),
            Self::MaybePrefixed(prefix) => {
                STANDARD.decode(secret.strip_prefix(prefix.as_bytes()).unwrap_or(secret)).ok()
            }
            Self::Hex => hex::decode(secret).ok(),
            Self::Public => public_key(secret),
        };
        key.filter(|key| !key.is_empty())
    }

    /// How it is written, for those who have to mend a configuration.
    pub fn described(self) -> &'static str {
        match self {
            Self::Text | Self::TextUnless(_) => "a text",
            Self::Base64(_) | Self::MaybePrefixed(_) => "base64, with the prefix that the sender gives it",
            Self::Hex => "hexadecimal digits",
            Self::Public => "a public key or a certificate: PEM, or its base64 alone",
        }
    }
}

/// The `SubjectPublicKeyInfo` of a key or of a certificate. An environment variable may have `\n` for line breaks.
pub(super) fn public_key(text: &[u8]) -> Option<Key> {
    let text = std::str::from_utf8(text).ok()?.trim().replace("\\n", "\n");
    if !text.starts_with("-----BEGIN ") {
        let bare: String = text.split_ascii_whitespace().collect();
        let der = STANDARD.decode(bare).ok()?;
        return key_of_certificate(&der).or(Some(der)).filter(|der| is_public_key(der));
    }
    if let Ok(certificate) = CertificateDer::from_pem_slice(text.as_bytes()) {
        return key_of_certificate(&certificate);
    }
    let key = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
    Some(key.to_vec()).filter(|key| is_public_key(key))
}

fn is_public_key(der: &[u8]) -> bool {
    RawPublicKeyEntity::try_from(&SubjectPublicKeyInfoDer::from(der)).is_ok()
}

fn key_of_certificate(der: &[u8]) -> Option<Key> {
    let der = CertificateDer::from(der);
    let certificate = EndEntityCert::try_from(&der).ok()?;
    Some(certificate.subject_public_key_info().to_vec())
}
