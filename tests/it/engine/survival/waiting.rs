//! Executions that wait for a time, while instances come and go or somebody else ends them.

use chrono::DateTime;
use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use super::load::is_all_over;
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_every_database, prepare};
use crate::wait::until;

/// A time before and a time after a delay.
fn delayed(key: &str, seconds: u64) -> NewWorkflow {
    let stamp = |key: &str| node(key, "variable", json!({"value": "{{$system.now}}"}));
    let delay = node("wait", "delay", json!({"duration": seconds, "unit": 1000, "endStatus": 1}));
    workflow(key, false, &json!({}), &[stamp("before"), delay, stamp("after")])
}

async fn post(process: &Process, key: &str) {
    let response = client().post(process.trigger_url(key)).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
}

/// The only execution of a workflow, once it has a timer.
async fn waits(rows: &Rows, hook: &NewWorkflow) -> i64 {
    until(async || rows.count(Table::Timers).await > 0, || "it does not wait".to_owned()).await;
    rows.executions(hook.id).await[0]["id"].as_i64().expect("an id")
}

/// Nodes with the statuses of their jobs.
fn nodes(jobs: &[Value]) -> Vec<(&str, i64)> {
    let node = |job: &Value| job["status"].as_i64().expect("a number");
    jobs.iter().map(|job| (job["node"].as_str().expect("a node"), node(job))).collect()
}

fn milliseconds(stamp: &Value) -> i64 {
    let text = stamp.as_str().expect("a time");
    DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_survives_all_instances_and_ends_once() {
    for (signal, mode, pending) in [("TERM", "", &[][..]), ("KILL", "!", &[("wait", 0)][..])] {
        on_every_database(async |database| {
            let rows = Rows { store: prepare(&database, &[]).await };
            let hook = delayed("k", 5);
            rows.add(&hook).await;
            let settings = [("WORKER_MODE", mode)];
            let mut first = Process::serve(&database, &settings).await;
            post(&first, "k").await;
            let id = waits(&rows, &hook).await;
            let jobs = rows.jobs(id).await;
            assert_eq!(nodes(&jobs), [&[("before", 1)], pending].concat(), "{mode:?}");
            let due_at = rows.number(&format!("SELECT due_at FROM {}", rows.table(Table::Timers))).await;
            first.signal(signal).await;
            first.ended().await;
            assert_eq!(rows.executions(hook.id).await[0]["status"], 0);
            let others =
                [Process::serve(&database, &settings).await, Process::serve(&database, &settings).await];
            until(async || is_all_over(&rows).await, || others[0].printed()).await;
            let jobs = rows.jobs(id).await;
            assert_eq!(nodes(&jobs), [("before", 1), ("wait", 1), ("after", 1)]);
            assert_eq!(jobs[1]["result"], 5000);
            assert!(milliseconds(&jobs[2]["result"]) >= due_at, "{jobs:?} before {due_at}");
            assert_eq!(rows.executions(hook.id).await[0]["status"], 1);
        })
        .await;
    }
}

/// What NocoBase does when somebody presses its button, and when an execution is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_delay_whose_execution_is_cancelled_or_deleted() {
    for mode in ["", "!"] {
        on_every_database(async |database| {
            let settings = [("WORKER_MODE", mode)];
            let server = TestServer::start_with(&database, &settings).await;
            let hook = delayed("k", 86_400);
            server.add(&hook).await;
            assert_eq!(server.post("k", &json!({})).await.status(), 200);
            let id = waits(&server, &hook).await;
            let status = server.quoted("status");
            for (table, column, open) in [(Table::Executions, "id", 0), (Table::Jobs, "executionId", 0)] {
                let (table, column) = (server.table(table), server.quoted(column));
                let condition = format!("{column} = {id} AND {status} = {open}");
                server.execute(&format!("UPDATE {table} SET {status} = -3 WHERE {condition}")).await;
            }
            until(async || is_all_over(&server).await, || "a cancelled execution keeps its lease".to_owned())
                .await;
            assert_eq!(nodes(&server.jobs(id).await), [("before", 1), ("wait", -3)], "{mode:?}");
            assert_eq!(server.executions(hook.id).await[0]["status"], -3);

            assert_eq!(server.post("k", &json!({})).await.status(), 200);
            until(async || server.count(Table::Timers).await > 0, || "it does not wait".to_owned()).await;
            for (table, column) in [(Table::Executions, "id"), (Table::Jobs, "executionId")] {
                let (table, column) = (server.table(table), server.quoted(column));
                server.execute(&format!("DELETE FROM {table} WHERE {column} <> {id}")).await;
            }
            until(async || is_all_over(&server).await, || "a deleted execution keeps its lease".to_owned())
                .await;
            assert_eq!((server.count(Table::Executions).await, server.count(Table::Jobs).await), (1, 2));
            server.stop().await;
        })
        .await;
    }
}

/// The slower branch of a race still waits when the loop around it has gone on.
#[tokio::test(flavor = "multi_thread")]
async fn a_loop_goes_on_while_the_losers_of_its_races_wait() {
    const ROUNDS: usize = 3;
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let delay = |key: &str, milliseconds: u64| {
            node(key, "delay", json!({"duration": milliseconds, "unit": 1, "endStatus": 1}))
        };
        let race = node("race", "parallel", json!({"mode": "race"}))
            .branch(1, vec![delay("slow", 2_500)])
            .branch(2, vec![delay("fast", 1_000)]);
        let nodes_of_hook = [
            node("loop", "loop", json!({"target": ROUNDS})).branch(0, vec![race]),
            delay("rest", 5_000),
            node("last", "variable", json!({"value": 1})),
        ];
        let hook = workflow("k", false, &json!({}), &nodes_of_hook);
        server.add(&hook).await;
        assert_eq!(server.post("k", &json!({})).await.status(), 200);
        let is_over = async || !server.executions(hook.id).await.is_empty() && is_all_over(&server).await;
        until(is_over, || "it does not end".to_owned()).await;
        let execution = &server.executions(hook.id).await[0];
        assert_eq!(execution["status"], 1, "{execution}");
        let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
        for key in ["race", "slow", "fast"] {
            let of_node: Vec<_> = nodes(&jobs).into_iter().filter(|(node, _)| *node == key).collect();
            assert_eq!(of_node, vec![(key, 1); ROUNDS], "{jobs:?}");
        }
        server.stop().await;
    })
    .await;
}

/// Their time has come before the wait itself is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn delays_of_no_length_end_once() {
    const ROUNDS: usize = 4;
    const EXECUTIONS: usize = 40;
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let delay = node("wait", "delay", json!({"duration": 1, "unit": 1, "endStatus": 1}));
        let nodes_of_hook = [
            node("loop", "loop", json!({"target": ROUNDS})).branch(0, vec![delay]),
            node("last", "variable", json!({"value": 1})),
        ];
        let hook = workflow("k", false, &json!({}), &nodes_of_hook);
        server.add(&hook).await;
        let send = async |_| server.post("k", &json!({})).await.status().as_u16();
        let statuses = join_all((0..EXECUTIONS).map(send)).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let have_come = async || server.executions(hook.id).await.len() == EXECUTIONS;
        until(async || have_come().await && is_all_over(&server).await, || "not all end".to_owned()).await;
        let jobs = server.jobs_by_execution(hook.id).await;
        assert_eq!(jobs.len(), EXECUTIONS);
        let expected = [vec![("loop", 1)], vec![("wait", 1); ROUNDS], vec![("last", 1)]].concat();
        for jobs in jobs.values() {
            assert_eq!(nodes(jobs), expected);
        }
        assert!(server.executions(hook.id).await.iter().all(|execution| execution["status"] == 1));
        server.stop().await;
    })
    .await;
}
