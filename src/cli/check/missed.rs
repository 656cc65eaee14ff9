//! Which of NocoBase's workflows are not started by what data nodes write into the database.

use crate::expr::{Value, json};
use crate::store::event::RecordEvent;

/// The bits of `config.mode` of collection events, by the node type that makes them happen.
const MODES: [(&str, u32); 3] = [("create", 1), ("update", 2), ("destroy", 4)];

/// What is wrong with a data node of this type and configuration; nothing for other nodes.
pub(super) fn warning(type_name: &str, config: &str, events: &[RecordEvent]) -> Option<String> {
    let (_, bit) = MODES.iter().find(|(name, _)| *name == type_name)?;
    let collection = parse(config).member("collection");
    let collection = collection.as_str()?;
    let missed: Vec<String> = events
        .iter()
        .filter(|event| is_missed(event, collection, *bit))
        .map(|event| format!("\"{}\"", event.title))
        .collect();
    if missed.is_empty() {
        return None;
    }
    let list = missed.join(", ");
    Some(format!(
        "writes to {collection} beside NocoBase, which does not start {list} for it; SIDEHOOK_DATA_WRITES=api does"
    ))
}

fn is_missed(event: &RecordEvent, collection: &str, bit: u32) -> bool {
    let config = parse(&event.config);
    if config.member("collection").as_str() != Some(collection) {
        return false;
    }
    match config.member("mode").as_number() {
        // Of schedules only those that follow a date of records.
        Some(mode) if event.trigger == "schedule" => mode == 1.0,
        Some(mode) => (mode as u32) & bit != 0,
        None => false,
    }
}

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_the_same_collection_and_kind_are_missed() {
        let event = |title: &str, trigger: &str, config: &str| RecordEvent {
            title: title.to_owned(),
            trigger: trigger.to_owned(),
            config: config.to_owned(),
        };
        let events = [
            event("created or changed", "collection", r#"{"collection":"posts","mode":3}"#),
            event("deleted", "collection", r#"{"collection":"posts","mode":4}"#),
            event("due", "schedule", r#"{"collection":"posts","mode":1}"#),
            event("nightly", "schedule", r#"{"mode":0}"#),
            event("other", "collection", r#"{"collection":"tags","mode":7}"#),
        ];
        let missed = |type_name: &str, config: &str| warning(type_name, config, &events).unwrap_or_default();
        assert!(
            missed("create", r#"{"collection":"posts"}"#).contains("\"created or changed\", \"due\" for it")
        );
        assert!(missed("destroy", r#"{"collection":"posts"}"#).contains("\"deleted\", \"due\" for it"));
        assert_eq!(missed("query", r#"{"collection":"posts"}"#), "");
        assert_eq!(missed("create", r#"{"collection":"users"}"#), "");
        assert_eq!(missed("create", "{}"), "");
    }
}
