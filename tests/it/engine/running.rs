//! Workflows that are run once, and their jobs, for tests of flow and cancelling.

use std::collections::HashMap;

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::fixture::{Node, node};
use crate::rows::Rows;
use crate::server::TestServer;

pub fn variable(key: &str, value: Value) -> Node {
    node(key, "variable", json!({"value": value}))
}

pub fn responding(key: &str, body: Value) -> Node {
    node(key, "response", json!({"body": body}))
}

/// Status, node, result and position of the upstream job of all jobs of an execution.
pub async fn jobs(rows: &Rows, execution: &Value) -> Vec<(String, i64, Value, Option<usize>)> {
    let jobs = rows.jobs(id_of(execution)).await;
    let places: HashMap<Option<i64>, usize> =
        jobs.iter().enumerate().map(|(place, job)| (job["id"].as_i64(), place)).collect();
    let position = |id: &Value| places.get(&id.as_i64()).copied();
    let summary = |job: &Value| {
        let node = job["node"].as_str().expect("a node key").to_owned();
        (node, job["status"].as_i64().expect("a status"), job["result"].clone(), position(&job["upstreamId"]))
    };
    jobs.iter().map(summary).collect()
}

pub fn id_of(row: &Value) -> i64 {
    row["id"].as_i64().expect("an id")
}

pub fn job(
    node: &str,
    status: i64,
    result: Value,
    upstream: Option<usize>,
) -> (String, i64, Value, Option<usize>) {
    (node.to_owned(), status, result, upstream)
}

/// Runs a synchronous workflow once. Returns the status of the reply and the execution.
pub async fn run(server: &TestServer, hook: &NewWorkflow) -> (u16, Value) {
    server.add(hook).await;
    let status = server.post(&hook.key, &json!({})).await.status().as_u16();
    let mut executions = server.executions(hook.id).await;
    assert_eq!(executions.len(), 1);
    (status, executions.remove(0))
}
