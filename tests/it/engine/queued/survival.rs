//! Two instances share NocoBase's queue, and one of them is killed.

use entity::Table;
use serde_json::json;

use super::rows::{ALONE, add, queue_all};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{on_every_database, prepare};
use crate::wait::until;

const EXECUTIONS: usize = 800;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_loses_nothing_and_nothing_is_run_twice() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let none = json!({"timeout": 0});
        let hooks =
            [add(&rows, "posts", "collection", &none).await, add(&rows, "nightly", "schedule", &none).await];
        for hook in &hooks {
            queue_all(&rows, hook, 0..EXECUTIONS / 2).await;
        }
        let settings = [&ALONE[..], &[("SIDEHOOK_WORKERS", "2")]].concat();
        let mut first = Process::serve(&database, &settings).await;
        let second = Process::serve(&database, &settings).await;
        let jobs = async || rows.count(Table::Jobs).await;
        until(async || jobs().await > 100, || format!("nothing is run:\n{}", first.printed())).await;
        first.signal("KILL").await;
        first.ended().await;
        let open = format!(
            "SELECT COUNT(*) FROM {} WHERE {1} IS NULL OR {1} = 0",
            rows.table(Table::Executions),
            rows.quoted("status"),
        );
        until(
            async || rows.number(&open).await == 0 && rows.count(Table::Leases).await == 0,
            || format!("executions or leases are left:\n{}", second.printed()),
        )
        .await;
        for hook in &hooks {
            let executions = rows.executions(hook.id).await;
            assert!(executions.iter().all(|execution| execution["status"] == 1), "{executions:?}");
            for (id, jobs) in rows.jobs_by_execution(hook.id).await {
                assert_eq!(jobs.len(), 2, "execution {id} was run twice or not to its end");
            }
        }
        assert_eq!(jobs().await, 2 * EXECUTIONS as i64);
    })
    .await;
}
