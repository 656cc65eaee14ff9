//! The signatures of tokens, verified by ring, which is here for TLS anyway: what `jsonwebtoken` asks of a provider.
//! Nothing is signed here.

use jsonwebtoken::crypto::{CryptoProvider, JwkUtils, JwtVerifier};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as Mismatch, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::{hmac, signature};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory,
    // For keys that are made from private ones.
    jwk_utils: JwkUtils::new_unimplemented(),
};

/// What kind of key an algorithm takes.
pub(super) fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => AlgorithmFamily::Rsa,
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => AlgorithmFamily::Rsa,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
    }
}

/// Has `jsonwebtoken` verify by this file. It asks for it once in a process; later calls change nothing.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A key is used for its own family of algorithms only, whatever a token says: nothing is signed with a public key as
/// a secret.
fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if key.family() != family(*algorithm) {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Mismatch> {
        let is_right = match self.algorithm {
            Algorithm::HS256 => self.has_hmac(hmac::HMAC_SHA256, message, signature),
            Algorithm::HS384 => self.has_hmac(hmac::HMAC_SHA384, message, signature),
            Algorithm::HS512 => self.has_hmac(hmac::HMAC_SHA512, message, signature),
            Algorithm::RS256 => self.is_rsa(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
            Algorithm::RS384 => self.is_rsa(&signature::RSA_PKCS1_2048_8192_SHA384, message, signature),
            Algorithm::RS512 => self.is_rsa(&signature::RSA_PKCS1_2048_8192_SHA512, message, signature),
            Algorithm::PS256 => self.is_rsa(&signature::RSA_PSS_2048_8192_SHA256, message, signature),
            Algorithm::PS384 => self.is_rsa(&signature::RSA_PSS_2048_8192_SHA384, message, signature),
            Algorithm::PS512 => self.is_rsa(&signature::RSA_PSS_2048_8192_SHA512, message, signature),
            Algorithm::ES256 => self.is_by(&signature::ECDSA_P256_SHA256_FIXED, message, signature),
            Algorithm::ES384 => self.is_by(&signature::ECDSA_P384_SHA384_FIXED, message, signature),
            Algorithm::EdDSA => self.is_by(&signature::ED25519, message, signature),
        };
        if is_right { Ok(()) } else { Err(Mismatch::new()) }
    }
}

impl RingVerifier {
    fn has_hmac(&self, algorithm: hmac::Algorithm, message: &[u8], tag: &[u8]) -> bool {
        let DecodingKeyKind::SecretOrDer(secret) = self.key.kind() else { return false };
        hmac::verify(&hmac::Key::new(algorithm, secret), message, tag).is_ok()
    }

    fn is_rsa(&self, parameters: &'static signature::RsaParameters, message: &[u8], signed: &[u8]) -> bool {
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(_) => self.is_by(parameters, message, signed),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                // Leading zeros are not allowed in either.
                let [n, e] =
                    [n, e].map(|number| &number[number.iter().take_while(|byte| **byte == 0).count()..]);
                signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signed).is_ok()
            }
        }
    }

    fn is_by(
        &self,
        by: &'static dyn signature::VerificationAlgorithm,
        message: &[u8],
        signed: &[u8],
    ) -> bool {
        let DecodingKeyKind::SecretOrDer(key) = self.key.kind() else { return false };
        signature::UnparsedPublicKey::new(by, key).verify(message, signed).is_ok()
    }
}
