//! Signatures of `crypto`, with keys of RSA, of elliptic curves and of Ed25519, as far as `ring` makes them.

use ring::rand::SystemRandom;
use ring::signature::{
    self as signatures, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, RsaEncoding, RsaKeyPair,
};
use rquickjs::{Ctx, Function, Object};
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::RawPublicKeyEntity;
use webpki::ring as algorithms;

use super::{Bytes, key, or_throw};

const UNKNOWN: &str = "signatures here are those of RSA keys from 2,048 bits with SHA-256, SHA-384 or SHA-512, of P-256 with SHA-256, of \
     P-384 with SHA-384, and of Ed25519";

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    native.set(
        "sign",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, hash: String, is_pss: bool, pem: Bytes, message: Bytes| {
                or_throw(&ctx, sign(&hash, is_pss, &pem.0, &message.0)).map(Bytes)
            },
        )?,
    )?;
    native.set(
        "verify",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, hash: String, is_pss: bool, pem: Bytes, message: Bytes, signature: Bytes| {
                or_throw(&ctx, verify(&hash, is_pss, &pem.0, &message.0, &signature.0))
            },
        )?,
    )
}

/// A signature; that of an elliptic curve in DER.
fn sign(hash: &str, is_pss: bool, pem: &[u8], message: &[u8]) -> Result<Vec<u8>, &'static str> {
    let random = SystemRandom::new();
    let padding: Option<&dyn RsaEncoding> = match (hash, is_pss) {
        ("sha256", false) => Some(&signatures::RSA_PKCS1_SHA256),
        ("sha384", false) => Some(&signatures::RSA_PKCS1_SHA384),
        ("sha512", false) => Some(&signatures::RSA_PKCS1_SHA512),
        ("sha256", true) => Some(&signatures::RSA_PSS_SHA256),
        ("sha384", true) => Some(&signatures::RSA_PSS_SHA384),
        ("sha512", true) => Some(&signatures::RSA_PSS_SHA512),
        _ => None,
    };
    let curve = match hash {
        "sha256" => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        "sha384" => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => None,
    };
    for key in key::private(pem)? {
        if let (Some(padding), Ok(pair)) = (padding, RsaKeyPair::from_pkcs8(&key)) {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &random, message, &mut signature)
                .map_err(|_| "the key is too small for the hash")?;
            return Ok(signature);
        }
        if let Some(Ok(pair)) = curve.map(|curve| EcdsaKeyPair::from_pkcs8(curve, &key, &random)) {
            return pair.sign(&random, message).map(|made| made.as_ref().to_vec()).map_err(|_| UNKNOWN);
        }
        if let (true, Ok(pair)) = (hash.is_empty(), Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key)) {
            return Ok(pair.sign(message).as_ref().to_vec());
        }
    }
    Err(UNKNOWN)
}

/// Whether a signature is that of the private key to a public one.
fn verify(
    hash: &str,
    is_pss: bool,
    pem: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, &'static str> {
    let fitting: &[&dyn SignatureVerificationAlgorithm] = match (hash, is_pss) {
        ("sha256", false) => &[
            algorithms::RSA_PKCS1_2048_8192_SHA256,
            algorithms::ECDSA_P256_SHA256,
            algorithms::ECDSA_P384_SHA256,
        ],
        ("sha384", false) => &[
            algorithms::RSA_PKCS1_2048_8192_SHA384,
            algorithms::ECDSA_P384_SHA384,
            algorithms::ECDSA_P256_SHA384,
        ],
        ("sha512", false) => &[algorithms::RSA_PKCS1_2048_8192_SHA512],
        ("sha256", true) => &[algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ("sha384", true) => &[algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ("sha512", true) => &[algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ("", false) => &[algorithms::ED25519],
        _ => return Err(UNKNOWN),
    };
    let key = key::public(pem)?;
    let key = RawPublicKeyEntity::try_from(&key).map_err(|_| UNKNOWN)?;
    let is_of = |algorithm: &&dyn SignatureVerificationAlgorithm| {
        key.verify_signature(*algorithm, message, signature).is_ok()
    };
    Ok(fitting.iter().any(is_of))
}
