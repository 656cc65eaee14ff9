//! Basic authentication (RFC 7617).

use std::fmt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::check::{Admit, Check, Fault, Key, Parsed, Stage};
use crate::expr::Value;
use crate::field;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

pub(super) const CHECK: Check = Check { key: Key::Trigger("basicAuthentication"), at: Stage::Head, parse };

/// Some clients leave the padding of base64 away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A user name and a password. Only their digests are kept: they have one length, so comparing them takes the
/// same time whatever was sent.
#[derive(Clone)]
struct Credentials {
    username: [u8; 32],
    password: [u8; 32],
}

/// The credentials that let in, in the encodings in which clients send them: UTF-8, which they are asked for, and ISO
/// 8859-1, which older ones use without asking (RFC 7617, appendix B.3).
#[derive(Debug)]
struct Basic {
    utf8: Credentials,
    latin1: Credentials,
}

/// `{username, password}`; off where it is absent or falsy. What cannot be compared lets nobody in.
fn parse(config: &Value) -> Parsed {
    if !config.is_truthy() {
        return Ok(None);
    }
    let (username, password) = (config.member("username"), config.member("password"));
    match (username.as_str(), password.as_str()) {
        (Some(username), Some(password)) => {
            let utf8 = Credentials::new(username.as_bytes(), password.as_bytes());
            // Credentials with other characters have one encoding only.
            let latin1 = field::bytes(username).zip(field::bytes(password));
            let latin1 = latin1.map_or_else(|| utf8.clone(), |(name, word)| Credentials::new(&name, &word));
            Ok(Some(Box::new(Basic { utf8, latin1 })))
        }
        _ => Err(Fault::refusing(
            Refusal::unauthorized(),
            "basic authentication is on, but without a user name and a password: nobody is let in",
        )),
    }
}

impl Admit for Basic {
    fn admit(&self, head: &Head, _: Option<&[u8]>, _: &Facts) -> Result<(), Refusal> {
        let given = head.header("authorization").and_then(Credentials::of_header);
        let is_right =
            given.is_some_and(|given| (given.equals(&self.utf8) | given.equals(&self.latin1)).into());
        if is_right { Ok(()) } else { Err(Refusal::unauthorized()) }
    }
}

impl Credentials {
    /// A user name and a password as bytes.
    fn new(username: &[u8], password: &[u8]) -> Self {
        Self { username: Sha256::digest(username).into(), password: Sha256::digest(password).into() }
    }

    /// Reads `Basic <base64 of username:password>`.
    fn of_header(header: &str) -> Option<Self> {
        let header = field::bytes(header)?;
        let (scheme, encoded) = header.split_at_checked(b"basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
        // A user name has no colon, a password may have some.
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(Self::new(&decoded[..colon], &decoded[colon + 1..]))
    }

    /// Compares both parts, also when the first already differs.
    fn equals(&self, other: &Self) -> Choice {
        let username = self.username.ct_eq(&other.username);
        let password = self.password.ct_eq(&other.password);
        username & password
    }
}

/// Prints nothing of them: passwords can be guessed from a digest.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64.encode(credentials))
    }

    /// The status that a request with this header gets, its values as HTTP gives them.
    fn status(config: &str, header: Option<&str>) -> u16 {
        let config = json::parse(config.as_bytes()).expect("JSON in a test");
        let header = header.map(|value| ("authorization".to_owned(), value.to_owned()));
        let head = Head { headers: header.into_iter().collect(), ..Head::default() };
        let admitted = match parse(&config) {
            Ok(check) => check.map_or(Ok(()), |check| check.admit(&head, None, &Facts::default())),
            Err(fault) => Err(fault.refusal.expect("it refuses everyone")),
        };
        admitted.map_or_else(|refusal| refusal.status, |()| 200)
    }

    const ALICE: &str = r#"{"username":"ålice","password":"a:b"}"#;

    #[test]
    fn the_right_credentials_are_let_in() {
        let encoded = basic("ålice:a:b");
        assert_eq!(status(ALICE, Some(&encoded)), 200);
        assert_eq!(status(ALICE, Some(&encoded.replace("Basic ", "bAsIc   "))), 200);
        assert_eq!(status(ALICE, Some(encoded.trim_end_matches('='))), 200);
    }

    #[test]
    fn all_others_are_refused() {
        for wrong in ["ålice:a", "ålice:", "bob:a:b", "ålice:a:b ", "ålice", ":", "", "ålice:A:b"] {
            assert_eq!(status(ALICE, Some(&basic(wrong))), 401, "{wrong}");
        }
        let digest = basic("ålice:a:b").replace("Basic", "Digest");
        for header in [None, Some(""), Some("Basic"), Some("Basic "), Some("Basic ???"), Some(&*digest)] {
            assert_eq!(status(ALICE, header), 401, "{header:?}");
        }
    }

    #[test]
    fn credentials_may_come_in_iso_8859_1() {
        let encoded = |bytes: &[u8]| format!("Basic {}", BASE64.encode(bytes));
        assert_eq!(status(ALICE, Some(&encoded(b"\xe5lice:a:b"))), 200);
        assert_eq!(status(ALICE, Some(&encoded(b"\xe4lice:a:b"))), 401);
        let greek = r#"{"username":"λ","password":"ü"}"#;
        assert_eq!(status(greek, Some(&basic("λ:ü"))), 200);
        for mixed in [b"\xce\xbb:\xfc".as_slice(), b"?:\xfc", b":\xfc"] {
            assert_eq!(status(greek, Some(&encoded(mixed))), 401, "{mixed:?}");
        }
        // Both parts are in one encoding.
        let both = r#"{"username":"å","password":"ü"}"#;
        assert_eq!(status(both, Some(&encoded(b"\xc3\xa5:\xfc"))), 401);
    }

    #[test]
    fn no_authentication_lets_everyone_in() {
        for off in ["false", "null", "0", "\"\""] {
            assert_eq!(status(off, None), 200, "{off}");
        }
    }

    #[test]
    fn an_unusable_configuration_lets_nobody_in() {
        let unusable =
            ["true", "{}", "\"a:b\"", "[]", r#"{"username":"a"}"#, r#"{"username":"a","password":1}"#];
        for config in unusable {
            for credentials in ["a:b", "a:", ":", "a:1", "a:undefined"] {
                assert_eq!(status(config, Some(&basic(credentials))), 401, "{config} {credentials}");
            }
        }
    }

    #[test]
    fn credentials_are_equal_in_both_parts_and_are_not_printed() {
        let credentials = Credentials::new(b"alice", b"secret");
        assert!(bool::from(credentials.equals(&Credentials::new(b"alice", b"secret"))));
        for (username, password) in [("alice", "Secret"), ("bob", "secret"), ("", ""), ("alicesecret", "")] {
            let other = Credentials::new(username.as_bytes(), password.as_bytes());
            assert!(!bool::from(credentials.equals(&other)));
        }
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
    }

    proptest! {
        #[test]
        fn any_header_is_let_in_or_refused(header in "[\\u{0}-\\u{ff}]{0,60}|\\PC{0,20}") {
            prop_assert_eq!(status(ALICE, Some(&header)), 401);
        }
    }
}
