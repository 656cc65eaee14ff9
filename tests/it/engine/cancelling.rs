//! Runs that are ended before their end: by a timeout, by hand, by a caller's patience.

use std::time::Duration;

use entity::Table;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;
use tokio::time::Instant;

use super::running::{id_of, jobs, responding, variable};
use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// A loop that takes much longer than any test, unless somebody ends it.
fn endless(key: &str, is_sync: bool, options: Value) -> NewWorkflow {
    let round = vec![variable("round", json!("{{$scopes.loop.index}}"))];
    let inner = node("inner", "loop", json!({"target": 90_000})).branch(0, round);
    let nodes = [
        variable("before", json!(1)),
        node("loop", "loop", json!({"target": 90_000})).branch(0, vec![inner]),
        variable("after", json!("never")),
    ];
    let mut hook = workflow(key, is_sync, &json!({}), &nodes);
    hook.options = options.to_string();
    hook
}

/// How an execution that was broken off has to look: no job pending, the last one says what happened.
async fn check_aborted(rows: &Rows, execution: &Value, reason: &Value) {
    assert_eq!((&execution["status"], &execution["reason"]), (&json!(-3), reason));
    let jobs = jobs(rows, execution).await;
    assert!(jobs.iter().all(|(_, status, ..)| *status != 0), "a job is pending");
    assert!(jobs.iter().all(|(node, ..)| node != "after"));
    let (_, status, result, _) = jobs.last().expect("a job");
    assert_eq!((*status, result), (-3, &json!({"message": "Workflow execution has been aborted"})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflows_timeout_ends_a_run() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hook = endless("k", false, json!({"timeout": 300}));
        server.add(&hook).await;
        assert_eq!(server.post("k", &json!({})).await.status(), 200);
        let execution = &server.settled(hook.id, 1, TIMEOUT).await[0];
        assert_eq!(execution["expires"], true);
        check_aborted(&server, execution, &json!("timeout")).await;
        server.stop().await;
    })
    .await;
}

/// The same for a caller who waits, and is told that it took too long.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflows_timeout_ends_a_run_that_a_caller_waits_for() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hook = endless("k", true, json!({"timeout": 300}));
        server.add(&hook).await;
        assert_eq!(server.post("k", &json!({})).await.status(), 408);
        let execution = &server.settled(hook.id, 1, TIMEOUT).await[0];
        check_aborted(&server, execution, &json!("timeout")).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_has_waited_too_long_is_told_and_the_execution_goes_on() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_SYNC_TIMEOUT", "100ms")]).await;
        let round = vec![variable("round", json!("{{$scopes.loop.index}}"))];
        let nodes = [
            node("loop", "loop", json!({"target": "{{$context.data.rounds}}"})).branch(0, round),
            responding("answer", json!("done")),
        ];
        let hook = workflow("k", true, &json!({}), &nodes);
        server.add(&hook).await;
        // More rounds until it takes long enough.
        let (mut rounds, mut requests) = (100, 1);
        while server.post("k", &json!({"rounds": rounds})).await.status() != 408 {
            (rounds, requests) = (rounds * 3, requests + 1);
        }
        let executions = server.settled(hook.id, requests, TIMEOUT).await;
        assert_eq!(executions.len(), requests);
        assert!(executions.iter().all(|execution| execution["status"] == 1), "{executions:?}");
        let last = executions.last().expect("an execution");
        let results: Vec<Value> =
            jobs(&server, last).await.into_iter().map(|(_, _, result, _)| result).collect();
        assert_eq!(results.len(), rounds + 2);
        assert_eq!(results[0], json!({"looped": rounds, "done": rounds}));
        server.stop().await;
    })
    .await;
}

/// NocoBase's screen cancels an execution by its row, and so does its timeout manager.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_is_cancelled_in_the_database_stops() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (key, is_sync) in [("async", false), ("sync", true)] {
            let hook = endless(key, is_sync, json!({"timeout": 0}));
            server.add(&hook).await;
            let url = server.trigger_url(key);
            let caller = tokio::spawn(server.client.post(url).send());
            let id = has_begun(&server, &hook).await;
            let (executions, id_column) = (server.table(Table::Executions), server.quoted("id"));
            let (status, reason) = (server.quoted("status"), server.quoted("reason"));
            let sql = format!(
                "UPDATE {executions} SET {status} = -3, {reason} = 'manual_cancel' WHERE {id_column} = {id}"
            );
            server.execute(&sql).await;
            until(
                async || server.count(Table::Leases).await <= 0,
                || format!("the lease of the {key} execution is still there"),
            )
            .await;
            let reply = caller.await.expect("no panic").expect("an answer").status().as_u16();
            assert_eq!(reply, if is_sync { 500 } else { 200 });
            let execution = &server.executions(hook.id).await[0];
            assert_eq!((&execution["status"], &execution["reason"]), (&json!(-3), &json!("manual_cancel")));
            let pending = format!("SELECT COUNT(*) FROM {} WHERE {status} = 0", server.table(Table::Jobs));
            assert_eq!(server.number(&pending).await, 0, "a job of the {key} execution is pending");
        }
        server.stop().await;
    })
    .await;
}

/// The id of the only execution of a workflow, once some of its jobs are in the database.
async fn has_begun(rows: &Rows, hook: &NewWorkflow) -> i64 {
    let has_jobs = async || match rows.executions(hook.id).await.first() {
        Some(execution) => !rows.jobs(id_of(execution)).await.is_empty(),
        None => false,
    };
    until(has_jobs, || "the execution writes nothing".to_owned()).await;
    id_of(&rows.executions(hook.id).await[0])
}

/// Rounds that are only skipped must not hold a worker for ever either. In a process of its own, which can be ended
/// although it does not listen to anything.
#[tokio::test]
async fn a_timeout_ends_a_loop_that_skips_all_its_rounds() {
    on_databases(&[Kind::Sqlite], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let condition = json!({
            "engine": "basic",
            "calculation": {"calculator": "equal", "operands": ["{{$scopes.loop.index}}", -1]},
            "continueOnFalse": true,
        });
        let config = json!({"target": 1e15, "condition": condition});
        let round = vec![variable("round", json!(1))];
        let nodes = [node("loop", "loop", config).branch(0, round)];
        let mut hook = workflow("k", false, &json!({}), &nodes);
        hook.options = json!({"timeout": 300}).to_string();
        rows.add(&hook).await;
        let process = Process::serve(&database, &[("SIDEHOOK_NUMBER_LOOP_LIMIT", "1000000000000000")]).await;
        let status = client().post(process.trigger_url("k")).send().await.expect("an answer").status();
        assert_eq!(status, 200);
        let executions = rows.settled(hook.id, 1, TIMEOUT).await;
        check_aborted(&rows, &executions[0], &json!("timeout")).await;
    })
    .await;
}

/// A run for a caller who waits is not in the database before it ends: nobody can have ended it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_some_seconds_is_not_taken_for_cancelled() {
    on_databases(&[Kind::Sqlite], async |database| {
        let settings = [("SIDEHOOK_NUMBER_LOOP_LIMIT", "1000000000")];
        let server = TestServer::start_with(&database, &settings).await;
        // Rounds that are skipped take time without a job.
        let condition = json!({
            "engine": "basic",
            "calculation": {"calculator": "equal", "operands": ["{{$scopes.loop.index}}", -1]},
            "continueOnFalse": true,
        });
        let config = json!({"target": "{{$context.data}}", "condition": condition});
        let nodes = [
            node("loop", "loop", config).branch(0, vec![variable("round", json!(1))]),
            responding("answer", json!("done")),
        ];
        server.add(&workflow("k", true, &json!({}), &nodes)).await;
        let mut rounds = 20_000;
        loop {
            let begin = Instant::now();
            let response = server.post("k", &json!(rounds)).await;
            let took = begin.elapsed();
            assert_eq!(response.status(), 200, "{rounds} rounds in {took:?}");
            if took > Duration::from_millis(2_500) {
                break;
            }
            rounds = (f64::from(rounds) * (3.0 / took.as_secs_f64()).clamp(1.2, 8.0)) as i32;
        }
        server.stop().await;
    })
    .await;
}
