//! Subflow nodes whose workflow does not exist, or cannot be called from where they are.

use std::collections::BTreeMap;

use crate::expr::{Value, json};
use crate::node::NodeType;
use crate::node::subflow::Subflow;
use crate::store::Callable;

/// What is to be said of a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It does not work.
    Wrong(String),
    /// It may be meant.
    Noted(String),
}

/// What is to be said of a node of this type and configuration; nothing for other nodes, and for those whose workflow a
/// template names. `workflows` are all that can be called, by key; `is_sync` says that the node is in a synchronous one.
pub(super) fn finding(
    type_name: &str,
    config: &str,
    workflows: &BTreeMap<String, Callable>,
    is_sync: bool,
) -> Option<Said> {
    if type_name != Subflow::TYPE {
        return None;
    }
    let config = json::parse(config.as_bytes()).unwrap_or_default();
    let key = match config.member("workflow") {
        Value::Text(key) if key.contains("{{") => return None,
        Value::Text(key) if !key.is_empty() => key,
        _ => return Some(Said::Wrong("names no workflow: it fails".to_owned())),
    };
    match workflows.get(&*key) {
        None => Some(Said::Wrong(format!("calls the workflow {key:?}, which does not exist: it fails"))),
        Some(called) if is_sync && !called.is_sync => {
            let text =
                format!("calls the workflow {key:?}, which is asynchronous while this one is not: it fails");
            Some(Said::Wrong(text))
        }
        Some(called) if !called.is_enabled => {
            Some(Said::Noted(format!("calls the workflow {key:?} although that is not enabled")))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflows_are_looked_up() {
        let workflows = [("sync", true, true), ("async", false, true), ("off", true, false)];
        let callable = |(key, is_sync, is_enabled): (&str, bool, bool)| {
            (key.to_owned(), Callable { is_sync, is_enabled })
        };
        let workflows = workflows.map(callable).into();
        let found = |key: &str, is_sync| {
            let config = format!(r#"{{"workflow":{key}}}"#);
            finding("subflow", &config, &workflows, is_sync).map(|said| match said {
                Said::Wrong(text) => format!("wrong: {text}"),
                Said::Noted(text) => format!("noted: {text}"),
            })
        };
        assert_eq!(found("\"sync\"", true), None);
        assert_eq!(found("\"async\"", false), None);
        assert_eq!(found("\"{{$context.body.key}}\"", false), None);
        for (key, is_sync, expected) in [
            ("\"async\"", true, "wrong: calls the workflow \"async\", which is asynchronous"),
            ("\"gone\"", false, "wrong: calls the workflow \"gone\", which does not exist"),
            ("null", false, "wrong: names no workflow"),
            ("\"off\"", true, "noted: calls the workflow \"off\" although that is not enabled"),
        ] {
            let text = found(key, is_sync).unwrap_or_default();
            assert!(text.starts_with(expected), "{text}");
        }
        assert_eq!(finding("create", "{}", &workflows, false), None);
    }
}
