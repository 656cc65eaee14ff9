//! The addresses that may call a webhook: `sidehook.ipAllowlist`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::check::{Admit, Check, Fault, Key, Parsed, Stage};
use super::members::unusable;
use crate::address::Ranges;
use crate::expr::{Array, Value};
use crate::webhook::head::{Facts, Head};
use crate::webhook::refusal::Refusal;

pub(super) const CHECK: Check = Check { key: Key::Extension("ipAllowlist"), at: Stage::Head, parse };

/// The ranges that senders publish, each with where and when it was read.
const PUBLISHED: &str = include_str!("published_ranges.json");

#[derive(Deserialize)]
struct Published {
    ranges: Vec<String>,
}

#[derive(Debug)]
struct Allowlist(Ranges);

/// An address, a range, the name of a sender that publishes its ranges, or a list of at least one of them.
fn parse(config: &Value) -> Parsed {
    if config.is_nullish() {
        return Ok(None);
    }
    let single = [config.clone()];
    let items = config.as_array().map_or(single.as_slice(), Array::items);
    let mut allowed = Ranges::default();
    for item in items {
        let text = item.as_str().ok_or_else(fault)?;
        allowed.extend(Ranges::parse([text]).or_else(|text| published(text).ok_or_else(fault))?);
    }
    if items.is_empty() { Err(fault()) } else { Ok(Some(Box::new(Allowlist(allowed)))) }
}

fn published(name: &str) -> Option<Ranges> {
    let ranges = senders().remove(name)?.ranges;
    Ranges::parse(ranges.iter().map(String::as_str)).ok()
}

fn senders() -> BTreeMap<String, Published> {
    // A test reads the file, too.
    serde_json::from_str(PUBLISHED).unwrap_or_default()
}

fn fault() -> Fault {
    let names: Vec<String> = senders().into_keys().collect();
    let form = "has to be a list of addresses, ranges such as 10.0.0.0/8, and of the names";
    unusable("sidehook.ipAllowlist", &format!("{form} {}", names.join(", ")))
}

impl Admit for Allowlist {
    fn admit(&self, _: &Head, _: Option<&[u8]>, facts: &Facts) -> Result<(), Refusal> {
        let is_allowed = facts.peer.is_some_and(|peer| self.0.contains(peer));
        if is_allowed { Ok(()) } else { Err(Refusal::forbidden_address()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn status(config: &str, peer: &str) -> Result<u16, String> {
        let config = json::parse(config.as_bytes()).expect("JSON in a test");
        let check = parse(&config).map_err(|fault| fault.text)?;
        let facts = Facts { peer: peer.parse().ok(), ..Facts::default() };
        let admitted = check.map_or(Ok(()), |check| check.admit(&Head::default(), None, &facts));
        Ok(admitted.map_or_else(|refusal| refusal.status, |()| 200))
    }

    #[test]
    fn only_listed_addresses_are_let_in() {
        let list = r#"["192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "github"]"#;
        for peer in ["192.0.2.7", "::ffff:10.1.1.1", "2001:db8::5", "140.82.112.1", "2a0a:a440::1"] {
            assert_eq!(status(list, peer), Ok(200), "{peer}");
        }
        for peer in ["192.0.2.8", "11.0.0.1", "2001:db9::5", "8.8.8.8", ""] {
            assert_eq!(status(list, peer), Ok(403), "{peer:?}");
        }
        assert_eq!(status("null", "8.8.8.8"), Ok(200));
        assert_eq!(status("\"8.8.8.8\"", "8.8.8.8"), Ok(200));
    }

    #[test]
    fn what_is_neither_address_nor_name_is_a_fault() {
        for config in
            ["[]", "{}", "true", "5", "\"\"", r#"["10.0.0.0/40"]"#, r#"["GitHub"]"#, r#"["10.0.0.1",1]"#]
        {
            let fault = status(config, "10.0.0.1").expect_err(config);
            assert!(
                fault.contains("`sidehook.ipAllowlist`") && fault.contains("github, "),
                "{config}: {fault}"
            );
        }
    }

    #[test]
    fn published_ranges_can_be_read_and_say_where_they_are_from() {
        let file: Value = json::parse(PUBLISHED.as_bytes()).expect("the file is JSON");
        let senders = senders();
        assert_eq!(file.as_object().map(|file| file.iter().count()), Some(senders.len()));
        for (name, Published { ranges }) in senders {
            assert!(
                Ranges::parse(ranges.iter().map(String::as_str)).is_ok_and(|_| !ranges.is_empty()),
                "{name}"
            );
            let said = |member| file.member(&name).member(member).as_str().unwrap_or_default().to_owned();
            assert!(said("source").starts_with("https://"), "{name}");
            assert_eq!(said("read").len(), "2026-01-01".len(), "{name}");
        }
    }
}
