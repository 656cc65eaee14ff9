//! Subflow nodes: what a workflow that calls another one records, how both wait, and what ends them.

use entity::Table;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::fixture::{Node, node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database};
use crate::wait::{TIMEOUT, until};

fn trigger() -> Value {
    json!({"request": {"body": [{"key": "n"}]}})
}

fn call(key: &str, workflow: &str) -> Node {
    node(key, "subflow", json!({"workflow": workflow, "context": {"n": "{{$context.body.n}}"}}))
}

fn after(key: &str) -> Node {
    node(key, "output", json!({"value": "{{$jobsMapByNodeKey.call}}"}))
}

/// A workflow that calls and one that answers with ten times what it is given, after some nodes.
async fn add(rows: &Rows, is_sync: (bool, bool), nodes: Vec<Node>) -> [NewWorkflow; 2] {
    let output = node("ten", "output", json!({"value": {"ten": "{{$context.n}}0"}}));
    let nodes: Vec<Node> = nodes.into_iter().chain([output]).collect();
    let called = workflow("called", is_sync.1, &json!({}), &nodes);
    let caller = workflow("caller", is_sync.0, &trigger(), &[call("call", "called"), after("after")]);
    rows.add(&called).await;
    rows.add(&caller).await;
    [caller, called]
}

/// Nodes with statuses and results of the jobs of an execution.
async fn jobs(rows: &Rows, execution: &Value) -> Vec<(String, i64, Value)> {
    let jobs = rows.jobs(execution["id"].as_i64().expect("an id")).await;
    let job = |job: &Value| {
        let node = job["node"].as_str().expect("a key").to_owned();
        (node, job["status"].as_i64().expect("a status"), job["result"].clone())
    };
    jobs.iter().map(job).collect()
}

fn left(node: &str, status: i64, result: Value) -> (String, i64, Value) {
    (node.to_owned(), status, result)
}

async fn set(rows: &Rows, table: Table, values: &str, of: &NewWorkflow) {
    let (table, id) = (rows.table(table), rows.quoted("id"));
    rows.execute(&format!("UPDATE {table} SET {values} WHERE {id} = {}", of.id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_called_workflow_gives_its_output_and_its_status() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (i, is_sync) in [(false, false), (false, true), (true, true)].into_iter().enumerate() {
            let [mut caller, mut called] = [
                workflow(
                    &format!("caller{i}"),
                    is_sync.0,
                    &trigger(),
                    &[call("call", &format!("called{i}")), after("after")],
                ),
                workflow(
                    &format!("called{i}"),
                    is_sync.1,
                    &json!({}),
                    &[node("ten", "output", json!({"value": {"ten": "{{$context.n}}0"}}))],
                ),
            ];
            (caller.title, called.title) = ("Caller".to_owned(), "Called".to_owned());
            server.add(&called).await;
            server.add(&caller).await;
            // A workflow can be called that is not enabled.
            set(&server, Table::Workflows, &format!("{} = {}", server.quoted("enabled"), "false"), &called)
                .await;
            assert_eq!(server.post(&caller.key, &json!({"n": 4})).await.status(), 200);
            let execution = server.settled(caller.id, 1, TIMEOUT).await.remove(0);
            let child = server.settled(called.id, 1, TIMEOUT).await.remove(0);
            assert_eq!((&execution["status"], &child["status"]), (&json!(1), &json!(1)), "{is_sync:?}");
            let output = json!({"ten": "40"});
            assert_eq!(
                jobs(&server, &execution).await,
                [left("call", 1, output.clone()), left("after", 1, output.clone())]
            );
            assert_eq!((&child["output"], &child["context"]), (&output, &json!({"n": 4})));
            assert_eq!(
                (&child["parentExecutionId"], &child["stack"]),
                (&execution["id"], &json!([execution["id"]]))
            );
            assert_eq!((&execution["parentExecutionId"], &execution["stack"]), (&Value::Null, &Value::Null));
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_what_is_called_and_of_calling_are_those_of_the_node() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let failing =
            [node("set", "output", json!({"value": 5})), node("end", "end", json!({"endStatus": -1}))];
        let silent = [node("x", "variable", json!({"value": 1}))];
        for (key, is_sync, nodes) in
            [("failing", true, &failing[..]), ("silent", true, &silent), ("slow", false, &silent)]
        {
            server.add(&workflow(key, is_sync, &json!({}), nodes)).await;
        }
        let message = |text: &str| json!({"message": text});
        let cases = [
            ("failing", false, -1, json!(5)),
            ("silent", false, 1, json!("<json null>")),
            ("slow", true, -2, message("A synchronous workflow cannot call \"slow\", which is asynchronous")),
            ("nobody", false, -2, message("There is no workflow with the key \"nobody\"")),
            ("", false, -2, message("The node names no workflow")),
        ];
        for (i, (called, is_sync, status, result)) in cases.into_iter().enumerate() {
            let hook = workflow(&format!("k{i}"), is_sync, &trigger(), &[call("call", called)]);
            server.add(&hook).await;
            server.post(&hook.key, &json!({"n": 1})).await;
            let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
            assert_eq!(execution["status"], status, "{called}");
            assert_eq!(jobs(&server, &execution).await, [left("call", status, result)], "{called}");
        }
        server.stop().await;
    })
    .await;
}

/// By itself, and around another one; as often as its stack limit says.
#[tokio::test(flavor = "multi_thread")]
async fn recursion_ends_at_the_stack_limit() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (key, limit, expected) in [("once", 1, 1), ("thrice", 3, 3)] {
            let other = format!("{key}-other");
            let mut hook = workflow(key, false, &trigger(), &[call("call", &other)]);
            hook.options = json!({"timeout": 0, "stackLimit": limit}).to_string();
            let mut beside = workflow(&other, false, &json!({}), &[call("call", key)]);
            beside.options = json!({"timeout": 0, "stackLimit": 50}).to_string();
            server.add(&hook).await;
            server.add(&beside).await;
            server.post(key, &json!({"n": 1})).await;
            let executions = server.settled(hook.id, expected, TIMEOUT).await;
            assert_eq!(executions.len(), expected, "{key}");
            assert_eq!(server.executions(beside.id).await.len(), expected, "{key}");
            assert!(executions.iter().all(|row| row["status"] == -2), "{executions:?}");
            let innermost = server.executions(beside.id).await.pop().expect("an execution");
            let depth = innermost["stack"].as_array().map(Vec::len);
            assert_eq!(depth, Some(2 * expected - 1));
            let message = jobs(&server, &innermost).await.remove(0).2["message"].to_string();
            assert!(message.contains(&format!("its stack limit is {limit}")), "{message}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_and_branches_call_once_for_each_of_their_jobs() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let tenfold = node("ten", "output", json!({"value": "{{$context.n}}0"}));
        let called = workflow("called", false, &json!({}), &[tenfold]);
        server.add(&called).await;
        let of =
            |key: &str, n: &str| node(key, "subflow", json!({"workflow": "called", "context": {"n": n}}));
        let nodes = [
            node("loop", "loop", json!({"target": 3})).branch(0, vec![of("round", "{{$scopes.loop.index}}")]),
            node("both", "parallel", json!({"mode": "all"}))
                .branch(1, vec![of("a", "7")])
                .branch(2, vec![of("b", "8")]),
        ];
        let hook = workflow("caller", false, &trigger(), &nodes);
        server.add(&hook).await;
        server.post("caller", &json!({"n": 1})).await;
        let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
        assert_eq!(execution["status"], 1, "{execution}");
        let results: Vec<Value> = jobs(&server, &execution)
            .await
            .into_iter()
            .filter(|(node, ..)| ["round", "a", "b"].contains(&node.as_str()))
            .map(|(.., result)| result)
            .collect();
        assert_eq!(results, ["00", "10", "20", "70", "80"]);
        assert_eq!(server.executions(called.id).await.len(), 5);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_waits_with_what_it_has_called() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let delay = node("wait", "delay", json!({"duration": 2, "unit": 1000, "endStatus": 1}));
        let [caller, called] = add(&server, (false, false), vec![delay]).await;
        server.post("caller", &json!({"n": 4})).await;
        // Both have left memory.
        let instance = "SELECT COUNT(*) FROM sidehook_leases WHERE instance_id IS NULL AND due_at > 0";
        until(async || server.number(instance).await == 2, || "they do not wait".to_owned()).await;
        let execution = server.settled(caller.id, 1, TIMEOUT).await.remove(0);
        assert_eq!(execution["status"], 1);
        let output = json!({"ten": "40"});
        assert_eq!(jobs(&server, &execution).await[0], left("call", 1, output));
        assert_eq!(server.executions(called.id).await.len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_is_aborted_when_the_time_of_its_caller_is_over() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let delay = || node("wait", "delay", json!({"duration": 1, "unit": 86_400_000, "endStatus": 1}));
        let inner = workflow("inner", false, &json!({}), &[delay()]);
        let outer = workflow("outer", false, &json!({}), &[call("call", "inner")]);
        let caller = workflow("caller", false, &trigger(), &[call("call", "outer")]);
        for one in [&inner, &outer, &caller] {
            server.add(one).await;
        }
        server.post("caller", &json!({"n": 4})).await;
        until(
            async || !server.executions(inner.id).await.is_empty(),
            || "the innermost workflow is not called".to_owned(),
        )
        .await;
        let (table, of, end) =
            (server.table(Table::Executions), server.quoted("workflowId"), server.quoted("expiresAt"));
        let over = format!("UPDATE {table} SET {end} = '2020-01-01 00:00:00.000' WHERE {of} = {}", caller.id);
        server.execute(&over).await;
        let reasons = [(&caller, "timeout"), (&outer, "parent_aborted"), (&inner, "parent_aborted")];
        for (one, reason) in reasons {
            let execution = server.settled(one.id, 1, TIMEOUT).await.remove(0);
            assert_eq!(
                (&execution["status"], &execution["reason"]),
                (&json!(-3), &json!(reason)),
                "{}",
                one.key
            );
        }
        // The jobs that waited without a row get one, aborted.
        let is_written = async || {
            let executions = server.executions(inner.id).await;
            jobs(&server, &executions[0]).await.first().is_some_and(|job| job.1 == -3)
        };
        until(is_written, || "the job of the delay is not there".to_owned()).await;
        server.stop().await;
    })
    .await;
}

/// What NocoBase does when somebody cancels: an execution with all that it has called, in one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_takes_over_the_status_of_what_somebody_else_has_ended() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let delay = node("wait", "delay", json!({"duration": 1, "unit": 86_400_000, "endStatus": 1}));
        let [caller, called] = add(&server, (false, false), vec![delay]).await;
        server.post("caller", &json!({"n": 4})).await;
        until(async || server.count(Table::Timers).await == 2, || "they do not wait".to_owned()).await;
        let (table, status) = (server.table(Table::Executions), server.quoted("status"));
        let id = server.executions(called.id).await.remove(0)["id"].clone();
        server
            .execute(&format!("UPDATE {table} SET {status} = -3 WHERE {} = {id}", server.quoted("id")))
            .await;
        let execution = server.settled(caller.id, 1, TIMEOUT).await.remove(0);
        assert_eq!(execution["status"], -3);
        assert_eq!(jobs(&server, &execution).await, [left("call", -3, json!("<json null>"))]);
        server.stop().await;
    })
    .await;
}
