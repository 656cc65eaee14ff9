//! Keys of signatures as `crypto` takes them: PEM.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};

/// What comes before the key of RFC 5915 in one of PKCS #8, by the curve: the algorithm, without lengths.
const P256: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
const P384: [u8; 18] = [
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22,
];
/// That of RSA.
const RSA: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A private key as PKCS #8; one for an elliptic curve in its own form may be either of two.
pub(super) fn private(pem: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(key)) => Ok(vec![key.secret_pkcs8_der().to_vec()]),
        Ok(PrivateKeyDer::Pkcs1(key)) => Ok(vec![wrapped(&RSA, key.secret_pkcs1_der())]),
        Ok(PrivateKeyDer::Sec1(key)) => {
            Ok(vec![wrapped(&P256, key.secret_sec1_der()), wrapped(&P384, key.secret_sec1_der())])
        }
        _ => Err("the private key has to be in PEM, and not encrypted"),
    }
}

/// A public key, alone or in a certificate, with what says which kind it is.
pub(super) fn public(pem: &[u8]) -> Result<SubjectPublicKeyInfoDer<'static>, &'static str> {
    if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(pem) {
        return Ok(key);
    }
    let certificate = CertificateDer::from_pem_slice(pem).ok();
    let known = certificate.as_ref().and_then(|der| webpki::EndEntityCert::try_from(der).ok());
    known
        .map(|known| known.subject_public_key_info())
        .ok_or("the public key has to be in PEM: PUBLIC KEY or CERTIFICATE")
}

/// `SEQUENCE { 0, algorithm, OCTET STRING { key } }`
fn wrapped(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let inner = [&[2, 1, 0], algorithm, &tagged(4, key)].concat();
    tagged(0x30, &inner)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let bytes = length.to_be_bytes();
    let bytes = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1)..];
    let mut out = vec![tag];
    if length >= 0x80 {
        // Keys are shorter than 2^16 bytes, so this is 0x81 or 0x82.
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(content);
    out
}
