//! Which rows are run here, how they end, and that every row has one owner.

use std::collections::BTreeSet;

use entity::Table;
use serde_json::{Value, json};

use super::rows::{ALONE, add, begin_in_nocobase, mark, queue, queue_all, set};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// Status and result of each job.
async fn results(rows: &Rows, execution: &Value) -> Vec<(i64, Value)> {
    let jobs = rows.jobs(execution["id"].as_i64().expect("an id")).await;
    jobs.iter().map(|job| (job["status"].as_i64().unwrap_or(99), job["result"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_that_nocobase_has_queued_are_run_from_their_contexts() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = add(&rows, "posts", "collection", &json!({"timeout": 0})).await;
        // Some are there before sidehook is, some come later.
        queue_all(&rows, &hook, 1..4).await;
        let server = TestServer::start_with(&database, &ALONE).await;
        queue_all(&rows, &hook, 4..6).await;
        let executions = server.settled(hook.id, 5, TIMEOUT).await;
        for (place, execution) in executions.iter().enumerate() {
            let n = place + 1;
            assert_eq!(execution["status"], 1, "{execution}");
            assert_eq!((&execution["dispatched"], &execution["started"]), (&json!(true), &json!(true)));
            assert_eq!(execution["context"], json!({"data": {"id": n}}));
            let expected = [(1, json!(n)), (1, json!(format!("no. {n}")))];
            assert_eq!(results(&rows, execution).await, expected);
        }
        // NocoBase has counted them when it queued them.
        assert_eq!(server.stats("posts", hook.id).await, "0,0");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nocobase_runs_itself_is_left_alone() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let none = json!({"timeout": 0});
        let hook = add(&rows, "posts", "collection", &none).await;
        let left = [
            (queue(&rows, &hook, 1).await, "manually", "TRUE"),
            (queue(&rows, &hook, 2).await, "parentExecutionId", "1"),
            (queue(&rows, &hook, 3).await, "status", "-3"),
            (queue(&rows, &hook, 4).await, "dispatched", "TRUE"),
        ];
        for (id, field, value) in left {
            mark(&rows, id, field, value).await;
        }
        let others = [
            (add(&rows, "sync", "collection", &none).await, "sync", "TRUE"),
            (add(&rows, "off", "schedule", &none).await, "enabled", "FALSE"),
            (add(&rows, "before", "collection", &none).await, "type", "'request-interception'"),
            (add(&rows, "unknown", "collection", &none).await, "type", "'approval'"),
        ];
        for (other, field, value) in &others {
            set(&rows, other, field, value).await;
            queue(&rows, other, 5).await;
        }
        let server = TestServer::start_with(&database, &ALONE).await;
        // The newest of all is run, so the others have been looked at.
        let last = queue(&rows, &hook, 6).await;
        until(
            async || {
                server.executions(hook.id).await.iter().any(|row| row["id"] == last && row["status"] == 1)
            },
            || "nothing is run".to_owned(),
        )
        .await;
        for execution in server.executions(hook.id).await.iter().filter(|row| row["id"] != last) {
            assert_eq!(execution["started"], false, "{execution}");
        }
        for (other, ..) in &others {
            let executions = server.executions(other.id).await;
            assert_eq!(
                (&executions[0]["status"], &executions[0]["dispatched"]),
                (&Value::Null, &json!(false))
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_chooses_workflows_by_type_and_key() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let none = json!({"timeout": 0});
        let by_type = add(&rows, "a", "schedule", &none).await;
        let by_key = add(&rows, "b", "approval", &none).await;
        let neither = add(&rows, "c", "collection", &none).await;
        for hook in [&neither, &by_type, &by_key] {
            queue(&rows, hook, 1).await;
        }
        let settings = [("SIDEHOOK_WORKFLOWS", "schedule,b"), ("WORKER_MODE", "-")];
        let server = TestServer::start_with(&database, &settings).await;
        for hook in [&by_type, &by_key] {
            assert_eq!(server.settled(hook.id, 1, TIMEOUT).await[0]["status"], 1);
        }
        assert_eq!(server.executions(neither.id).await[0]["status"], Value::Null);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_of_a_workflow_hold() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let deleting = add(&rows, "gone", "collection", &json!({"deleteExecutionOnStatus": [1]})).await;
        let timed = add(&rows, "timed", "collection", &json!({"timeout": 600_000})).await;
        queue(&rows, &deleting, 1).await;
        queue(&rows, &timed, 2).await;
        let server = TestServer::start_with(&database, &ALONE).await;
        until(
            async || server.executions(deleting.id).await.is_empty(),
            || "the execution is not deleted".to_owned(),
        )
        .await;
        let executions = server.settled(timed.id, 1, TIMEOUT).await;
        assert_eq!((&executions[0]["status"], &executions[0]["expires"]), (&json!(1), &json!(true)));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_before_a_version_was_replaced_is_run() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &ALONE).await;
        let hook = add(&server, "posts", "collection", &json!({"timeout": 0})).await;
        queue(&server, &hook, 1).await;
        server.settled(hook.id, 1, TIMEOUT).await;
        set(&server, &hook, "enabled", "FALSE").await;
        let later = queue(&server, &hook, 2).await;
        let executions = server.settled(hook.id, 2, TIMEOUT).await;
        assert_eq!((&executions[1]["id"], &executions[1]["status"]), (&json!(later), &json!(1)));
        server.stop().await;
    })
    .await;
}

/// NocoBase begins with executions one after the other while sidehook takes them in batches.
#[tokio::test(flavor = "multi_thread")]
async fn every_execution_has_one_owner() {
    const EXECUTIONS: usize = 300;
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = add(&rows, "posts", "collection", &json!({"timeout": 0})).await;
        let ids = queue_all(&rows, &hook, 0..EXECUTIONS).await;
        let now = sidehook::clock::Clock::now(&sidehook::clock::SystemClock);
        let claim = async |token: &str| {
            let owner = rows.store.register_instance(token).await.expect("a number").owner;
            let mut claimed = Vec::new();
            for part in ids.chunks(20) {
                let part = rows.store.claim_queued(owner, hook.id, part, now).await.expect("claimed");
                claimed.extend(part);
                tokio::task::yield_now().await;
            }
            claimed
        };
        let nocobase = async {
            let mut begun = Vec::new();
            for id in ids.iter().rev() {
                if begin_in_nocobase(&rows, database.kind, *id).await {
                    begun.push(*id);
                }
            }
            begun
        };
        let (first, second, begun) = tokio::join!(claim("one"), claim("other"), nocobase);
        // What was locked by somebody at that moment, or lost a deadlock, is still there.
        let left = claim("third").await;
        let all = [first, second, begun, left].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "an execution has two owners");
        assert_eq!(all.len(), EXECUTIONS, "what nobody has begun with is left: {all:?}");
        assert_eq!(rows.count(Table::Executions).await, EXECUTIONS as i64);
    })
    .await;
}
