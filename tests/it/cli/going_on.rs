//! `sidehook executions retry --from-failure`.

use std::collections::HashMap;

use entity::Table;
use serde_json::{Value, json};

use super::history::sidehook;
use crate::databases::TestDatabase;
use crate::fixture::{Node, node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database};
use crate::wait::TIMEOUT;

/// A node that leaves a row.
fn effect(key: &str) -> Node {
    node(key, "sql", json!({"sql": format!("INSERT INTO effects (name) VALUES ('{key}')")}))
}

/// A node that fails as long as there is no table `mended`.
fn mended(key: &str) -> Node {
    node(key, "sql", json!({"sql": "SELECT COUNT(*) AS n FROM mended"}))
}

fn when(left: &str, right: Value) -> Value {
    json!({"engine": "basic", "calculation": {"group": {"type": "and", "calculations": [
        {"calculator": "equal", "operands": [left, right]}]}}})
}

/// A chain with a failure in a branch, in the third round of a loop, or in a branch of a parallel node, and what comes
/// after.
fn shapes() -> Vec<(&'static str, Vec<Node>)> {
    let second = || vec![effect("b"), mended("m"), effect("c")];
    let is_third = when("{{$scopes.l.index}}", json!(2));
    let third = node("third", "condition", is_third).branch(1, vec![mended("m"), effect("c")]);
    let rounds = node("l", "loop", json!({"target": 4})).branch(0, vec![effect("b"), third, effect("d")]);
    let chosen = node("chosen", "condition", when("{{$context.body.n}}", json!(1))).branch(1, second());
    let conditions =
        json!({"conditions": [when("{{$context.body.n}}", json!(2)), when("{{$context.body.n}}", json!(1))]});
    let either = node("either", "multi-conditions", conditions).branch(2, second());
    let all = node("all", "parallel", json!({"mode": "all"}))
        .branch(1, vec![effect("x")])
        .branch(2, second())
        .branch(3, vec![effect("y"), node("o", "output", json!({"value": "late"}))]);
    let whole = node("t", "transaction", json!({"isolationLevel": "READ COMMITTED"})).branch(1, second());
    vec![
        ("chain", second()),
        ("condition", vec![chosen]),
        ("conditions", vec![either]),
        ("loop", vec![rounds]),
        ("parallel", vec![all]),
        ("transaction", vec![whole]),
    ]
}

/// The jobs without their ids: of what comes before each its place.
fn shown(jobs: &[Value]) -> Vec<(Value, Value, Value, Option<usize>)> {
    let places: HashMap<String, usize> =
        jobs.iter().enumerate().map(|(place, job)| (job["id"].to_string(), place)).collect();
    let shown = |job: &Value| {
        let upstream = places.get(&job["upstreamId"].to_string()).copied();
        (job["node"].clone(), job["status"].clone(), job["result"].clone(), upstream)
    };
    jobs.iter().map(shown).collect()
}

/// The id of the new execution, from what the command tells.
fn began(told: &str) -> i64 {
    let (_, after) = told.split_once(" -> ").expect("an execution has begun");
    after.split_whitespace().next().and_then(|id| id.parse().ok()).expect("its id")
}

/// How often each effect has happened.
async fn effects(rows: &Rows) -> Vec<Option<String>> {
    rows.texts("SELECT name FROM effects ORDER BY name").await
}

async fn retry(database: &TestDatabase, id: &Value, arguments: &[&str]) -> (bool, String) {
    let id = id.to_string();
    sidehook(database, &[&["executions", "retry", &id, "--from-failure"], arguments].concat()).await
}

#[tokio::test]
async fn what_has_run_is_not_run_again_and_the_rest_is_as_if_nothing_had_failed() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        server.execute("CREATE TABLE effects (name varchar(20))").await;
        let items = json!({"request": {"body": [{"key": "n"}]}});
        for (key, middle) in shapes() {
            let nodes =
                [vec![effect("a"), node("v", "variable", json!({"value": 7}))], middle, vec![effect("z")]]
                    .concat();
            let hook = workflow(key, true, &items, &nodes);
            server.add(&hook).await;
            assert_eq!(server.post(key, &json!({"n": 1})).await.status(), 500, "{key}");
            let failed = server.settled(hook.id, 1, TIMEOUT).await[0].clone();
            let before = effects(&server).await;
            let (succeeded, told) = retry(&database, &failed["id"], &["--dry-run"]).await;
            let place = if key == "transaction" { "t (transaction)" } else { "m (sql)" };
            assert!(succeeded && told.contains(&format!("goes on at {place}")), "{key}: {told}");
            let (succeeded, told) = retry(&database, &failed["id"], &[]).await;
            assert!(!succeeded && told.contains("1 have not resolved"), "{key}: {told}");
            let again = began(&told);
            assert_eq!(effects(&server).await, before, "{key}: it has failed again, at the same node");

            server.execute("CREATE TABLE mended (n int)").await;
            let (succeeded, told) = retry(&database, &failed["id"], &[]).await;
            assert!(succeeded && told.contains("resolved"), "{key}: {told}");
            let gone_on = began(&told);
            let after = effects(&server).await;
            server.execute("DELETE FROM effects").await;
            assert_eq!(server.post(key, &json!({"n": 1})).await.status(), 200, "{key}");
            assert_eq!(after, effects(&server).await, "{key}: each effect has happened once");
            let all = server.settled(hook.id, 4, TIMEOUT).await;
            let jobs = server.jobs_by_execution(hook.id).await;
            let of = |id: i64| shown(&jobs[&id]);
            let row = |id: i64| all.iter().find(|row| row["id"] == id).expect("the execution is there");
            let first = failed["id"].as_i64().expect("an id");
            let known = [first, again, gone_on];
            let fresh = jobs.keys().copied().find(|id| !known.contains(id)).expect("the last one");
            assert_eq!(of(gone_on), of(fresh), "{key}");
            assert_eq!(of(again), of(first), "{key}");
            assert_eq!(row(gone_on)["output"], row(fresh)["output"], "{key}");
            assert_eq!(row(gone_on)["context"], failed["context"], "{key}");
            server.execute("DELETE FROM effects").await;
            server.execute("DROP TABLE mended").await;
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_gone_on_from_is_refused_with_a_reason() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let ends = [node("e", "end", json!({"endStatus": -1}))];
        let fails = [node("v", "variable", json!({"value": 7})), mended("m")];
        let fine = [node("v", "variable", json!({"value": 7}))];
        let mut ids = HashMap::new();
        for (key, nodes) in
            [("ends", &ends[..]), ("fine", &fine[..]), ("lost", &fails[..]), ("gone", &fails[..])]
        {
            let hook = workflow(key, true, &json!({}), nodes);
            server.add(&hook).await;
            server.post(key, &json!({})).await;
            ids.insert(key, server.settled(hook.id, 1, TIMEOUT).await[0]["id"].clone());
        }
        let refused = async |key: &str, reason: &str| {
            let (succeeded, told) = retry(&database, &ids[key], &[]).await;
            assert!(!succeeded && told.contains(reason), "{key}: {told}");
            told
        };
        let told = refused("ends", "has ended it on purpose").await;
        assert!(told.contains("without --from-failure it is run from the start"), "{told}");
        refused("fine", "has resolved").await;
        let delete = async |table: Table, field: &str, key: &str| {
            let (table, field) = (server.table(table), server.quoted(field));
            server.execute(&format!("DELETE FROM {table} WHERE {field} = {}", ids[key])).await;
        };
        delete(Table::Jobs, "executionId", "lost").await;
        refused("lost", "none of its jobs are recorded").await;
        let (nodes, keys) = (server.table(Table::FlowNodes), server.quoted("key"));
        server.execute(&format!("UPDATE {nodes} SET {keys} = 'other' WHERE {keys} = 'm'")).await;
        refused("gone", "are not those that it ran").await;
        server.stop().await;
    })
    .await;
}
