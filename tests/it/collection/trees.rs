//! Trees: the paths that NocoBase's tree tables read, and parents that would make a circle, on every database.

use serde_json::{Value, json};
use sidehook::collection::Change;

use crate::collections::quoted;
use crate::databases::{Kind, TestDatabase};
use crate::records::{Records, plain, value};
use crate::server::{on_databases, on_every_database};

async fn tree(database: &TestDatabase) -> Records {
    Records::create(database, &[areas()]).await
}

fn areas() -> Value {
    let mut payload = plain(
        "areas",
        json!([
            {"name": "name", "type": "string"},
            {"name": "aboveId", "type": "bigInt"},
            {"name": "above", "type": "belongsTo", "target": "areas", "foreignKey": "aboveId", "targetKey": "id",
             "treeParent": true, "onDelete": "CASCADE"},
            {"name": "below", "type": "hasMany", "target": "areas", "foreignKey": "aboveId", "sourceKey": "id",
             "targetKey": "id", "treeChildren": true, "onDelete": "CASCADE"},
        ]),
    );
    payload["tree"] = json!("adjacencyList");
    payload
}

/// Keys, paths and roots, by key.
async fn paths(records: &Records) -> Vec<String> {
    paths_in(records, "main_areas_path").await
}

async fn paths_in(records: &Records, table: &str) -> Vec<String> {
    let [node, path, root] = ["nodePk", "path", "rootPk"].map(|name| quoted(&records.rows, name));
    let text = match records.rows.store.codec.backend() {
        sea_orm::DbBackend::MySql => format!("CONCAT({node}, ' ', {path}, ' ', {root})"),
        _ => format!("{node} || ' ' || {path} || ' ' || {root}"),
    };
    let texts = records.rows.texts(&format!("SELECT {text} FROM {table} ORDER BY {node}")).await;
    texts.into_iter().flatten().collect()
}

async fn set(records: &Records, id: i64, values: Value) -> Result<usize, String> {
    records.update("areas", json!({"id": id}), values).await.map_err(|thrown| thrown.message)
}

#[tokio::test]
async fn paths_follow_what_is_created_moved_and_deleted() {
    on_every_database(async |database| {
        let records = tree(&database).await;
        let nested = json!({"name": "a", "below": [{"name": "b", "below": [{"name": "c"}]}]});
        records.create_one("areas", nested).await.expect("it is created");
        records.create_one("areas", json!({"name": "d"})).await.expect("it is created");
        records.create_one("areas", json!({"name": "e", "above": 3})).await.expect("it is created");
        records
            .create_one("areas", json!({"name": "f", "above": {"name": "g"}}))
            .await
            .expect("it is created");
        let made = ["1 /1 1", "2 /1/2 1", "3 /1/2/3 1", "4 /4 4", "5 /1/2/3/5 1", "6 /7/6 7", "7 /7 7"];
        assert_eq!(paths(&records).await, made, "{}", database.kind);
        assert_eq!(set(&records, 2, json!({"aboveId": 4})).await, Ok(1));
        let moved = ["1 /1 1", "2 /4/2 4", "3 /4/2/3 4", "4 /4 4", "5 /4/2/3/5 4", "6 /7/6 7", "7 /7 7"];
        assert_eq!(paths(&records).await, moved, "{}", database.kind);
        assert_eq!(set(&records, 3, json!({"above": null, "name": "C"})).await, Ok(1));
        assert_eq!(set(&records, 6, json!({"name": "F"})).await, Ok(1));
        let bulk = Change {
            filter: value(&json!({"name": ["d", "g"]})),
            values: value(&json!({"aboveId": 1})),
            individual_hooks: false,
            ..Change::default()
        };
        assert_eq!(records.update_with("areas", bulk).await, Ok(2));
        let moved = ["1 /1 1", "2 /1/4/2 1", "3 /3 3", "4 /1/4 1", "5 /3/5 3", "6 /1/7/6 1", "7 /1/7 1"];
        assert_eq!(paths(&records).await, moved, "{}", database.kind);
        assert_eq!(records.destroy("areas", json!({"id": 4})).await, Ok(Some(1)));
        assert_eq!(records.destroy("areas", json!({"name": "C"})).await, Ok(Some(1)));
        assert_eq!(paths(&records).await, ["1 /1 1", "6 /1/7/6 1", "7 /1/7 1"], "{}", database.kind);
    })
    .await;
}

#[tokio::test]
async fn a_record_is_neither_its_own_parent_nor_its_ancestors() {
    on_every_database(async |database| {
        let records = tree(&database).await;
        let nested = json!({"name": "a", "below": [{"name": "b", "below": [{"name": "c"}]}]});
        records.create_one("areas", nested).await.expect("it is created");
        let before = paths(&records).await;
        let own = Err("Cannot set itself as the parent node".to_owned());
        let below = Err("Cannot set a descendant node as the parent node".to_owned());
        assert_eq!(set(&records, 1, json!({"aboveId": 1})).await, own, "{}", database.kind);
        assert_eq!(set(&records, 2, json!({"above": {"id": "2"}})).await, own);
        assert_eq!(set(&records, 1, json!({"above": 3})).await, below);
        assert_eq!(set(&records, 2, json!({"aboveId": 3})).await, below);
        assert_eq!(set(&records, 3, json!({"aboveId": 1})).await, Ok(1));
        assert_eq!(paths(&records).await, ["1 /1 1", "2 /1/2 1", "3 /1/3 1"], "{}", database.kind);
        assert_eq!(before.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn without_the_plugin_a_tree_is_a_collection_like_any_other() {
    on_every_database(async |database| {
        let records = tree(&database).await;
        records.rows.execute("DROP TABLE main_areas_path").await;
        records.create_one("areas", json!({"name": "a"})).await.expect("it is created");
        assert_eq!(set(&records, 1, json!({"aboveId": 1})).await, Ok(1), "{}", database.kind);
        assert_eq!(records.update("areas", json!({"id": 1}), json!({"aboveId": null})).await, Ok(1));
        assert_eq!(records.destroy("areas", json!({"id": 1})).await, Ok(Some(1)));
    })
    .await;
}

/// NocoBase keeps the paths in the schema of their tree.
#[tokio::test]
async fn paths_are_in_the_schema_of_their_tree() {
    on_databases(&[Kind::Postgres], async |database| {
        let mut payload = areas();
        payload["schema"] = json!("elsewhere");
        let records = Records::create(&database, &[payload]).await;
        for statement in [
            "CREATE SCHEMA elsewhere",
            "ALTER TABLE areas SET SCHEMA elsewhere",
            "ALTER TABLE main_areas_path SET SCHEMA elsewhere",
        ] {
            records.rows.execute(statement).await;
        }
        let nested = json!({"name": "a", "below": [{"name": "b"}]});
        records.create_one("areas", nested).await.expect("it is created");
        assert_eq!(paths_in(&records, "elsewhere.main_areas_path").await, ["1 /1 1", "2 /1/2 1"]);
    })
    .await;
}
