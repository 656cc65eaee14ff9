//! The parts of a request that a context has whole, without what lets senders in.

use url::form_urlencoded;

use super::admission::Credential;
use super::body::qs;
use super::head::Head;
use super::trigger::Trigger;
use super::withheld::{is_withheld, without_withheld};
use crate::expr::{Object, Value};

/// All headers but those that let senders in.
pub(super) fn headers(trigger: &Trigger, head: &Head) -> Object {
    let own: Vec<Credential<'_>> = trigger.admission.credentials().collect();
    let mut all = Object::new();
    for (name, _) in head.headers.iter().filter(|(name, _)| !is_withheld(name)) {
        if all.get(name).is_none() && !own.contains(&Credential::Header(name)) {
            all.insert(name.as_str(), head.joined_header(name).map_or(Value::Undefined, Value::from));
        }
    }
    all
}

/// All of a query but what lets senders in.
pub(super) fn query(trigger: &Trigger, head: &Head, query: &Value) -> Object {
    let own: Vec<&str> = trigger.admission.credentials().filter_map(Credential::query).collect();
    let rest = (!own.is_empty()).then(|| qs::parse_query(&without_parameters(&head.query, &own)));
    without_withheld(rest.as_ref().unwrap_or(query)).as_object().cloned().unwrap_or_default()
}

/// A query string without the parameters of some names, however these are encoded.
fn without_parameters(query: &str, names: &[&str]) -> String {
    let is_other = |pair: &&str| {
        let named = form_urlencoded::parse(pair.as_bytes()).next();
        !named.is_some_and(|(name, _)| names.contains(&&*name))
    };
    query.split('&').filter(is_other).collect::<Vec<_>>().join("&")
}
