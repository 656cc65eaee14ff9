//! What plugins of NocoBase add when records are written, by collection: nodes that write in the database leave it out.

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::{Value, json};
use crate::store::catalog::Definition;
use crate::store::metadata::Metadata;

/// The node types that write.
const WRITING: [&str; 3] = ["create", "update", "destroy"];

/// For each collection that the workflows write to, what is left out; collections without are not there.
pub(super) fn left_out<'a>(
    definitions: impl IntoIterator<Item = &'a Definition>,
    metadata: &Metadata,
    plugins: &BTreeSet<String>,
) -> BTreeMap<String, Vec<String>> {
    let nodes = definitions.into_iter().flat_map(|definition| &definition.nodes);
    let written = nodes.filter(|row| row.r#type.as_deref().is_some_and(|name| WRITING.contains(&name)));
    let names: BTreeSet<String> =
        written.filter_map(|row| collection_of(row.config.as_ref().map_or("", |text| &text.0))).collect();
    let about = |name: String| {
        let found = about_collection(&name, metadata, plugins);
        (!found.is_empty()).then_some((name, found))
    };
    names.into_iter().filter_map(about).collect()
}

/// The collection of the main data source that a node's configuration names.
fn collection_of(config: &str) -> Option<String> {
    let name = parsed(config).member("collection");
    let name = name.as_str()?;
    let name = name.strip_prefix("main:").unwrap_or(name);
    (!name.contains(':')).then(|| name.to_owned())
}

fn about_collection(name: &str, metadata: &Metadata, plugins: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let own = metadata.collections.iter().find(|one| one.name == name);
    let options = own.and_then(|one| one.options.as_ref()).map_or(Value::Undefined, |text| parsed(&text.0));
    if plugins.contains("audit-logs") && options.member("logging").is_truthy() {
        found.push("the audit log gets no entry".to_owned());
    }
    if plugins.contains("record-history") {
        found.push("the record history gets no entry".to_owned());
    }
    let named = |kind: &str| -> Vec<&str> {
        let fields = metadata.fields.iter().filter(|field| field.collection_name.as_deref() == Some(name));
        let of_kind = fields.filter(|field| field.r#type.as_deref() == Some(kind));
        of_kind.map(|field| field.name.as_str()).collect()
    };
    let snapshots = named("snapshot");
    if !snapshots.is_empty() {
        found.push(format!("no snapshot is taken: {}", snapshots.join(", ")));
    }
    let encrypted = named("encryption");
    if !encrypted.is_empty() {
        found.push(format!("encrypted fields cannot be written: {}", encrypted.join(", ")));
    }
    found
}

fn parsed(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use entity::{JsonText, Timestamp, collection, field, flow_node, workflow};

    use super::*;

    fn definition(nodes: &[(&str, &str)]) -> Definition {
        let row = |(type_name, config): &(&str, &str)| flow_node::Model {
            id: 1,
            key: None,
            title: None,
            upstream_id: None,
            branch_index: None,
            downstream_id: None,
            r#type: Some((*type_name).to_owned()),
            config: Some(JsonText((*config).to_owned())),
            workflow_id: Some(1),
        };
        let workflow = workflow::Model {
            id: 1,
            updated_at: Timestamp(chrono::DateTime::UNIX_EPOCH),
            key: None,
            title: None,
            enabled: Some(true),
            r#type: Some("webhook".to_owned()),
            config: None,
            current: Some(true),
            sync: Some(true),
            options: None,
        };
        Definition { workflow, nodes: nodes.iter().map(row).collect() }
    }

    #[test]
    fn each_collection_is_named_once_with_all_that_is_left_out() {
        let field = |name: &str, kind: &str| field::Model {
            name: name.to_owned(),
            r#type: Some(kind.to_owned()),
            interface: None,
            collection_name: Some("posts".to_owned()),
            options: None,
        };
        let collection = |name: &str, options: &str| collection::Model {
            name: name.to_owned(),
            options: Some(JsonText(options.to_owned())),
        };
        let metadata = Metadata {
            collections: vec![collection("posts", r#"{"logging":true}"#), collection("tags", "{}")],
            fields: vec![field("then", "snapshot"), field("secret", "encryption"), field("title", "string")],
        };
        let definitions = [
            definition(&[("create", r#"{"collection":"posts"}"#), ("query", r#"{"collection":"tags"}"#)]),
            definition(&[
                ("update", r#"{"collection":"main:posts"}"#),
                ("destroy", r#"{"collection":"tags"}"#),
            ]),
            definition(&[("create", r#"{"collection":"other:posts"}"#)]),
        ];
        let found = left_out(&definitions, &metadata, &BTreeSet::from(["audit-logs".to_owned()]));
        let posts = [
            "the audit log gets no entry",
            "no snapshot is taken: then",
            "encrypted fields cannot be written: secret",
        ];
        assert_eq!(found, BTreeMap::from([("posts".to_owned(), posts.map(str::to_owned).to_vec())]));
        let found = left_out(&definitions, &metadata, &BTreeSet::from(["record-history".to_owned()]));
        assert_eq!(found["tags"], ["the record history gets no entry"]);
    }
}
