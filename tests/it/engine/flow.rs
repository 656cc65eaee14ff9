//! How executions run and end where the recorded cases do not show it: deliberate differences from NocoBase, loops of
//! any length, counters.

use std::time::Duration;

use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::running::{job, jobs, responding, run, variable};
use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

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
