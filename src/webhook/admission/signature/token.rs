//! `token`: a secret that a sender sends as it is, for those who cannot sign, in a header, in the query or in the body.

use super::algorithm::{Algorithm, Encoding, KeyForm};
use super::settings::{self, members};
use super::{form, rule};
use crate::expr::Value;
use crate::expr::path::Path;
use crate::webhook::admission::check::{Admit, Credential, Fault, Parsed};
use crate::webhook::admission::members::Members;
use crate::webhook::body::qs;
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;
use crate::webhook::secret::Secret;

const MEMBERS: [&str; 5] = ["secret", "secrets", "header", "query", "body"];

#[derive(Debug)]
struct Token {
    secrets: Vec<Secret>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Its name in lower case.
    Header(String),
    Query(String),
    /// A field of a form, or a lodash path into JSON.
    Body(String),
}

/// `{secret | secrets, header | query | body}`
pub(super) fn parse(config: &Value) -> Parsed {
    let members = members(config, &MEMBERS)?;
    let place = place(&members)?;
    let secrets = settings::secrets(&members, "secret", "secrets")?;
    Ok(Some(Box::new(Token { secrets, place })))
}

fn place(members: &Members<'_>) -> Result<Place, Fault> {
    let text = |name| members.text(name).map(|text| text.map(str::to_owned));
    match (members.header("header")?, text("query")?, text("body")?) {
        (Some(name), None, None) => Ok(Place::Header(name)),
        (None, Some(name), None) => Ok(Place::Query(name)),
        (None, None, Some(name)) => Ok(Place::Body(name)),
        _ => Err(members.fault_of_all("has to have one of `header`, `query` and `body`")),
    }
}

/// Puts a secret into the header where a configuration has it.
pub(super) fn put(config: &Value, secret: &[u8], head: &mut Head) -> Result<(), String> {
    let members = members(config, &MEMBERS).map_err(|fault| fault.text)?;
    match place(&members).map_err(|fault| fault.text)? {
        Place::Header(name) => head.headers.push((name, crate::field::latin1(secret))),
        Place::Query(_) | Place::Body(_) => {
            return Err("a token in the query or in the body is part of what you send".to_owned());
        }
    }
    Ok(())
}

impl Admit for Token {
    fn admit(&self, head: &Head, body: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let keys = settings::keys(&self.secrets, &[KeyForm::Text], &facts.env)?;
        let given = self.place.find(head, body.unwrap_or_default()).ok_or_else(settings::unproven)?;
        let is_right = |key: &[u8]| Algorithm::Token.proves(key, &[], &[&given], Encoding::Plain);
        let is_proven = keys.iter().map(|(_, key)| is_right(key)).fold(false, |any, this| any | this);
        if is_proven { Ok(()) } else { Err(settings::unproven()) }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }

    fn credentials(&self) -> Vec<Credential<'_>> {
        match &self.place {
            Place::Header(name) => vec![Credential::Header(name)],
            Place::Query(name) => vec![Credential::Query(name)],
            Place::Body(_) => Vec::new(),
        }
    }
}

impl Place {
    fn find(&self, head: &Head, body: &[u8]) -> Option<String> {
        match self {
            Self::Header(name) => head.header(name).map(str::to_owned),
            Self::Query(name) => qs::parse_query(&head.query).member(name).as_str().map(str::to_owned),
            Self::Body(name) => match form::fields(head, body) {
                Some(fields) => fields.into_iter().find(|(known, _)| known == name).map(|(_, value)| value),
                None => Path::parse(name).get(&rule::parse_object(body)?).as_str().map(str::to_owned),
            },
        }
    }
}
