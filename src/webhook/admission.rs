//! Who may start a workflow, and with what a request is refused. Authentication other than basic, limits and
//! address lists are not here yet.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::config::{BasicAuth, Credentials, Trigger};
use super::refusal::Refusal;

/// The methods that a webhook answers (`workflow/triggers/webhook.md` of NocoBase's documentation).
const METHODS: [&str; 1] = ["POST"];

/// Some clients leave the padding of base64 away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Refuses methods that a webhook does not answer.
pub fn check_method(method: &str) -> Result<(), Refusal> {
    if METHODS.contains(&method) { Ok(()) } else { Err(Refusal::method_not_allowed(&METHODS)) }
}

/// Refuses a request without the configured credentials. `authorization` is the value of that header.
pub fn check_credentials(trigger: &Trigger, authorization: Option<&[u8]>) -> Result<(), Refusal> {
    let expected = match &trigger.basic_auth {
        BasicAuth::Off => return Ok(()),
        BasicAuth::Unusable => return Err(Refusal::unauthorized()),
        BasicAuth::Credentials(expected) => expected,
    };
    let given = authorization.and_then(credentials);
    if given.is_some_and(|given| given.equals(expected)) { Ok(()) } else { Err(Refusal::unauthorized()) }
}

/// Reads `Basic <base64 of username:password>` (RFC 7617).
fn credentials(header: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = header.split_at_checked(b"basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
    // A user name has no colon, a password may have some.
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(Credentials::new(&decoded[..colon], &decoded[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn trigger(config: &str) -> Trigger {
        Trigger::parse(&json::parse(config.as_bytes()).expect("JSON in a test"))
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", BASE64.encode(credentials))
    }

    fn status(config: &str, header: Option<&str>) -> u16 {
        let checked = check_credentials(&trigger(config), header.map(str::as_bytes));
        checked.map_or_else(|refusal| refusal.status, |()| 200)
    }

    const ALICE: &str = r#"{"basicAuthentication":{"username":"ålice","password":"a:b"}}"#;

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
    fn no_authentication_lets_everyone_in() {
        for config in ["null", "[]", "{}"] {
            assert_eq!(status(config, None), 200, "{config}");
        }
        for off in ["false", "null", "0", "\"\""] {
            assert_eq!(status(&format!(r#"{{"basicAuthentication":{off}}}"#), None), 200, "{off}");
        }
    }

    #[test]
    fn an_unusable_configuration_lets_nobody_in() {
        let unusable =
            ["true", "{}", "\"a:b\"", "[]", r#"{"username":"a"}"#, r#"{"username":"a","password":1}"#];
        for config in unusable {
            let config = format!(r#"{{"basicAuthentication":{config}}}"#);
            for credentials in ["a:b", "a:", ":", "a:1", "a:undefined"] {
                assert_eq!(status(&config, Some(&basic(credentials))), 401, "{config} {credentials}");
            }
        }
    }

    #[test]
    fn refusals_tell_what_the_status_asks_for() {
        let unauthorized = Refusal::unauthorized();
        assert_eq!(unauthorized.headers[0].0, "WWW-Authenticate");
        assert_eq!(unauthorized.headers[0].1, r#"Basic realm="webhook", charset="UTF-8""#);
        let method = check_method("GET").expect_err("GET is refused");
        assert_eq!((method.status, &*method.headers[0].1), (405, "POST"));
        assert!(check_method("POST").is_ok());
        assert!(check_method("post").is_err(), "methods are case-sensitive");
    }

    proptest! {
        #[test]
        fn any_header_is_let_in_or_refused(header in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(check_credentials(&trigger(ALICE), Some(&header)).is_err());
        }
    }
}
