//! A workflow with much to do does not keep others waiting.

use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::databases::QUEUE_VARIABLE;
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database};
use crate::wait::until;

/// So many executions of the busy workflow wait; more where the other one has a queue to pass first.
fn flood() -> usize {
    if std::env::var(QUEUE_VARIABLE).is_ok() { 600 } else { 300 }
}

/// Rounds of its loop. They are skipped: no time is spent but that of the processor.
const ROUNDS: usize = 1_500;

async fn is_final(rows: &Rows, workflow_id: i64, count: usize) -> bool {
    let executions = rows.executions(workflow_id).await;
    let is_resolved = |execution: &&Value| execution["status"] == 1;
    executions.iter().filter(is_resolved).count() == count
}

/// With workers of which one workflow may use all, and with more.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_workflow_does_not_keep_another_waiting() {
    for workers in ["1", "4"] {
        on_every_database(async |database| {
            let server = TestServer::start_with(&database, &[("SIDEHOOK_WORKERS", workers)]).await;
            overtakes(&server).await;
            server.stop().await;
        })
        .await;
    }
}

async fn overtakes(server: &TestServer) {
    let size = flood();
    let round = vec![node("round", "variable", json!({"value": 1}))];
    let never = json!({"calculator": "equal", "operands": ["{{$scopes.loop.index}}", -1]});
    let skipped = json!({"engine": "basic", "calculation": never, "continueOnFalse": true});
    let slow = node("loop", "loop", json!({"target": ROUNDS, "condition": skipped})).branch(0, round);
    let flood = workflow("flood", false, &json!({}), &[slow]);
    let other = workflow("other", false, &json!({}), &[node("v", "variable", json!({"value": 1}))]);
    server.add(&flood).await;
    server.add(&other).await;
    let send = async |_| server.post("flood", &json!({})).await.status().as_u16();
    let statuses = join_all((0..size).map(send)).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    // Of an enabled workflow, and of one that has been disabled: what was accepted is run.
    for count in 1..=2 {
        assert_eq!(server.post("other", &json!({})).await.status(), 200);
        until(
            async || is_final(server, other.id, count).await,
            || format!("execution {count} of the other workflow does not end"),
        )
        .await;
        // The last ones wait in memory by then, or in the database.
        let last = server.executions(flood.id).await.pop().expect("an execution");
        assert_ne!(last["status"], 1, "the flood ended before execution {count} of the other");
        let (workflows, id) = (server.table(Table::Workflows), server.quoted("id"));
        let disable = format!("UPDATE {workflows} SET {} = false", server.quoted("enabled"));
        server.execute(&format!("{disable} WHERE {id} = {}", flood.id)).await;
    }
    until(async || is_final(server, flood.id, size).await, || "the flood does not end".to_owned()).await;
}
