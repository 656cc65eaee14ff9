//! Collections that NocoBase's plugins listen to: what does not happen when data nodes write to them in the database.

use crate::expr::{Value, json};

/// By collection: the node types, and what NocoBase does besides writing the record.
const LISTENED: [(&str, &[&str], &str); 5] = [
    ("attachments", &["destroy"], "delete the files of the records"),
    ("departments", &["create", "update", "destroy"], "keep the main departments of users"),
    ("departmentsUsers", &["create", "update", "destroy"], "keep the main departments of users"),
    ("roles", &["create", "update", "destroy"], "follow the permissions until it starts again"),
    ("rolesUsers", &["create", "update", "destroy"], "forget the roles that it has cached"),
];

/// What is wrong with a data node of this type and configuration; nothing for other nodes.
pub(super) fn warning(type_name: &str, config: &str) -> Option<String> {
    let config = json::parse(config.as_bytes()).unwrap_or_default();
    let Value::Text(collection) = config.member("collection") else { return None };
    let name = collection.strip_prefix("main:").unwrap_or(&collection);
    let is_about = |types: &[&str]| types.contains(&type_name);
    let (.., what) = LISTENED.iter().find(|(listened, types, _)| *listened == name && is_about(types))?;
    Some(format!("writes to {name} beside NocoBase, which does not {what}; SIDEHOOK_DATA_WRITES=api does"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_plugin_listens_to_is_named() {
        let found = |type_name: &str, config: &str| warning(type_name, config).unwrap_or_default();
        let files = r#"{"collection":"attachments"}"#;
        assert!(found("destroy", files).contains("does not delete the files"));
        assert_eq!(found("create", files), "");
        assert!(found("update", r#"{"collection":"main:roles"}"#).contains("writes to roles"));
        for other in [r#"{"collection":"posts"}"#, r#"{"collection":5}"#, "null"] {
            assert_eq!(found("update", other), "");
        }
    }
}
