//! Values that nodes share while a run goes on, and no longer when it has waited.

use std::time::Duration;

use serde_json::{Value, json};

use crate::collections;
use crate::databases::{Kind, TestDatabase};
use crate::echo;
use crate::fixture::{node, workflow};
use crate::records::plain;
use crate::server::TestServer;

/// The results of the jobs, by the keys of their nodes.
async fn results(server: &TestServer, is_sync: bool, nodes: &[crate::fixture::Node], body: &Value) -> Value {
    let keys: Vec<Value> =
        body.as_object().into_iter().flatten().map(|(name, _)| json!({"key": name})).collect();
    let key = if is_sync { "sync" } else { "async" };
    let hook = workflow(key, is_sync, &json!({"request": {"body": keys}}), nodes);
    server.add(&hook).await;
    server.post(key, body).await;
    let executions = server.settled(hook.id, 1, Duration::from_secs(60)).await;
    assert_eq!(executions[0]["context"]["body"], *body, "the row has what was sent");
    let jobs = server.jobs(executions[0]["id"].as_i64().expect("an id")).await;
    jobs.iter()
        .map(|job| (job["node"].as_str().unwrap_or_default().to_owned(), job["result"].clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_sorted_for_other_nodes_until_the_run_has_waited() {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    let echo = echo::start().await.expect("the echo server starts");
    let server = TestServer::start(&database).await;
    collections::create(&server, &[plain("lists", json!([{"name": "tags", "type": "array"}]))]).await;
    server.app.collections.refresh().await.expect("the collections are read");
    let look = |key: &str| node(key, "variable", json!({"value": {"tags": "{{$context.body.tags}}"}}));
    let request = json!({"url": format!("{}/echo", echo.base_url), "method": "GET", "headers": [], "params": [],
                         "timeout": 5000, "onlyData": true});
    let nodes = [
        look("before"),
        node(
            "c",
            "create",
            json!({"collection": "lists", "params": {"values": {"tags": "{{$context.body.tags}}"}}}),
        ),
        look("after"),
        node("wait", "request", request),
        look("later"),
    ];
    let body = json!({"tags": ["vip", "gift"]});
    let (sorted, sent) = (json!({"tags": ["gift", "vip"]}), json!({"tags": ["vip", "gift"]}));
    for is_sync in [true, false] {
        let found = results(&server, is_sync, &nodes, &body).await;
        assert_eq!((&found["before"], &found["after"]), (&sorted, &sorted), "{is_sync}");
        // A synchronous run awaits the request on the spot; another one goes on from what the database has.
        assert_eq!(found["later"], if is_sync { sorted.clone() } else { sent.clone() }, "{is_sync}");
    }
    server.stop().await;
}
