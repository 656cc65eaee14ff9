//! Executions that wait with contexts that memory does not hold together.

use std::collections::HashSet;

use entity::Table;
use serde_json::{Value, json};
use sidehook::clock::{Clock, SystemClock};
use sidehook::store::claim::Wanted;

use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, on_databases, on_every_database, prepare};
use crate::store::fetch::write_context;
use crate::store::waiting::wait;
use crate::wait::{TIMEOUT, until};

/// So many wait, and so many more were taken by an instance that is gone.
const EACH: usize = 12;

/// One of them alone is larger than all that fetched executions may take.
#[tokio::test(flavor = "multi_thread")]
async fn contexts_that_do_not_fit_into_memory_together_are_fetched_one_after_the_other() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = workflow("k", false, &json!({}), &[node("v", "variable", json!({"value": 1}))]);
        rows.add(&hook).await;
        let gone = rows.store.register_instance("gone").await.expect("a number").owner;
        let left = wait(&rows, gone, hook.id, EACH).await;
        let wanted = Wanted { workflow_id: hook.id, after: None, limit: EACH };
        let mut claimed = Vec::new();
        let claiming = rows.store.claim_next(gone, wanted, SystemClock.now(), &mut claimed);
        claiming.await.expect("claimed");
        assert_eq!(claimed, left);
        let waiting = wait(&rows, gone, hook.id, EACH).await;
        for id in left.iter().chain(&waiting) {
            write_context(&rows, *id, 200_000).await;
        }
        for id in [left[EACH / 2], waiting[EACH / 2]] {
            write_context(&rows, id, 3_000_000).await;
        }
        rows.execute(&format!("UPDATE {} SET heartbeat_at = 1", rows.table(Table::Instances))).await;
        // A quarter of a megabyte of text at a time.
        let server = TestServer::start_with(&database, &[("SIDEHOOK_MEMORY", "8mb")]).await;
        let executions = server.settled(hook.id, 2 * EACH, TIMEOUT).await;
        let is_run = |execution: &Value| execution["status"] == 1 && execution["started"] == true;
        assert!(executions.iter().all(is_run), "{executions:?}");
        let ids: HashSet<i64> = executions.iter().filter_map(|execution| execution["id"].as_i64()).collect();
        assert_eq!(ids, left.into_iter().chain(waiting).collect());
        assert_eq!(
            (server.count(Table::Jobs).await, server.count(Table::Leases).await),
            (2 * EACH as i64, 0)
        );
        server.stop().await;
    })
    .await;
}

/// What a process may have had in memory, in bytes: two to three times what it has with nothing to do, as it is built for tests.
const MOST: u64 = 200 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_does_not_grow_by_what_waits() {
    on_databases(&[Kind::Postgres], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let slow = node("s", "sql", json!({"sql": "SELECT pg_sleep(0.1)"}));
        let hook = workflow("k", false, &json!({}), &[slow]);
        rows.add(&hook).await;
        let gone = rows.store.register_instance("gone").await.expect("a number").owner;
        let ids = wait(&rows, gone, hook.id, 40).await;
        for id in &ids {
            write_context(&rows, *id, 4_000_000).await;
        }
        let process =
            Process::serve(&database, &[("SIDEHOOK_MEMORY", "16mb"), ("SIDEHOOK_WORKERS", "1")]).await;
        until(async || rows.count(Table::Jobs).await == ids.len() as i64, || "they are not run".to_owned())
            .await;
        let peak = process.peak_memory();
        assert!(peak < MOST, "{} MB", peak >> 20);
    })
    .await;
}
