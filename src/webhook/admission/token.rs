//! Tokens and API keys: `sidehook.auth`. The forms of tokens that say something are in `jwt.rs`.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use url::form_urlencoded;

use super::bearer::bearer;
use super::check::{Admit, Check, Credential, Key, Parsed, Stage};
use super::jwt;
use super::members::Members;
use crate::expr::Value;
use crate::field;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::{self, Secret};

pub(super) const CHECK: Check = Check { key: Key::Extension("auth"), at: Stage::Head, parse };

/// The challenge for keys in headers and queries of one's own, for which there is no scheme (RFC 9110, section 11.6.1,
/// wants one).
const API_KEY: &str = r#"ApiKey realm="webhook""#;

/// A token that has to be the same as one of some.
#[derive(Debug)]
struct Token {
    place: Place,
    values: Vec<Secret>,
}

/// Where a token is sent.
#[derive(Debug)]
enum Place {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// A header of this name, in lower case.
    Header(String),
    /// A parameter of the query.
    Query(String),
}

/// `{header, value}`, `{query, value}`, `{bearer}` or `{jwt}`, where the value and `bearer` are one secret or a list.
fn parse(config: &Value) -> Parsed {
    if config.is_nullish() {
        return Ok(None);
    }
    let members = Members::of("sidehook.auth", config, &["header", "query", "value", "bearer", "jwt"])?;
    let ways = ["header", "query", "bearer", "jwt"].into_iter().filter(|name| members.has(name)).count();
    if ways != 1 {
        return Err(members.fault_of_all("has to have one of `header`, `query`, `bearer` and `jwt`"));
    }
    let has_value = members.has("header") || members.has("query");
    if !has_value && members.has("value") {
        return Err(members.fault("value", "belongs to `header` or `query`"));
    }
    if let Some(config) = members.value("jwt") {
        return jwt::parse(&members.place_of("jwt"), config)
            .map(|check| Some(Box::new(check) as Box<dyn Admit>));
    }
    let (place, values) = match (members.header("header")?, members.text("query")?) {
        (Some(header), _) => (Place::Header(header), "value"),
        (None, Some(query)) => (Place::Query(query.to_owned()), "value"),
        (None, None) => (Place::Bearer, "bearer"),
    };
    let values = members.needed(values, members.secrets(values))?;
    Ok(Some(Box::new(Token { place, values })))
}

impl Admit for Token {
    fn admit(&self, head: &Head, _: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let values = secret::all(&self.values, &facts.env)?;
        let given = self.place.given(head);
        let is_right = is_one_of(given.as_deref().unwrap_or_default(), &values);
        match given {
            Some(_) if is_right => Ok(()),
            given => Err(self.place.refusal(given.is_some())),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.values.iter().collect()
    }

    fn credentials(&self) -> Vec<Credential<'_>> {
        match &self.place {
            Place::Bearer => Vec::new(),
            Place::Header(name) => vec![Credential::Header(name)],
            Place::Query(name) => vec![Credential::Query(name)],
        }
    }
}

impl Place {
    /// The token of a request, as bytes.
    fn given(&self, head: &Head) -> Option<Vec<u8>> {
        match self {
            Place::Bearer => field::bytes(bearer(head)?),
            Place::Header(name) => field::bytes(head.header(name)?),
            Place::Query(name) => {
                let mut pairs = form_urlencoded::parse(head.query.as_bytes());
                pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned().into_bytes())
            }
        }
    }

    fn refusal(&self, was_given: bool) -> Refusal {
        match self {
            Place::Bearer => Refusal::invalid_token(was_given),
            Place::Header(_) | Place::Query(_) => Refusal::challenged(API_KEY),
        }
    }
}

/// Compares with all of them, by their digests: it takes the same time whatever was sent, and whichever it is.
pub fn is_one_of(given: &[u8], values: &[&[u8]]) -> bool {
    let digest = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
    let given = digest(given);
    let equal = |value: &&[u8]| given.ct_eq(&digest(value));
    values.iter().map(equal).fold(Choice::from(0), |any, one| any | one).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn check(config: &str) -> Result<Option<Box<dyn Admit>>, String> {
        parse(&json::parse(config.as_bytes()).expect("JSON in a test")).map_err(|fault| fault.text)
    }

    fn env() -> Facts {
        let env = json::parse(br#"{"KEY":"from env","EMPTY":""}"#).expect("JSON in a test");
        Facts { env: env.as_object().cloned().unwrap_or_default().into(), ..Facts::default() }
    }

    /// 200, or the status and the challenge.
    fn outcome(config: &str, header: (&str, &str), query: &str) -> String {
        let check = check(config).expect("a good configuration").expect("a check");
        let headers = vec![(header.0.to_owned(), header.1.to_owned())];
        let head = Head { headers, query: query.to_owned(), ..Head::default() };
        match check.admit(&head, None, &env()) {
            Ok(()) => "200".to_owned(),
            Err(refusal) => {
                let challenge = refusal.headers.iter().find(|(name, _)| *name == "WWW-Authenticate");
                format!("{} {}", refusal.status, challenge.map_or("", |(_, value)| value))
            }
        }
    }

    const API_KEY_401: &str = r#"401 ApiKey realm="webhook""#;

    #[test]
    fn a_key_in_a_header_is_compared() {
        let config = r#"{"header":"X-Api-Key","value":["old","{{$env.KEY}}"]}"#;
        for right in ["old", "from env"] {
            assert_eq!(outcome(config, ("x-api-key", right), ""), "200", "{right}");
        }
        for wrong in ["", "ol", "old ", "Old", "{{$env.KEY}}", "from", "\u{ff}"] {
            assert_eq!(outcome(config, ("x-api-key", wrong), ""), API_KEY_401, "{wrong:?}");
        }
        assert_eq!(outcome(config, ("x-other", "old"), "x-api-key=old"), API_KEY_401);
    }

    #[test]
    fn a_key_in_the_query_is_compared() {
        let config = r#"{"query":"api key","value":"a b✓"}"#;
        for right in ["api+key=a%20b%E2%9C%93", "x=1&api%20key=a+b✓"] {
            assert_eq!(outcome(config, ("x", ""), right), "200", "{right}");
        }
        for wrong in ["", "api+key", "api+key=a+b", "key=a+b✓", "api+key=x&api+key=a+b✓"] {
            assert_eq!(outcome(config, ("x", ""), wrong), API_KEY_401, "{wrong}");
        }
    }

    #[test]
    fn a_bearer_token_is_compared() {
        let config = r#"{"bearer":"t"}"#;
        for right in ["Bearer t", "bEaReR   t "] {
            assert_eq!(outcome(config, ("authorization", right), ""), "200", "{right}");
        }
        for missing in ["", "Bearer", "Bearer ", "Basic dDo=", "t", "Bearert"] {
            assert_eq!(
                outcome(config, ("authorization", missing), ""),
                r#"401 Bearer realm="webhook""#,
                "{missing}"
            );
        }
        let wrong = outcome(config, ("authorization", "Bearer T"), "");
        assert_eq!(wrong, r#"401 Bearer realm="webhook", error="invalid_token""#);
    }

    #[test]
    fn a_missing_variable_lets_nobody_in() {
        for config in [r#"{"bearer":"{{$env.EMPTY}}"}"#, r#"{"bearer":["t","{{$env.NONE}}"]}"#] {
            for header in ["Bearer t", "Bearer ", ""] {
                assert_eq!(outcome(config, ("authorization", header), ""), "503 ", "{config} {header}");
            }
        }
        let check = check(r#"{"bearer":["t","{{$env.NONE}}"]}"#).expect("good").expect("a check");
        let variables: Vec<_> = check.secrets().iter().filter_map(|secret| secret.variable()).collect();
        assert_eq!(variables, ["NONE"]);
    }

    #[test]
    fn the_place_of_a_key_is_known() {
        let credentials =
            |config| format!("{:?}", check(config).expect("good").expect("a check").credentials());
        assert_eq!(credentials(r#"{"header":"X-Key","value":"a"}"#), r#"[Header("x-key")]"#);
        assert_eq!(credentials(r#"{"query":"Key","value":"a"}"#), r#"[Query("Key")]"#);
        assert_eq!(credentials(r#"{"bearer":"a"}"#), "[]");
    }

    #[test]
    fn other_configurations_are_faults() {
        for (config, place) in [
            ("true", "sidehook.auth"),
            ("{}", "sidehook.auth"),
            (r#"{"header":"a","query":"b","value":"c"}"#, "sidehook.auth"),
            (r#"{"header":"a","bearer":"b"}"#, "sidehook.auth"),
            (r#"{"value":"a"}"#, "sidehook.auth"),
            (r#"{"bearer":"a","value":"b"}"#, "sidehook.auth.value"),
            (r#"{"header":"a"}"#, "sidehook.auth.value"),
            (r#"{"header":"a","value":""}"#, "sidehook.auth.value"),
            (r#"{"header":"a","value":[]}"#, "sidehook.auth.value"),
            (r#"{"header":"a","value":5}"#, "sidehook.auth.value"),
            (r#"{"header":"a b","value":"c"}"#, "sidehook.auth.header"),
            (r#"{"query":"","value":"c"}"#, "sidehook.auth.query"),
            (r#"{"bearer":""}"#, "sidehook.auth.bearer"),
            (r#"{"token":"x"}"#, "sidehook.auth.token"),
            (r#"{"jwt":{}}"#, "sidehook.auth.jwt.algorithms"),
        ] {
            let fault = check(config).expect_err(config);
            assert!(fault.starts_with(&format!("`{place}` of its trigger ")), "{config}: {fault}");
        }
        assert!(check("null").is_ok_and(|check| check.is_none()));
    }

    #[test]
    fn a_value_is_compared_with_all() {
        let values: [&[u8]; 3] = [b"a", b"b", b"a"];
        assert!(is_one_of(b"a", &values) && is_one_of(b"b", &values));
        assert!(!is_one_of(b"", &values) && !is_one_of(b"ab", &values) && !is_one_of(b"a", &[]));
    }
}
