//! Executions that wait in sidehook's part of the database, and who claims them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entity::Table;
use sea_orm::ConnectionTrait;
use sidehook::clock::{Clock, SystemClock};
use sidehook::metrics::Metrics;
use sidehook::store::claim::Wanted;
use sidehook::store::execution::NewExecution;
use sidehook::store::instance::Owner;
use sidehook::store::lease::Lease;
use sidehook::store::recorder::{LeaseChange, Record, Recorder};
use tokio::time::timeout;

use crate::databases::Kind;
use crate::fixture::next_id;
use crate::rows::Rows;
use crate::server::{on_databases, on_every_database, prepare};

const WORKFLOW: i64 = 1;

/// Executions that have been acknowledged and wait; returns their ids, oldest first.
async fn wait(rows: &Rows, owner: Owner, count: usize) -> Vec<i64> {
    let metrics = Arc::new(Metrics::new(false, None));
    let (recorder, writing) = Recorder::start(rows.store.clone(), owner, || SystemClock.now(), metrics);
    tokio::spawn(writing);
    let ids: Vec<i64> = (0..count).map(|_| next_id()).collect();
    let now = SystemClock.now();
    for id in &ids {
        let row = NewExecution {
            id: *id,
            workflow_id: WORKFLOW,
            key: "k".to_owned(),
            event_key: id.to_string(),
            context: "{}".to_owned(),
            created_at: now,
            updated_at: now,
            ..NewExecution::default()
        };
        let lease = LeaseChange::Wait(Lease { workflow_id: WORKFLOW, ..Lease::default() });
        let record = Record { execution_id: *id, create: Some(row), lease, ..Record::default() };
        recorder.write_event(record).await.expect("recorded");
    }
    ids
}

/// Several instances that look for work at the same time see the same executions first.
#[tokio::test(flavor = "multi_thread")]
async fn every_execution_has_one_owner() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("first").await.expect("a number").owner;
        let ids = wait(&rows, owner, 120).await;
        let claim = async |token: &str| {
            let owner = rows.store.register_instance(token).await.expect("a number").owner;
            let mut claimed = Vec::new();
            for part in ids.chunks(8) {
                claimed
                    .extend(rows.store.claim_waiting(owner, part, SystemClock.now()).await.expect("claimed"));
                tokio::task::yield_now().await;
            }
            claimed
        };
        let (one, other) = tokio::join!(claim("one"), claim("other"));
        // What was locked at that moment is still there.
        let left = claim("third").await;
        let all = [one, other, left].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "an execution has two owners");
        assert_eq!(all.len(), ids.len(), "what nobody has taken is left");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_locked_keeps_nobody_waiting() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, 3).await;
        // One of them has been deleted: whoever claims it sees to its lease.
        let (table, id) = (rows.table(Table::Executions), rows.quoted("id"));
        rows.execute(&format!("DELETE FROM {table} WHERE {id} = {}", ids[2])).await;
        let other = rows.store.db.begin().await.expect("a transaction");
        let lock = format!("SELECT {id} FROM {table} WHERE {id} = {} FOR UPDATE", ids[0]);
        other.execute_unprepared(&lock).await.expect("locked");
        let claim = async || {
            let claiming = rows.store.claim_waiting(owner, &ids, SystemClock.now());
            timeout(Duration::from_secs(10), claiming).await.expect("nothing is waited for").expect("claimed")
        };
        assert_eq!(claim().await, ids[1..]);
        other.rollback().await.expect("let go");
        assert_eq!(claim().await, ids[..1]);
    })
    .await;
}

/// Instances that take what comes next pass what others have locked, and go on after what they have taken.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_executions_are_taken_without_being_looked_for() {
    on_databases(&[Kind::Postgres], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, 6).await;
        assert!(rows.store.claims_next());
        let waiting = rows.store.workflows_with_backlog(SystemClock.now()).await.expect("workflows");
        assert_eq!(waiting, [WORKFLOW]);
        let other = rows.store.db.begin().await.expect("a transaction");
        let lock = "SELECT execution_id FROM sidehook_leases ORDER BY execution_id LIMIT 1 FOR UPDATE";
        other.execute_unprepared(lock).await.expect("locked");
        let claim = async |after| {
            let (wanted, mut claimed) = (Wanted { workflow_id: WORKFLOW, after, limit: 3 }, Vec::new());
            let claiming = rows.store.claim_next(owner, wanted, SystemClock.now(), &mut claimed);
            let found = timeout(Duration::from_secs(10), claiming).await.expect("nothing is waited for");
            (claimed, found.expect("claimed"))
        };
        let (claimed, first) = claim(None).await;
        assert_eq!((claimed, first.has_more), (ids[1..4].to_vec(), true));
        other.rollback().await.expect("let go");
        let (claimed, second) = claim(first.last).await;
        assert_eq!((claimed, second.has_more), (ids[4..].to_vec(), false));
        let (claimed, _) = claim(None).await;
        assert_eq!(claimed, ids[..1], "what had been locked is left");
        let started = rows.store.find_states(&ids).await.expect("rows");
        assert!(started.iter().all(|state| state.status == Some(0)), "{started:?}");
        let waiting = rows.store.workflows_with_backlog(SystemClock.now()).await.expect("workflows");
        assert!(waiting.is_empty(), "{waiting:?}");
    })
    .await;
}
