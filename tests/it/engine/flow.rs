//! How executions run and end where the recorded cases do not show it: deliberate differences from NocoBase, limits,
//! cancelling, and loops of any length.

use std::collections::HashMap;
use std::time::Duration;

use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;
use tokio::time::Instant;

use crate::databases::Kind;
use crate::fixture::{Node, node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

fn variable(key: &str, value: Value) -> Node {
    node(key, "variable", json!({"value": value}))
}

fn responding(key: &str, body: Value) -> Node {
    node(key, "response", json!({"body": body}))
}

/// Status, node, result and position of the upstream job of all jobs of an execution.
async fn jobs(rows: &Rows, execution: &Value) -> Vec<(String, i64, Value, Option<usize>)> {
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

fn id_of(row: &Value) -> i64 {
    row["id"].as_i64().expect("an id")
}

fn job(
    node: &str,
    status: i64,
    result: Value,
    upstream: Option<usize>,
) -> (String, i64, Value, Option<usize>) {
    (node.to_owned(), status, result, upstream)
}

/// Runs a synchronous workflow once. Returns the status of the reply and the execution.
async fn run(server: &TestServer, hook: &NewWorkflow) -> (u16, Value) {
    server.add(hook).await;
    let status = server.post(&hook.key, &json!({})).await.status().as_u16();
    let mut executions = server.executions(hook.id).await;
    assert_eq!(executions.len(), 1);
    (status, executions.remove(0))
}

#[tokio::test]
async fn a_parallel_node_without_branches_is_an_error() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let parallel = node("p", "parallel", json!({"mode": "all"}))
            .branch(1, vec![variable("a", json!("a"))])
            .branch(2, vec![variable("b", json!("b"))]);
        let nodes = [
            parallel,
            variable("v", json!("{{$jobsMapByNodeKey.p}}")),
            node("none", "parallel", json!({"mode": "all"})),
            variable("after", json!("never")),
            responding("answer", json!("never")),
        ];
        let (status, execution) = run(&server, &workflow("k", true, &json!({}), &nodes)).await;
        assert_eq!((status, &execution["status"], &execution["reason"]), (500, &json!(-2), &Value::Null));
        let expected = [
            job("p", 1, json!([1, 1]), None),
            job("a", 1, json!("a"), None),
            job("b", 1, json!("b"), None),
            job("v", 1, json!([1, 1]), None),
            job("none", -2, json!({"message": "A parallel node needs at least one branch"}), None),
        ];
        assert_eq!(jobs(&server, &execution).await, expected);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_parallel_node_of_an_unknown_mode_is_an_error() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let nodes = [
            node("p", "parallel", json!({"mode": "some"})).branch(1, vec![variable("a", json!("a"))]),
            variable("after", json!("never")),
        ];
        let (status, execution) = run(&server, &workflow("k", true, &json!({}), &nodes)).await;
        assert_eq!((status, &execution["status"]), (500, &json!(-2)));
        let message = "The mode of a parallel node must be all, any, race or allSettled";
        assert_eq!(jobs(&server, &execution).await, [job("p", -2, json!({"message": message}), None)]);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_node_of_an_unknown_type_is_an_error_and_keeps_the_other_rows() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (key, is_sync) in [("sync", true), ("async", false)] {
            let nodes = [
                variable("a", json!("x")),
                node("what", "no-such-type", json!({"a": 1})),
                variable("b", json!("y")),
                responding("answer", json!("never")),
            ];
            let hook = workflow(key, is_sync, &json!({}), &nodes);
            server.add(&hook).await;
            let status = server.post(key, &json!({})).await.status().as_u16();
            assert_eq!(status, if is_sync { 500 } else { 200 });
            let execution = &server.settled(hook.id, 1, TIMEOUT).await[0];
            assert_eq!(execution["status"], -2);
            let text = format!("instruction [no-such-type] not found for node (#{})", hook.nodes[1].id);
            let expected = [job("a", 1, json!("x"), None), job("what", -2, json!({"message": text}), None)];
            assert_eq!(jobs(&server, execution).await, expected);
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_end_inside_a_parallel_node_starts_no_other_branch() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let first = vec![
            variable("a", json!("a")),
            node("stop", "end", json!({"endStatus": 1})),
            variable("never", json!("x")),
        ];
        let rejects = json!({"rejectOnFalse": true, "engine": "basic",
            "calculation": {"calculator": "equal", "operands": [1, 2]}});
        let parallel = node("p", "parallel", json!({"mode": "all"}))
            .branch(1, first)
            .branch(2, vec![variable("b", json!("b"))])
            .branch(3, vec![node("c", "condition", rejects)]);
        let nodes = [parallel, variable("after", json!("x"))];
        let (status, execution) = run(&server, &workflow("k", true, &json!({}), &nodes)).await;
        assert_eq!((status, &execution["status"]), (200, &json!(1)));
        let expected = [
            job("p", 0, json!([null, null, null]), None),
            job("a", 1, json!("a"), None),
            job("stop", 1, Value::Null, Some(1)),
        ];
        assert_eq!(jobs(&server, &execution).await, expected);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_end_without_a_usable_status_is_an_error() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (i, end_status) in [json!(0), json!("1"), json!(null), json!({})].into_iter().enumerate() {
            let nodes = [node("end", "end", json!({"endStatus": end_status})), variable("after", json!(1))];
            let (status, execution) =
                run(&server, &workflow(&format!("k{i}"), true, &json!({}), &nodes)).await;
            assert_eq!((status, &execution["status"]), (500, &json!(-2)), "{end_status}");
            let message = json!({"message": "The end status must be 1 (resolved) or -1 (failed)"});
            assert_eq!(jobs(&server, &execution).await, [job("end", -2, message, None)], "{end_status}");
        }
        server.stop().await;
    })
    .await;
}

/// As in NocoBase, where whoever reads the counters has the same object, until it is saved.
#[tokio::test]
async fn counters_of_a_loop_are_shared_until_they_are_saved() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let round = vec![
            variable("seen", json!("{{$jobsMapByNodeKey.l}}")),
            variable("parts", json!(["{{$jobsMapByNodeKey.l.looped}}", "{{$scopes.l.index}}"])),
        ];
        let nodes = [
            node("l", "loop", json!({"target": 2})).branch(0, round),
            variable("after", json!("{{$jobsMapByNodeKey.l}}")),
        ];
        let (_, execution) = run(&server, &workflow("k", true, &json!({}), &nodes)).await;
        let counts = json!({"looped": 2, "done": 2});
        let expected = [
            job("l", 1, counts.clone(), None),
            job("seen", 1, counts.clone(), None),
            job("parts", 1, json!([0, 0]), None),
            job("seen", 1, counts.clone(), None),
            job("parts", 1, json!([1, 1]), None),
            job("after", 1, counts, None),
        ];
        assert_eq!(jobs(&server, &execution).await, expected);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn deleted_executions_leave_no_rows_but_count() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (key, is_sync) in [("sync", true), ("async", false)] {
            let nodes =
                [variable("a", json!(1)), node("end", "end", json!({"endStatus": "{{$context.data}}"}))];
            // The end status is no template: a text is an error, and so the execution fails.
            let mut hook = workflow(key, is_sync, &json!({}), &nodes[..1]);
            hook.options = json!({"deleteExecutionOnStatus": [1, -3]}).to_string();
            let mut failing = workflow(&format!("{key}-fails"), is_sync, &json!({}), &nodes);
            failing.options = hook.options.clone();
            for (hook, kept) in [(&hook, 0), (&failing, 3)] {
                server.add(hook).await;
                for _ in 0..3 {
                    server.post(&hook.key, &json!("x")).await;
                }
                let left = || format!("a lease of {} is left", hook.key);
                until(async || server.count(Table::Leases).await == 0, left).await;
                assert_eq!(server.settled(hook.id, kept, TIMEOUT).await.len(), kept, "{}", hook.key);
                assert_eq!(server.stats(&hook.key, hook.id).await, "3,3", "{}", hook.key);
            }
        }
        assert_eq!(server.count(Table::Jobs).await, 12);
        assert_eq!(server.count(Table::Leases).await, 0);
        server.stop().await;
    })
    .await;
}

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
        let executions = rows.settled(hook.id, 1, Duration::from_secs(15)).await;
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

/// In a process of its own, whose memory nothing else uses.
#[tokio::test]
async fn a_loop_of_100_000_rounds_ends_in_bounded_memory() {
    const ROUNDS: i64 = 100_000;
    const MEMORY: u64 = 400 << 20;
    on_databases(&[Kind::Sqlite, Kind::Postgres], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let round = vec![variable("round", json!("{{$scopes.loop.index}}"))];
        let nodes = [
            node("loop", "loop", json!({"target": ROUNDS})).branch(0, round),
            node("output", "output", json!({"value": "{{$jobsMapByNodeKey.loop}}"})),
        ];
        let hook = workflow("k", false, &json!({}), &nodes);
        rows.add(&hook).await;
        let process = Process::serve(&database, &[]).await;
        let before = process.peak_memory();
        let status = client().post(process.trigger_url("k")).send().await.expect("an answer").status();
        assert_eq!(status, 200);
        let execution = &rows.settled(hook.id, 1, Duration::from_secs(300)).await[0];
        let counts = json!({"looped": ROUNDS, "done": ROUNDS});
        assert_eq!((&execution["status"], &execution["output"]), (&json!(1), &counts));
        let grown = process.peak_memory() - before;
        assert!(grown < MEMORY, "{} MB more", grown >> 20);
        assert_eq!(rows.count(Table::Jobs).await, ROUNDS + 2);
        let (jobs, node_key) = (rows.table(Table::Jobs), rows.quoted("nodeKey"));
        let unresolved = format!("SELECT COUNT(*) FROM {jobs} WHERE {} <> 1", rows.quoted("status"));
        assert_eq!(rows.number(&unresolved).await, 0);
        let cast = if database.kind == Kind::Postgres { "::text" } else { "" };
        let result = rows.quoted("result");
        let distinct =
            format!("SELECT COUNT(DISTINCT {result}{cast}) FROM {jobs} WHERE {node_key} = 'round'");
        assert_eq!(rows.number(&distinct).await, ROUNDS);
        assert_eq!(rows.count(Table::Leases).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_equal_the_executions_under_load() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hooks = [("sync", true), ("async", false)].map(|(key, is_sync)| {
            workflow(key, is_sync, &json!({}), &[variable("v", json!("{{$context.data.n}}"))])
        });
        for hook in &hooks {
            server.add(hook).await;
        }
        let send = async |n: usize| server.post(&hooks[n % 2].key, &json!({"n": n})).await.status().as_u16();
        let statuses = join_all((0..200).map(send)).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        for hook in &hooks {
            let executions = server.settled(hook.id, 100, TIMEOUT).await;
            assert_eq!(executions.iter().filter(|execution| execution["status"] == 1).count(), 100);
            assert_eq!(server.stats(&hook.key, hook.id).await, "100,100");
        }
        server.stop().await;
    })
    .await;
}

/// NocoBase makes both rows with the workflow; of a row that was deleted the count begins anew.
#[tokio::test]
async fn counters_that_are_missing_are_made() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hook = workflow("k", true, &json!({}), &[variable("v", json!(1))]);
        server.add(&hook).await;
        for table in [Table::WorkflowStats, Table::WorkflowVersionStats] {
            server.execute(&format!("DELETE FROM {}", server.table(table))).await;
        }
        for n in 1..=3 {
            assert_eq!(server.post("k", &json!({})).await.status(), 200);
            assert_eq!(server.stats("k", hook.id).await, format!("{n},{n}"));
        }
        server.stop().await;
    })
    .await;
}
