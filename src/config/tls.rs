//! TLS to the database, from the settings that NocoBase has for it (`packages/core/database/src/helpers.ts`): each of
//! them switches it on, and Node.js then verifies the server unless told otherwise.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::reader::Reader;
use crate::store::connection::{Pem, Tls, TlsMode};

const MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

/// `None` where no setting asks for TLS.
pub(super) fn read(reader: &mut Reader) -> Option<Tls> {
    let mode = reader.with("DB_DIALECT_OPTIONS_SSL_MODE", MODES, mode);
    let verifies = reader
        .text("DB_DIALECT_OPTIONS_SSL_REJECT_UNAUTHORIZED")
        // NocoBase takes everything but `true` for false.
        .map(|text| text == "true");
    let ca = pem(reader, "DB_DIALECT_OPTIONS_SSL_CA", "certificates", has_certificate);
    let key = pem(reader, "DB_DIALECT_OPTIONS_SSL_KEY", "a private key", has_key);
    let certificate = pem(reader, "DB_DIALECT_OPTIONS_SSL_CERT", "certificates", has_certificate);
    if mode.is_none() && verifies.is_none() && ca.is_none() && key.is_none() && certificate.is_none() {
        return None;
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            reader.fault("DB_DIALECT_OPTIONS_SSL_KEY", "set, as DB_DIALECT_OPTIONS_SSL_CERT is");
            None
        }
        (None, Some(_)) => {
            reader.fault("DB_DIALECT_OPTIONS_SSL_CERT", "set, as DB_DIALECT_OPTIONS_SSL_KEY is");
            None
        }
    };
    // NocoBase's driver for MySQL does not look at the name in the certificate.
    let is_mysql = reader.text("DB_DIALECT").as_deref() == Some("mysql");
    let default = if is_mysql { TlsMode::VerifyCa } else { TlsMode::VerifyFull };
    let mode = match (mode, verifies) {
        (Some(TlsMode::Off), _) => TlsMode::Off,
        (Some(TlsMode::VerifyCa | TlsMode::VerifyFull), Some(false)) => {
            reader.fault_text(
                "DB_DIALECT_OPTIONS_SSL_MODE asks for verification and \
                 DB_DIALECT_OPTIONS_SSL_REJECT_UNAUTHORIZED for none: leave one out",
            );
            default
        }
        (Some(mode @ (TlsMode::VerifyCa | TlsMode::VerifyFull)), _) => mode,
        (_, Some(false)) => TlsMode::Require,
        _ => default,
    };
    Some(Tls { mode, ca, identity })
}

/// libpq's names and MySQL's. Node.js knows none of them: those that demand less than verification change nothing.
fn mode(text: &str) -> Option<TlsMode> {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Some(TlsMode::Off),
        "allow" | "prefer" | "preferred" | "require" | "required" | "true" => Some(TlsMode::Require),
        "verify-ca" => Some(TlsMode::VerifyCa),
        "verify-full" | "verify-identity" => Some(TlsMode::VerifyFull),
        _ => None,
    }
}

/// A setting that is a text in PEM, or names a file of it.
fn pem(reader: &mut Reader, name: &str, what: &str, is_good: impl Fn(&str) -> bool) -> Option<Pem> {
    let value = reader.text(name)?;
    let text = if value.contains("-----BEGIN") {
        // An env file has no lines within a value.
        value.replace("\\n", "\n")
    } else {
        match std::fs::read_to_string(&value) {
            Ok(text) => text,
            Err(err) => {
                reader.fault_text(format!("{name} must be {what} in PEM or name a file of them: {err}"));
                return None;
            }
        }
    };
    if !is_good(&text) {
        reader
            .fault_text(format!("{name} must be {what} in PEM or name a file of them: there are none in it"));
        return None;
    }
    Some(Pem(text))
}

fn has_certificate(text: &str) -> bool {
    CertificateDer::pem_slice_iter(text.as_bytes()).next().is_some_and(|one| one.is_ok())
}

fn has_key(text: &str) -> bool {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).is_ok()
}
