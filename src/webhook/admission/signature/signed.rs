//! The check of a signature by rules: those of a row of the list of schemes, or the one of a configuration.

use std::time::Duration;

use super::algorithm::KeyForm;
use super::row::Row;
use super::rule::{Message, Rule};
use super::settings::{self, members};
use crate::expr::Value;
use crate::webhook::admission::check::{Admit, Credential, Parsed};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

/// Lets in who fulfils one of its rules.
#[derive(Debug)]
pub(super) struct Signed {
    pub rules: Vec<Rule>,
    pub secrets: Vec<Secret>,
    pub tolerance: Duration,
    pub url: Option<String>,
}

/// `{secret | secrets}`, or `{publicKey | publicKeys}` where the sender has the private one; `tolerance` where there
/// is a time, `url` where that is signed.
pub(super) fn parse(config: &Value, rows: &'static [Row]) -> Parsed {
    let rules: Vec<Rule> = rows.iter().map(Rule::of).collect();
    let (one, several) = match rules.iter().all(|rule| rule.algorithm.is_asymmetric()) {
        true => ("publicKey", "publicKeys"),
        false => ("secret", "secrets"),
    };
    let (has_stamp, has_url) =
        (rules.iter().any(|rule| rule.stamp.is_some()), rules.iter().any(Rule::signs_url));
    let own = [(one, true), (several, true), ("tolerance", has_stamp), ("url", has_url)];
    let known: Vec<&str> = own.iter().filter(|(_, is_known)| *is_known).map(|(name, _)| *name).collect();
    let members = members(config, &known)?;
    let secrets = settings::secrets(&members, one, several)?;
    settings::check_forms(&secrets, &members.place_of(one), &forms(&rules))?;
    let url = if has_url { Some(settings::url(&members)?) } else { None };
    Ok(Some(Box::new(Signed { rules, secrets, tolerance: settings::tolerance(&members)?, url })))
}

fn forms(rules: &[Rule]) -> Vec<KeyForm> {
    rules.iter().map(|rule| rule.key).collect()
}

impl Admit for Signed {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let keys = settings::keys(&self.secrets, &forms(&self.rules), &facts.env)?;
        let message = Message {
            head,
            body: body.unwrap_or_default(),
            url: self.url.as_deref(),
            now: facts.now,
            tolerance: self.tolerance,
        };
        let mut is_proven = false;
        for (at, rule) in self.rules.iter().enumerate() {
            let own: Vec<_> = keys.iter().filter(|(of, _)| *of == at).map(|(_, key)| key.clone()).collect();
            is_proven |= rule.is_proven(&own, &message);
        }
        if is_proven { Ok(()) } else { Err(settings::unproven()) }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }

    fn credentials(&self) -> Vec<Credential<'_>> {
        self.rules.iter().map(|rule| Credential::Header(&rule.header)).collect()
    }
}
