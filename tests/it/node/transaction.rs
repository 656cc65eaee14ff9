//! Transaction nodes: what their branch writes is there as a whole or not at all.

use std::time::Duration;

use serde_json::{Value, json};
use sidehook::store::instance::TIME_TO_LIVE;

use crate::databases::{Kind, TestDatabase};
use crate::echo;
use crate::fixture::{Node, next_id, node, workflow};
use crate::server::{TestServer, on_databases, on_every_database};
use crate::wait::TIMEOUT;

fn insert(key: &str, n: i32) -> Node {
    node(key, "sql", json!({"sql": format!("INSERT INTO written (n) VALUES ({n})"), "unsafeInjection": true}))
}

fn failing(key: &str) -> Node {
    node(key, "sql", json!({"sql": "INSERT INTO nowhere (n) VALUES (1)", "unsafeInjection": true}))
}

fn transaction(key: &str, config: Value, run: Vec<Node>, after_rollback: Vec<Node>) -> Node {
    let owner = node(key, "transaction", config).branch(1, run);
    if after_rollback.is_empty() { owner } else { owner.branch(0, after_rollback) }
}

fn variable(key: &str) -> Node {
    node(key, "variable", json!({"value": key}))
}

/// What is left of one execution: its status, the statuses of its jobs in order, the rows that were written.
struct Left {
    status: Value,
    jobs: Vec<(String, i64)>,
    results: Vec<Value>,
    written: Vec<i64>,
}

/// Runs a workflow of these nodes once, in both modes, and checks that both leave the same.
async fn run(database: &TestDatabase, nodes: &[Node]) -> Left {
    let server = TestServer::start(database).await;
    server.execute("CREATE TABLE written (n integer)").await;
    let mut left = Vec::new();
    for is_sync in [true, false] {
        server.execute("DELETE FROM written").await;
        let key = format!("k{}", next_id());
        let hook = workflow(&key, is_sync, &json!({"request": {"body": []}}), nodes);
        server.add(&hook).await;
        server.post(&key, &json!({})).await;
        let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
        let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
        let mut written = Vec::new();
        for n in 1..=9 {
            if server.number(&format!("SELECT COUNT(*) FROM written WHERE n = {n}")).await > 0 {
                written.push(n);
            }
        }
        left.push(Left {
            status: execution["status"].clone(),
            jobs: jobs
                .iter()
                .map(|job| {
                    (
                        job["node"].as_str().expect("a key").to_owned(),
                        job["status"].as_i64().expect("a status"),
                    )
                })
                .collect(),
            results: jobs.iter().map(|job| job["result"].clone()).collect(),
            written,
        });
        assert_eq!(server.count(entity::Table::Leases).await, 0);
    }
    server.execute("DROP TABLE written").await;
    server.stop().await;
    let (second, first) = (left.pop().expect("two runs"), left.pop().expect("two runs"));
    assert_eq!(first.jobs, second.jobs, "both modes leave the same");
    assert_eq!((&first.status, &first.written), (&second.status, &second.written));
    first
}

fn jobs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(key, status)| ((*key).to_owned(), *status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_resolves_is_committed_as_a_whole() {
    on_every_database(async |database| {
        for level in ["", "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
            let config = json!({"dataSource": "main", "isolationLevel": level});
            let nodes = [
                transaction("t", config, vec![insert("a", 1), insert("b", 2)], vec![insert("r", 9)]),
                variable("after"),
            ];
            let left = run(&database, &nodes).await;
            assert_eq!(left.status, 1, "{level}");
            assert_eq!(left.jobs, jobs(&[("t", 1), ("a", 1), ("b", 1), ("after", 1)]));
            assert_eq!(left.written, [1, 2]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_fails_is_taken_back_before_the_other_runs() {
    on_every_database(async |database| {
        let nodes = |config: Value| {
            [
                transaction(
                    "t",
                    config,
                    vec![insert("a", 1), failing("b"), insert("c", 3)],
                    vec![insert("r", 9)],
                ),
                variable("after"),
            ]
        };
        let left = run(&database, &nodes(json!({}))).await;
        assert_eq!(left.status, -2);
        assert_eq!(left.jobs, jobs(&[("t", -2), ("a", 1), ("b", -2), ("r", 1)]));
        assert_eq!(left.written, [9]);
        let left = run(&database, &nodes(json!({"continueAfterRollback": true}))).await;
        assert_eq!(left.status, 1);
        assert_eq!(left.jobs, jobs(&[("t", 1), ("a", 1), ("b", -2), ("r", 1), ("after", 1)]));
        assert_eq!((left.written, &left.results[0]), (vec![9], &json!(-2)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inner_transaction_is_taken_back_alone() {
    on_every_database(async |database| {
        let inner = transaction(
            "inner",
            json!({"continueAfterRollback": true}),
            vec![insert("b", 2), failing("c")],
            vec![],
        );
        let nodes = [transaction("outer", json!({}), vec![insert("a", 1), inner, insert("d", 4)], vec![])];
        let left = run(&database, &nodes).await;
        assert_eq!(left.status, 1);
        assert_eq!(left.jobs, jobs(&[("outer", 1), ("a", 1), ("inner", 1), ("b", 1), ("c", -2), ("d", 1)]));
        assert_eq!(left.written, [1, 4]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_may_wait_inside() {
    on_every_database(async |database| {
        let delay = node("d", "delay", json!({"duration": 1, "unit": 1, "endStatus": 1}));
        let nodes =
            [transaction("t", json!({}), vec![insert("a", 1), delay, insert("b", 2)], vec![insert("r", 9)])];
        let left = run(&database, &nodes).await;
        assert_eq!(left.status, -2);
        assert_eq!(left.jobs, jobs(&[("t", -2), ("a", 1), ("d", -2)]));
        let message = json!({"message": "Pending jobs are not allowed inside an open transaction scope"});
        assert_eq!((&left.results[0], &left.results[2]), (&message, &message));
        assert!(left.written.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_the_execution_inside_takes_the_writes_back() {
    on_every_database(async |database| {
        let end = node("e", "end", json!({"endStatus": 1}));
        let nodes = [transaction("t", json!({}), vec![insert("a", 1), end], vec![])];
        let left = run(&database, &nodes).await;
        assert_eq!(left.status, 1);
        assert!(left.written.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_awaited_inside() {
    on_every_database(async |database| {
        let echo = echo::start().await.expect("the echo server starts");
        // Longer than it takes until an idle transaction is given a sign of life.
        let request = node(
            "r",
            "request",
            json!({"url": format!("{}/slow/3500", echo.base_url), "method": "GET", "onlyData": true}),
        );
        let nodes = [transaction("t", json!({}), vec![insert("a", 1), request, insert("b", 2)], vec![])];
        let left = run(&database, &nodes).await;
        assert_eq!(left.status, 1);
        assert_eq!(left.jobs, jobs(&[("t", 1), ("a", 1), ("r", 1), ("b", 1)]));
        assert_eq!((left.written, &left.results[2]), (vec![1, 2], &json!({"slow": 3500})));
    })
    .await;
}

/// Longer than it takes until an instance is taken for gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_takes_long_does_not_silence_the_instance() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let server = TestServer::start(&database).await;
        server.execute("CREATE TABLE written (n integer)").await;
        let sleep = if database.kind == Kind::Postgres { "SELECT pg_sleep(10)" } else { "SELECT SLEEP(10)" };
        let stay = node("stay", "sql", json!({"sql": sleep, "unsafeInjection": true}));
        let nodes = [transaction("t", json!({}), vec![insert("a", 1), stay], vec![])];
        let hook = workflow("long", false, &json!({}), &nodes);
        server.add(&hook).await;
        assert_eq!(server.post("long", &json!({})).await.status(), 200);
        let (mut longest, mut looks) = (Duration::ZERO, 0);
        loop {
            longest = longest.max(server.app.engine.silent_for());
            let execution = server.executions(hook.id).await.remove(0);
            if execution["status"] != 0 && !execution["status"].is_null() {
                assert_eq!(execution["status"], 1);
                break;
            }
            looks += 1;
            assert!(looks < 6_000, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.number("SELECT COUNT(*) FROM written").await, 1);
        assert!(longest < TIME_TO_LIVE, "it was silent for {longest:?}");
        server.execute("DROP TABLE written").await;
        server.stop().await;
    })
    .await;
}
