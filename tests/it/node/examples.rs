//! The examples of the node types are true: each is run as a workflow of just that node.

use serde_json::{Value, json};
use sidehook::node::{Example, NODES};

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
            run(&server, &key, kind.type_name, example).await;
        }
    }
    server.stop().await;
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
