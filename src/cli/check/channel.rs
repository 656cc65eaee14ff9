//! Notification nodes whose channel does not exist or is of a type that sidehook does not serve, and messages that it
//! cannot fill in.

use std::collections::BTreeMap;

use crate::expr::{Value, json};
use crate::node::NodeType;
use crate::node::notification::{EMAIL, IN_APP, Notification};

/// What is wrong with a node of this type and configuration; nothing for other nodes, and for those whose channel a
/// template names. `channels` are the types of all channels, by name.
pub(super) fn warning(
    type_name: &str,
    config: &str,
    channels: &BTreeMap<String, String>,
    hands_over: bool,
) -> Option<String> {
    if type_name != Notification::TYPE {
        return None;
    }
    let config = json::parse(config.as_bytes()).unwrap_or_default();
    let name = match config.member("channelName") {
        Value::Text(name) if name.contains("{{") => return None,
        Value::Text(name) => name,
        _ => return Some("names no channel: nobody is told".to_owned()),
    };
    let what = if hands_over { "from there on NocoBase runs the workflow" } else { "it fails" };
    match channels.get(&*name).map(String::as_str) {
        None => Some(format!("names the channel {name:?}, which does not exist: nobody is told")),
        Some(EMAIL | IN_APP) if Notification::from(config.clone()).needs_nocobase() => {
            Some(format!("has a message that uses more of Handlebars than variables: {what}"))
        }
        Some(EMAIL | IN_APP) => None,
        Some(other) => Some(format!(
            "sends through {name:?}, a channel of the type {other:?}, which sidehook does not serve: {what}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_looked_up() {
        let channels = [("mails", "email"), ("inbox", "in-app-message"), ("chat", "wecom")];
        let channels = channels.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into();
        let found = |config: &str, hands_over| warning("notification", config, &channels, hands_over);
        for name in ["mails", "inbox", "{{$context.body.channel}}"] {
            assert_eq!(found(&format!(r#"{{"channelName":"{name}"}}"#), false), None, "{name}");
        }
        let helped = found(r#"{"channelName":"mails","content":{"body":"{{#if a}}b{{/if}}"}}"#, false);
        assert!(helped.is_some_and(|text| text.ends_with("than variables: it fails")));
        assert_eq!(found(r#"{"channelName":"mails","content":{"body":"{{a.b}}"}}"#, false), None);
        assert_eq!(found("{}", false).as_deref(), Some("names no channel: nobody is told"));
        let missing = found(r#"{"channelName":"fax"}"#, false).unwrap_or_default();
        assert!(missing.contains(r#""fax", which does not exist"#), "{missing}");
        let chat = |hands_over| found(r#"{"channelName":"chat"}"#, hands_over).unwrap_or_default();
        assert!(
            chat(false).ends_with("\"wecom\", which sidehook does not serve: it fails"),
            "{}",
            chat(false)
        );
        assert!(chat(true).ends_with("NocoBase runs the workflow"), "{}", chat(true));
        assert_eq!(warning("mailer", "{}", &channels, false), None);
    }
}
