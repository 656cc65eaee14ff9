//! Reading where tables and columns have other names.

use serde_json::json;
use sidehook::collection::{Collections, Find, Sort};
use sidehook::expr;

use super::shop::find;
use crate::collections;
use crate::databases::{Kind, TestDatabase};
use crate::rows::Rows;
use crate::server::prepare;

/// Two collections with their metadata, as a deployment with prefix and underscores names them.
fn under_other_names(rows: &Rows, kind: Kind) -> Vec<String> {
    let q = |name: &str| {
        let name = collections::quoted(rows, name);
        rows.store.names.schema().map_or(name.clone(), |schema| format!("\"{schema}\".{name}"))
    };
    let text = if kind == Kind::Postgres { "json" } else { "text" };
    vec![
        format!("CREATE TABLE {} (key varchar(99), name varchar(99), options {text})", q("nb_collections"))
            .replace("(key", &format!("({}", collections::quoted(rows, "key"))),
        format!(
            "CREATE TABLE {} ({} varchar(99), name varchar(99), type varchar(99), interface varchar(99), collection_name varchar(99), options {text}, sort bigint)",
            q("nb_fields"),
            collections::quoted(rows, "key"),
        ),
        format!(
            "CREATE TABLE {} (id bigint PRIMARY KEY, order_no varchar(99), customer_id bigint)",
            q("nb_sales_orders")
        ),
        format!("CREATE TABLE {} (id bigint PRIMARY KEY, full_name varchar(99))", q("nb_customers")),
        format!(
            "INSERT INTO {} VALUES ('a', 'salesOrders', '{{\"createdAt\":false,\"updatedAt\":false}}'), ('b', 'customers', '{{\"timestamps\":false}}')",
            q("nb_collections")
        ),
        format!(
            "INSERT INTO {} VALUES ('a', 'orderNo', 'string', NULL, 'salesOrders', '{{}}', 1), \
             ('b', 'customer', 'belongsTo', NULL, 'salesOrders', '{{\"target\":\"customers\",\"foreignKey\":\"customerId\"}}', 2), \
             ('c', 'fullName', 'string', NULL, 'customers', '{{}}', 1)",
            q("nb_fields"),
        ),
        format!("INSERT INTO {} VALUES (1, 'A', 7), (2, 'B', NULL)", q("nb_sales_orders")),
        format!("INSERT INTO {} VALUES (7, 'Ann')", q("nb_customers")),
    ]
}

#[tokio::test]
async fn names_follow_prefix_underscores_and_schema() {
    for (kind, settings) in [
        (Kind::Postgres, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true"), ("DB_SCHEMA", "nbs")][..]),
        (Kind::Mysql, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true")]),
        (Kind::Sqlite, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true")]),
    ] {
        let Some(database) = TestDatabase::create(kind).await else { continue };
        let rows = Rows { store: prepare(&database, settings).await };
        for statement in under_other_names(&rows, kind) {
            rows.execute(&statement).await;
        }
        let known = Collections::new(rows.store.clone(), "/");
        known.refresh().await.expect("the rows are read");
        let schema = known.schema();
        let now = "2026-11-22T20:30:00Z".parse().expect("a time");
        let reader = sidehook::collection::Reader {
            schema: &schema,
            codec: &rows.store.codec,
            db: &rows.store.db,
            now,
            files: None,
        };
        let orders = schema.get("salesOrders").expect("it is known");
        let by_name = Find {
            sort: vec![Sort { field: "orderNo".into(), is_descending: false }],
            ..find(json!({"customer.fullName": {"$includes": "A"}}), &["customer"])
        };
        let found = reader.find(orders, &by_name).await.expect("it reads");
        let found: Vec<String> =
            found.iter().map(|record| expr::json::stringify_or_null(&record.to_value())).collect();
        let expected = r#"{"id":1,"orderNo":"A","customerId":7,"customer":{"id":7,"fullName":"Ann"}}"#;
        assert_eq!(found, [expected], "{kind}");
    }
}
