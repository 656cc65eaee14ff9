//! Which of the executions that NocoBase has queued are run here.

use std::collections::BTreeSet;

use super::reader::Reader;

/// `SIDEHOOK_WORKFLOWS`: `webhook`, the default, `all`, or types and keys of workflows with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Workflows {
    /// None: only what comes in as a request.
    #[default]
    Webhook,
    /// Those of every asynchronous workflow.
    All,
    /// Those of workflows of these types, such as `collection`, or with these keys.
    These(BTreeSet<String>),
}

impl Workflows {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let expected = "webhook, all, or types and keys of workflows such as collection,schedule";
        reader.with("SIDEHOOK_WORKFLOWS", expected, Self::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "webhook" => return Some(Self::Webhook),
            "all" => return Some(Self::All),
            _ => {}
        }
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let is_name =
            |name: &String| !name.is_empty() && !name.contains(char::is_whitespace) && name != "all";
        names.iter().all(is_name).then_some(Self::These(names))
    }

    /// Whether anything that NocoBase has queued is to be run here.
    pub fn takes_from_nocobase(&self) -> bool {
        *self != Self::Webhook
    }

    /// Whether a workflow is named, by its type or its key.
    pub fn names(&self, type_name: &str, key: &str) -> bool {
        matches!(self, Self::These(names) if names.contains(type_name) || names.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_types_and_keys() {
        let these = Workflows::parse("collection, k1").expect("a list");
        assert!(these.names("collection", "x") && these.names("schedule", "k1"));
        assert!(!these.names("schedule", "x"));
        assert!(these.takes_from_nocobase() && Workflows::All.takes_from_nocobase());
        assert_eq!(Workflows::parse(" all "), Some(Workflows::All));
        assert_eq!(Workflows::parse("webhook"), Some(Workflows::Webhook));
        assert!(!Workflows::Webhook.takes_from_nocobase());
        for text in ["", "a,,b", "a b", "all,schedule", ","] {
            assert_eq!(Workflows::parse(text), None, "{text:?}");
        }
    }
}
