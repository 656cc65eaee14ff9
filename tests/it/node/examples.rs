//! The examples of the node types are true: each is run as a workflow of just that node.

use serde_json::{Value, json};
use sidehook::node::{Example, NODES, Sample};

use crate::collections;
use crate::databases::{Kind, TestDatabase};
use crate::fixture;
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_node_types_record_what_they_say() {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    let server = TestServer::start(&database).await;
    for kind in NODES {
        for (i, example) in (kind.examples)().iter().enumerate() {
            let key = format!("{}-{i}", kind.type_name);
            if let Some(sample) = kind.sample {
                fill(&server, sample).await;
            }
            run(&server, &key, kind.type_name, example).await;
        }
    }
    server.stop().await;
}

/// Makes the collection, if it does not exist, and gives it its records.
async fn fill(server: &TestServer, sample: &Sample) {
    let collection: Value = serde_json::from_str(sample.collection).expect("a collection is JSON");
    let records: Vec<Value> = serde_json::from_str(sample.records).expect("records are JSON");
    let name = collection["name"].as_str().expect("a name");
    collections::create(server, std::slice::from_ref(&collection)).await;
    server.execute(&format!("DELETE FROM {name}")).await;
    server.execute(&format!("DELETE FROM sqlite_sequence WHERE name = '{name}'")).await;
    for record in records.iter().filter_map(Value::as_object) {
        let columns: Vec<&str> = record.keys().map(String::as_str).collect();
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), collections::literal);
        let values: Vec<String> = record.values().map(value).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        server.execute(&format!("INSERT INTO {name} ({columns}) VALUES ({values})")).await;
    }
    server.app.collections.refresh().await.expect("the collections are read");
}

async fn run(server: &TestServer, key: &str, type_name: &str, example: &Example) {
    let config: Value = serde_json::from_str(example.config).expect("an example's config is JSON");
    let context: Value = serde_json::from_str(example.context).expect("an example's context is JSON");
    let body = context.get("body").cloned().unwrap_or_else(|| json!({}));
    let keys: Vec<Value> =
        body.as_object().into_iter().flatten().map(|(name, _)| json!({"key": name})).collect();
    let trigger = json!({"request": {"headers": [], "query": [], "body": keys}});
    let workflow = fixture::workflow(key, true, &trigger, &[fixture::node("n", type_name, config)]);
    server.add(&workflow).await;
    server.post(key, &body).await;
    let execution = server.executions(workflow.id).await.remove(0);
    let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
    let result = if example.result.is_empty() || example.result == "null" {
        Value::Null
    } else {
        serde_json::from_str(example.result).expect("an example's result is JSON")
    };
    assert_eq!(jobs.len(), 1, "{key}");
    assert_eq!((&jobs[0]["status"], &jobs[0]["result"]), (&json!(example.status), &result), "{key}");
}
