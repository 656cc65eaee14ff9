//! Collections come from NocoBase's own tables, and are followed when they change.

use serde_json::json;
use sidehook::collection::{AssociationKind, Collections, FieldType};

use crate::collections;
use crate::rows::Rows;
use crate::server::{on_every_database, prepare};

#[tokio::test]
async fn collections_are_followed_by_the_digest_of_their_rows() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let known = Collections::new(rows.store.clone(), "/");
        assert!(!known.refresh().await.expect("it works without the tables"));
        let posts = json!({"name": "posts", "fields": [
            {"name": "title", "type": "string", "interface": "input"},
            {"name": "tags", "type": "array"},
        ]});
        collections::create(&rows, &[posts]).await;
        assert!(known.refresh().await.expect("the rows are read"));
        assert!(!known.refresh().await.expect("nothing has changed"));
        let first = known.schema();
        let fields = |name: &str| -> Vec<(String, FieldType)> {
            let schema = known.schema();
            let posts = schema.get("posts").unwrap_or_else(|| panic!("{name}"));
            posts.fields().map(|field| (field.name.to_string(), field.kind)).collect()
        };
        let expected = [
            ("id", FieldType::BigInt),
            ("createdAt", FieldType::Date),
            ("updatedAt", FieldType::Date),
            ("title", FieldType::String),
            ("tags", FieldType::Array),
        ];
        assert_eq!(fields("posts"), expected.map(|(name, kind)| (name.to_owned(), kind)));
        let (table, options, name) = (
            collections::quoted(&rows, "fields"),
            collections::quoted(&rows, "options"),
            collections::quoted(&rows, "name"),
        );
        rows.execute(&format!(
            r#"UPDATE {table} SET {options} = '{{"hidden":true}}' WHERE {name} = 'title'"#
        ))
        .await;
        assert!(known.refresh().await.expect("the rows are read"));
        let schema = known.schema();
        let title = schema.get("posts").and_then(|posts| posts.field("title")).expect("it exists");
        assert!(title.is_hidden());
        let before = first.get("posts").and_then(|posts| posts.field("title")).expect("it exists");
        assert!(!before.is_hidden(), "what is under way keeps its schema");
        rows.execute(&format!("DELETE FROM {table} WHERE {name} = 'tags'")).await;
        assert!(known.refresh().await.expect("the rows are read"));
        assert_eq!(fields("posts").len(), 4);
    })
    .await;
}

#[tokio::test]
async fn what_plugins_define_in_code_is_read_from_the_database() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let posts = json!({"name": "posts", "createdBy": true, "fields": []});
        collections::create(&rows, &[posts]).await;
        let known = Collections::new(rows.store.clone(), "/");
        known.refresh().await.expect("the rows are read");
        let schema = known.schema();
        let author = schema.get("posts").and_then(|posts| posts.association("createdBy")).expect("it exists");
        assert_eq!((author.kind, &*author.target), (AssociationKind::BelongsTo, "users"));
        let users = schema.get("users").expect("the target of an association is there");
        let kinds: Vec<_> = users.fields().map(|field| (&*field.name, field.kind)).collect();
        let expected = [
            ("id", FieldType::BigInt),
            ("nickname", FieldType::String),
            ("email", FieldType::String),
            ("createdAt", FieldType::Date),
            ("updatedAt", FieldType::Date),
        ];
        assert_eq!(kinds, expected, "{}", database.kind);
        assert_eq!(users.primary_key.as_deref(), Some("id"));
        // Any other table is found when it is asked for.
        assert!(schema.get("workflowStats").is_none());
        let stats = known.find("workflowStats").await.expect("the database answers").expect("it exists");
        assert_eq!(stats.primary_key.as_deref(), Some("key"));
        for name in ["no_such_table", "sidehook_leases", "x\"; DROP TABLE posts; --", ""] {
            assert!(known.find(name).await.expect("the database answers").is_none(), "{name}");
        }
        assert!(known.schema().get("posts").is_some());
    })
    .await;
}
