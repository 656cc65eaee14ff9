//! Executions that something else than their own last node ends: limits, other branches, timeouts, callers who have
//! left, a server that stops.

use std::time::Duration;

use entity::Table;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;
use tokio::time::Instant;

use crate::databases::Kind;
use crate::echo;
use crate::fixture::{Node, node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};

/// How long an execution may take.
const TIMEOUT: Duration = Duration::from_secs(60);

fn round() -> Vec<Node> {
    vec![node("round", "variable", json!({"value": 1}))]
}

/// Runs an asynchronous workflow once and returns its execution with its jobs.
async fn run(server: &TestServer, hook: &NewWorkflow, body: &Value) -> (Value, Vec<Value>) {
    server.add(hook).await;
    assert_eq!(server.post(&hook.key, body).await.status(), 200);
    let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
    let jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
    (execution, jobs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_over_a_number_has_a_limit_without_a_setting() {
    on_databases(&[Kind::Sqlite], async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_NUMBER_LOOP_LIMIT", "50")]).await;
        let nodes = [node("loop", "loop", json!({"target": "{{$context.data.n}}"})).branch(0, round())];
        let number = workflow("number", false, &json!({}), &nodes);
        let (execution, jobs) = run(&server, &number, &json!({"n": 1e15})).await;
        assert_eq!(execution["status"], -2);
        assert_eq!(jobs[0]["result"], json!({"looped": 50, "done": 50, "exceeded": true}));
        assert_eq!(jobs.len(), 51);
        let list = workflow("list", false, &json!({}), &nodes);
        let (execution, jobs) = run(&server, &list, &json!({"n": vec![1; 60]})).await;
        assert_eq!((&execution["status"], jobs.len()), (&json!(1), 61));
        let enough = workflow("enough", false, &json!({}), &nodes);
        let (execution, jobs) = run(&server, &enough, &json!({"n": 50})).await;
        assert_eq!((&execution["status"], jobs.len()), (&json!(1), 51));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_that_are_skipped_count_to_the_limit_of_numbers() {
    on_databases(&[Kind::Sqlite], async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_NUMBER_LOOP_LIMIT", "150")]).await;
        let condition = json!({
            "engine": "basic",
            "calculation": {"calculator": "equal", "operands": [1, 2]},
            "continueOnFalse": true,
        });
        let config = json!({"target": 1e15, "condition": condition});
        let hook = workflow("k", false, &json!({}), &[node("loop", "loop", config).branch(0, round())]);
        let (execution, jobs) = run(&server, &hook, &json!({})).await;
        assert_eq!((&execution["status"], jobs.len()), (&json!(-2), 1));
        assert_eq!((&jobs[0]["result"]["exceeded"], &jobs[0]["result"]["done"]), (&json!(true), &json!(0)));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nocobases_own_limit_counts_for_every_loop() {
    on_databases(&[Kind::Sqlite], async |database| {
        let server = TestServer::start_with(&database, &[("WORKFLOW_LOOP_LIMIT", "2")]).await;
        let config = json!({"target": "{{$context.data.n}}"});
        for (key, n) in [("number", json!(5)), ("list", json!([1, 2, 3]))] {
            let nodes = [node("loop", "loop", config.clone()).branch(0, round())];
            let (execution, jobs) =
                run(&server, &workflow(key, false, &json!({}), &nodes), &json!({"n": n})).await;
            assert_eq!(execution["status"], -2);
            assert_eq!(jobs[0]["result"], json!({"looped": 2, "done": 2, "exceeded": true}));
        }
        server.stop().await;
    })
    .await;
}

/// A request, or any other work in the background, whose execution another branch ends.
#[tokio::test(flavor = "multi_thread")]
async fn work_under_way_is_ended_with_its_execution() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let echo = echo::start().await.expect("an echo server");
        let slow =
            json!({"method": "GET", "url": format!("{}/slow/20000", echo.base_url), "timeout": 30_000});
        let endless = json!({"content": "while (true) {}"});
        let branches = |last: Node| {
            node("all", "parallel", json!({"mode": "all"}))
                .branch(1, vec![node("request", "request", slow.clone())])
                .branch(2, vec![node("script", "script", endless.clone())])
                .branch(3, vec![last])
        };
        let ends = [
            ("end", node("last", "end", json!({"endStatus": 1})), 1),
            ("response", node("last", "response", json!({"body": "x"})), 1),
            ("failure", node("last", "variable", json!({"value": 1, "target": "nobody"})), -2),
        ];
        for (key, last, status) in ends {
            let hook = workflow(key, false, &json!({}), &[branches(last)]);
            let (execution, jobs) = run(&server, &hook, &json!({})).await;
            assert_eq!(execution["status"], status, "{key}");
            let ended = json!({"message": "The execution ended while this node was under way"});
            for name in ["request", "script"] {
                let job = jobs.iter().find(|job| job["node"] == name).expect("a job");
                assert_eq!((&job["status"], &job["result"]), (&json!(-3), &ended), "{key}: {name}");
            }
        }
        assert_eq!(server.count(Table::Leases).await, 0);
        server.stop().await;
    })
    .await;
}

/// NocoBase tells it of scripts only (`timeout-errors.ts`); requests are cut off without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_says_that_the_workflows_timeout_has_cut_it_off() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let mut hook =
            workflow("k", false, &json!({}), &[node("s", "script", json!({"content": "while (true) {}"}))]);
        hook.options = json!({"timeout": 300}).to_string();
        let (execution, jobs) = run(&server, &hook, &json!({})).await;
        assert_eq!((&execution["status"], &execution["reason"]), (&json!(-3), &json!("timeout")));
        assert_eq!(
            (&jobs[0]["status"], &jobs[0]["result"]),
            (&json!(-3), &json!("Workflow execution timed out"))
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_output_of_undefined_leaves_the_earlier_one() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let output = |key: &str, value: Value| node(key, "output", json!({"value": value}));
        let nothing = json!("{{$context.nothing}}");
        let cases = [
            ("kept", vec![output("a", json!(1)), output("b", nothing.clone())], json!(1)),
            ("replaced", vec![output("a", json!(1)), output("b", Value::Null)], Value::Null),
            ("never", vec![output("a", nothing.clone())], Value::Null),
            ("last", vec![output("a", json!(1)), output("b", Value::Null), output("c", json!(2))], json!(2)),
            (
                "paused",
                vec![
                    output("a", json!(1)),
                    node("wait", "delay", json!({"duration": 1, "unit": 10, "endStatus": 1})),
                    output("b", nothing),
                ],
                json!(1),
            ),
        ];
        for (key, nodes, expected) in cases {
            let (execution, _) = run(&server, &workflow(key, false, &json!({}), &nodes), &json!({})).await;
            assert_eq!((&execution["status"], &execution["output"]), (&json!(1), &expected), "{key}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_changes_nothing_ends_long_after_its_caller_has_left() {
    on_databases(&[Kind::Sqlite], async |database| {
        let settings = [("SIDEHOOK_ABANDON_AFTER", "100ms"), ("SIDEHOOK_SYNC_TIMEOUT", "100ms")];
        let server = TestServer::start_with(&database, &settings).await;
        let inner = node("inner", "loop", json!({"target": 90_000})).branch(0, round());
        let nodes = [node("loop", "loop", json!({"target": 90_000})).branch(0, vec![inner])];
        let hook = workflow("k", true, &json!({}), &nodes);
        server.add(&hook).await;
        assert_eq!(server.post("k", &json!({})).await.status(), 408);
        let execution = &server.settled(hook.id, 1, TIMEOUT).await[0];
        assert_eq!((&execution["status"], &execution["reason"]), (&json!(-3), &json!("timeout")));
        server.stop().await;
    })
    .await;
}

/// The same with a node that writes: what it was to do is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_changes_data_goes_on_without_its_caller() {
    on_databases(&[Kind::Sqlite], async |database| {
        let settings = [("SIDEHOOK_ABANDON_AFTER", "1ms"), ("SIDEHOOK_SYNC_TIMEOUT", "1ms")];
        let server = TestServer::start_with(&database, &settings).await;
        let nodes = [
            node("loop", "loop", json!({"target": 300})).branch(0, round()),
            node("write", "sql", json!({"sql": "select 1 as one"})),
        ];
        let hook = workflow("k", true, &json!({}), &nodes);
        server.add(&hook).await;
        server.post("k", &json!({})).await;
        assert_eq!(server.settled(hook.id, 1, TIMEOUT).await[0]["status"], 1);
        server.stop().await;
    })
    .await;
}

/// A delay may end within the time of grace; of one that does not, the caller is told to come again.
#[tokio::test(flavor = "multi_thread")]
async fn callers_in_a_delay_are_kept_for_the_time_of_grace() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let waiting = |key: &str, seconds: u64| {
            let delay = node("wait", "delay", json!({"duration": seconds, "unit": 1000, "endStatus": 1}));
            workflow(key, true, &json!({}), &[delay, node("answer", "response", json!({"body": "done"}))])
        };
        let (short, long) = (waiting("short", 2), waiting("long", 3_600));
        rows.add(&short).await;
        rows.add(&long).await;
        let mut process = Process::serve(&database, &[("SIDEHOOK_GRACE", "6s")]).await;
        let post = |key: &str| client().post(process.trigger_url(key)).send();
        let callers = [tokio::spawn(post("short")), tokio::spawn(post("long"))];
        let deadline = Instant::now() + TIMEOUT;
        while rows.count(Table::Timers).await < 2 {
            assert!(Instant::now() < deadline, "the executions do not wait");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process.signal("TERM").await;
        let [short, long] = callers.map(async |caller| caller.await.expect("no panic").expect("an answer"));
        let (short, long) = tokio::join!(short, long);
        assert_eq!(short.status(), 200);
        assert_eq!(long.status(), 503);
        assert!(long.headers().contains_key("retry-after"));
        assert!(process.ended().await.success());
    })
    .await;
}

/// Signs of life have a connection of their own: a pool that is used up does not hold them up.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_used_up_holds_up_no_signs_of_life() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let server = TestServer::start_with(&database, &[("DB_POOL_MAX", "2")]).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(server.app.store.db.begin().await.expect("a connection"));
        }
        let deadline = Instant::now() + TIMEOUT;
        let mut ages = Vec::new();
        // Each of them is a sign of life that came while nothing else could reach the database.
        while ages.len() < 3 {
            let age = server.app.engine.silent_for();
            if ages.last().is_none_or(|last| age < *last) {
                ages.push(age);
            } else if let Some(last) = ages.last_mut() {
                *last = age;
            }
            assert!(Instant::now() < deadline, "no sign of life was given");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(held);
        server.stop().await;
    })
    .await;
}
