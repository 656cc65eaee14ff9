//! JSON Web Tokens (RFC 7519) as bearer tokens: `sidehook.auth.jwt`. The tokens themselves are read by `jsonwebtoken`.

mod keys;
#[cfg(test)]
mod tests;
mod verifier;

use std::str::FromStr;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use url::Url;

use self::keys::Keys;
use super::bearer::bearer;
use super::check::{Admit, Fault};
use super::members::Members;
use crate::expr::Value;
use crate::webhook::document::Wanted;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

/// How far clocks may be apart unless the configuration says.
const LEEWAY: Duration = Duration::from_secs(60);
/// How old a set of keys may be that does not have the key that a token names.
const MAX_AGE_WITHOUT_KEY: Duration = Duration::from_secs(60);
/// The longest token, in bytes: what servers commonly take as a header.
const MAX_TOKEN: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Jwt {
    algorithms: Vec<Algorithm>,
    keys: Keys,
    issuer: Option<Vec<String>>,
    audience: Option<Vec<String>>,
    leeway: Duration,
}

/// What of a token is looked at here, by the clock of the facts; times in seconds since 1970.
#[derive(Deserialize)]
struct Times {
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

/// `{algorithms, secret | publicKey | jwks, issuer, audience, leeway}`.
pub(super) fn parse(place: &str, config: &Value) -> Result<Jwt, Fault> {
    const KNOWN: [&str; 7] = ["algorithms", "secret", "publicKey", "jwks", "issuer", "audience", "leeway"];
    verifier::install();
    let members = Members::of(place, config, &KNOWN)?;
    let form = "has to be a list of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA";
    let algorithms = members.needed("algorithms", members.texts("algorithms"))?;
    let algorithms: Option<Vec<_>> =
        algorithms.into_iter().map(|name| Algorithm::from_str(name).ok()).collect();
    let algorithms = algorithms.ok_or_else(|| members.fault("algorithms", form))?;
    let keys = keys(&members)?;
    if !algorithms.iter().all(|algorithm| keys.suit(*algorithm)) {
        let suit = "has to go with its key: HS256, HS384 and HS512 with `secret`, the others with `publicKey` or `jwks`";
        return Err(members.fault("algorithms", suit));
    }
    check_literals(&members, &algorithms, &keys)?;
    let texts = |name: &str| -> Result<Option<Vec<String>>, Fault> {
        let texts = members.texts(name)?;
        Ok(texts.map(|texts| texts.into_iter().map(str::to_owned).collect()))
    };
    let leeway = members.read("leeway", "has to be a time such as 30s, or 0", |value| match value {
        Value::Number(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        value => crate::measure::duration(value.as_str()?),
    })?;
    let (issuer, audience) = (texts("issuer")?, texts("audience")?);
    Ok(Jwt { algorithms, keys, issuer, audience, leeway: leeway.unwrap_or(LEEWAY) })
}

fn keys(members: &Members<'_>) -> Result<Keys, Fault> {
    let url = |value: &Value| {
        let url = Url::parse(value.as_str()?).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
    };
    let jwks = members.read("jwks", "has to be a URL that starts with https:// or http://", url)?;
    match (members.secrets("secret")?, members.secrets("publicKey")?, jwks) {
        (Some(secrets), None, None) => Ok(Keys::Secrets(secrets)),
        (None, Some(keys), None) => Ok(Keys::Public(keys)),
        (None, None, Some(url)) => Ok(Keys::Set(url)),
        _ => Err(members.fault_of_all("has to have one of `secret`, `publicKey` and `jwks`")),
    }
}

/// Public keys that stand in the configuration can be looked at now.
fn check_literals(members: &Members<'_>, algorithms: &[Algorithm], keys: &Keys) -> Result<(), Fault> {
    let Keys::Public(keys) = keys else { return Ok(()) };
    let env = crate::expr::Object::new();
    let mut literals = keys.iter().filter(|key| key.variable().is_none()).filter_map(|key| key.bytes(&env));
    let is_key = |pem: &[u8]| algorithms.iter().any(|algorithm| keys::of_pem(*algorithm, pem).is_some());
    let form = "has to be a public key in PEM that suits its algorithms, or a list of them";
    if literals.all(is_key) { Ok(()) } else { Err(members.fault("publicKey", form)) }
}

impl Admit for Jwt {
    fn admit(&self, head: &Head, _: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        // What the server lacks is told before what the request lacks.
        self.keys.check(&self.algorithms, &facts.env)?;
        let token = bearer(head).ok_or_else(|| Refusal::invalid_token(false))?;
        let header = self.header(token).ok_or_else(|| Refusal::invalid_token(true))?;
        let keys = self.keys_for(&header, facts)?;
        let is_right = keys.iter().any(|key| self.is_signed(token, header.alg, key, facts.now));
        if is_right { Ok(()) } else { Err(Refusal::invalid_token(true)) }
    }

    fn documents(&self, head: &Head, _: Option<&[u8]>, facts: &Facts) -> Vec<Wanted> {
        let Keys::Set(url) = &self.keys else { return Vec::new() };
        // For a token that is none, nothing is fetched.
        let Some(header) = bearer(head).and_then(|token| self.header(token)) else { return Vec::new() };
        let wanted = Wanted::new(url.clone());
        let found = facts.documents.get(url).and_then(|set| keys::of_set(set, &header));
        match found {
            Some(keys) if keys.is_empty() => vec![Wanted { max_age: MAX_AGE_WITHOUT_KEY, ..wanted }],
            _ => vec![wanted],
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        match &self.keys {
            Keys::Secrets(secrets) | Keys::Public(secrets) => secrets.iter().collect(),
            Keys::Set(_) => Vec::new(),
        }
    }
}

impl Jwt {
    /// The header of a token of one of the algorithms. One that says that something else has to be understood (RFC
    /// 7515, section 4.1.11) is none.
    fn header(&self, token: &str) -> Option<Header> {
        let header = decode_header(token).ok().filter(|_| token.len() <= MAX_TOKEN)?;
        (self.algorithms.contains(&header.alg) && header.crit.is_none()).then_some(header)
    }

    fn keys_for(&self, header: &Header, facts: &Facts) -> Result<Vec<DecodingKey>, Refusal> {
        let Keys::Set(url) = &self.keys else { return self.keys.configured(header.alg, &facts.env) };
        let set = facts.documents.get(url).and_then(|set| keys::of_set(set, header));
        set.ok_or_else(|| Refusal::undecided().because("what its `jwks` leads to is no set of keys"))
    }

    /// Whether a token is signed with this key, is for us, and is good at that time (milliseconds since 1970).
    fn is_signed(&self, token: &str, algorithm: Algorithm, key: &DecodingKey, now: f64) -> bool {
        let mut validation = Validation::new(algorithm);
        // By the clock of the facts, below. That there is a time at all is required.
        validation.validate_exp = false;
        validation.validate_aud = self.audience.is_some();
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(issuer);
            required.push("iss");
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(audience);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        let Ok(token) = decode::<Times>(token, key, &validation) else { return false };
        let (Times { exp, nbf }, now, leeway) = (token.claims, now / 1000.0, self.leeway.as_secs_f64());
        now < exp + leeway && nbf.is_none_or(|nbf| nbf <= now + leeway)
    }
}
