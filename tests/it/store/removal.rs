//! Removing executions of the past: all that may be removed, in steps, and without reading again what stays.

use sidehook::clock::{Clock, SystemClock};
use sidehook::store::Store;
use sidehook::store::history::ExecutionFilter;
use sidehook::store::recorder::Record;
use sidehook::store::removal::{Removable, Removal};

use super::recorder::{WORKFLOW, job, recorder, row, write_all};
use crate::databases::Kind;
use crate::fixture::{next_id, workflow};
use crate::rows::Rows;
use crate::server::{on_every_database, prepare};

/// So many executions of each status there are, in turns of so many.
const EACH: usize = 3_000;
const TURN: usize = 750;

fn failed() -> ExecutionFilter {
    ExecutionFilter { statuses: Some(vec![Some(-1)]), ..ExecutionFilter::default() }
}

/// Executions with a job each: first those that stay, then in turns those that have failed and others.
async fn fill(store: &Store, workflow: i64) {
    let (recorder, now) = (recorder(store).await, SystemClock.now());
    let record = |number: usize| {
        let id = next_id();
        let has_failed = number >= EACH && (number / TURN).is_multiple_of(2);
        let status = Some(if has_failed { -1 } else { 1 });
        let mut row = row(id, "k", &format!("{workflow} {number}"), now);
        (row.workflow_id, row.status) = (workflow, status);
        Record { execution_id: id, create: Some(row), new_jobs: vec![job(id, now)], ..Record::default() }
    };
    let outcomes = write_all(&recorder, (0..3 * EACH).map(record).collect()).await;
    assert!(outcomes.iter().all(Result::is_ok));
}

/// How many rows this connection has read from one to the next, on MySQL and MariaDB.
async fn read_next(rows: &Rows) -> usize {
    let status = rows.query("SHOW SESSION STATUS LIKE 'Handler_read_next'").await;
    let text: String = status[0].try_get_by_index(1).expect("a text");
    text.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_is_read_once() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[("DB_POOL_MAX", "1")]).await };
        let hook = workflow("k", true, &serde_json::json!({}), &[]);
        rows.add(&hook).await;
        fill(&rows.store, hook.id).await;
        // Of a workflow that is not asked for.
        fill(&rows.store, WORKFLOW).await;

        let found = rows.store.removable(&failed()).await.expect("the database answers");
        let [Removable { workflow_id, executions, ids: (first, last), .. }] = &found[..] else {
            panic!("{found:?}");
        };
        let executions_before = rows.executions(hook.id).await.len();
        let to_remove = usize::try_from(*executions).expect("a number");
        assert_eq!((*workflow_id, to_remove), (hook.id, EACH));
        assert!(first < last);
        let before = if database.kind == Kind::Mysql { read_next(&rows).await } else { 0 };
        let mut removal = Removal::new(&found, failed());
        let (mut removed, mut largest) = (0, 0);
        while let Some(count) = removal.step(&rows.store).await.expect("the database answers") {
            removed += count;
            largest = largest.max(count);
        }
        assert_eq!((removed, largest), (to_remove, 500));
        if database.kind == Kind::Mysql {
            let read = read_next(&rows).await - before;
            // One for each execution in the way, and for the jobs of each that is removed.
            assert!(read <= 3 * EACH + 2 * to_remove, "{read} rows were read to remove {to_remove}");
        }
        assert_eq!(rows.executions(hook.id).await.len(), executions_before - to_remove);
        assert_eq!(rows.executions(WORKFLOW).await.len(), 3 * EACH, "another workflow's stay");
        let jobs = rows.number(&format!("SELECT COUNT(*) FROM {}", rows.table(entity::Table::Jobs))).await;
        assert_eq!(jobs, i64::try_from(6 * EACH - to_remove).expect("a number"));
        let left = rows.store.removable(&failed()).await.expect("the database answers");
        assert_eq!(left, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_again_stays() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = workflow("k", true, &serde_json::json!({}), &[]);
        rows.add(&hook).await;
        fill(&rows.store, hook.id).await;
        let found = rows.store.removable(&failed()).await.expect("the database answers");
        let mut removal = Removal::new(&found, failed());
        let step = removal.step(&rows.store).await.expect("the database answers");
        assert_eq!(step, Some(500));
        // More have been read as failed.
        let executions = rows.table(entity::Table::Executions);
        rows.execute(&format!("UPDATE {executions} SET status = 0 WHERE status = -1")).await;
        let mut removed = 0;
        while let Some(count) = removal.step(&rows.store).await.expect("the database answers") {
            removed += count;
        }
        assert_eq!(removed, 0);
        assert_eq!(rows.executions(hook.id).await.len(), 3 * EACH - 500);
    })
    .await;
}
