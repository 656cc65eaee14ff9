//! What the schemes read from their configuration alike: secrets, URL, tolerance; and how a request is told that its
//! proof is none.

use std::time::Duration;

use super::algorithm::{Key, KeyForm};
use crate::expr::{Object, Value};
use crate::webhook::admission::check::Fault;
use crate::webhook::admission::members::{Members, unusable};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

/// Where the configuration of a signature stands.
pub const PLACE: &str = "sidehook.signature";

/// How far the time of a sender may be from the own one: what Stripe, Slack and Standard Webhooks recommend.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// The longest time that may be configured: a signature that is older is no sign of anything.
const LONGEST_TOLERANCE: Duration = Duration::from_secs(7 * 86_400);

/// The most secrets of a trigger: each is tried for each request.
const MOST_SECRETS: usize = 10;

/// The members of a configuration: `scheme` and others.
pub fn members<'a>(config: &'a Value, others: &[&str]) -> Result<Members<'a>, Fault> {
    Members::of(PLACE, config, &[&["scheme"], others].concat())
}

/// Secrets under the name for one or under that for several.
pub fn secrets(members: &Members<'_>, one: &str, several: &str) -> Result<Vec<Secret>, Fault> {
    let secrets = match (members.has(one), members.has(several)) {
        (true, true) => {
            return Err(members.fault(several, &format!("stands beside `{one}`; use one of them")));
        }
        (false, true) => members.needed(several, members.secrets(several))?,
        _ => members.needed(one, members.secrets(one))?,
    };
    match secrets.len() {
        0..=MOST_SECRETS => Ok(secrets),
        _ => Err(members.fault(several, &format!("may have {MOST_SECRETS} secrets at most"))),
    }
}

/// Those secrets that are known without an environment have to be of one of some forms.
pub fn check_forms(secrets: &[Secret], place: &str, forms: &[KeyForm]) -> Result<(), Fault> {
    let none = Object::new();
    let literal = secrets.iter().filter_map(|secret| secret.bytes(&none));
    for secret in literal {
        if !forms.iter().any(|form| form.read(secret).is_some()) {
            return Err(unusable(place, &format!("has to be {}", described(forms))));
        }
    }
    Ok(())
}

/// The keys that secrets hold in one of some forms, each with the number of its form.
pub fn keys(secrets: &[Secret], forms: &[KeyForm], env: &Object) -> Result<Vec<(usize, Key)>, Refusal> {
    let mut keys = Vec::new();
    for secret in secrets {
        let text = secret.known(env)?;
        let found = forms.iter().enumerate().filter_map(|(at, form)| Some((at, form.read(text)?)));
        let before = keys.len();
        keys.extend(found);
        if keys.len() == before {
            let name = secret.variable().unwrap_or_default();
            let reason = format!("the environment variable {name} has to hold {}", described(forms));
            return Err(Refusal::misconfigured().because(reason));
        }
    }
    Ok(keys)
}

fn described(forms: &[KeyForm]) -> String {
    let forms: Vec<&str> = forms.iter().map(|form| form.described()).collect();
    forms.join(", or ")
}

/// `tolerance`, 5 minutes unless it is set.
pub fn tolerance(members: &Members<'_>) -> Result<Duration, Fault> {
    let tolerance = members.duration("tolerance")?.unwrap_or(TOLERANCE);
    match tolerance > LONGEST_TOLERANCE {
        true => Err(members.fault("tolerance", "has to be 7 days at most")),
        false => Ok(tolerance),
    }
}

/// `url`, by which the sender knows the webhook: behind a proxy the request does not say it.
pub fn url(members: &Members<'_>) -> Result<String, Fault> {
    let read = |value: &Value| {
        let text = value.as_str()?.trim();
        let parsed = url::Url::parse(text).ok()?;
        let is_usable = matches!(parsed.scheme(), "http" | "https") && parsed.fragment().is_none();
        is_usable.then(|| text.to_owned())
    };
    let form = "has to be the URL that the sender was told, with http:// or https://";
    members.needed("url", members.read("url", form, read))
}

/// 401, for a signature that is missing, wrong or old; it does not tell which.
pub fn unproven() -> Refusal {
    Refusal::new(401, "The signature is missing, wrong or too old.")
}
