//! Executions that wait in sidehook's part of the database, and who claims them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entity::Table;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use sidehook::clock::{Clock, SystemClock};
use sidehook::metrics::Metrics;
use sidehook::store::Transaction;
use sidehook::store::claim::{Found, Mark, Wanted};
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

/// Executions of a workflow that have been acknowledged and wait; returns their ids, oldest first.
pub async fn wait(rows: &Rows, owner: Owner, workflow_id: i64, count: usize) -> Vec<i64> {
    let metrics = Arc::new(Metrics::new(false, None));
    let (recorder, writing) = Recorder::start(rows.store.clone(), owner, || SystemClock.now(), metrics);
    tokio::spawn(writing);
    let ids: Vec<i64> = (0..count).map(|_| next_id()).collect();
    let now = SystemClock.now();
    let wait_one = async |id: &i64| {
        let row = NewExecution {
            id: *id,
            workflow_id,
            key: "k".to_owned(),
            event_key: id.to_string(),
            context: "{}".to_owned(),
            created_at: now,
            updated_at: now,
            ..NewExecution::default()
        };
        let lease = LeaseChange::Wait(Lease { workflow_id, ..Lease::default() });
        let record = Record { execution_id: *id, create: Some(row), lease, ..Record::default() };
        recorder.write_event(record).await.expect("recorded");
    };
    join_all(ids.iter().map(wait_one)).await;
    ids
}

async fn claim(rows: &Rows, owner: Owner, after: Option<Mark>, limit: usize) -> (Vec<i64>, Found) {
    let (wanted, mut claimed) = (Wanted { workflow_id: WORKFLOW, after, limit }, Vec::new());
    let claiming = rows.store.claim_next(owner, wanted, SystemClock.now(), &mut claimed);
    let found = timeout(Duration::from_secs(10), claiming).await.expect("nothing is waited for");
    (claimed, found.expect("claimed"))
}

async fn start(rows: &Rows, ids: &[i64]) -> Vec<i64> {
    let starting = rows.store.start_queueing(ids, SystemClock.now());
    timeout(Duration::from_secs(10), starting).await.expect("nothing is waited for").expect("started")
}

/// Locks executions, one by one, as somebody else who is about to change them.
async fn lock(rows: &Rows, ids: &[i64]) -> Transaction {
    let (table, id) = (rows.table(Table::Executions), rows.quoted("id"));
    let other = rows.store.db.begin().await.expect("a transaction");
    for one in ids {
        let lock = format!("SELECT {id} FROM {table} WHERE {id} = {one} FOR UPDATE");
        other.execute_unprepared(&lock).await.expect("locked");
    }
    other
}

/// Several instances that look for work at the same time see the same executions first.
#[tokio::test(flavor = "multi_thread")]
async fn every_execution_has_one_owner() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("first").await.expect("a number").owner;
        let ids = wait(&rows, owner, WORKFLOW, 120).await;
        let claim_all = async |token: &str| {
            let owner = rows.store.register_instance(token).await.expect("a number").owner;
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let (claimed, found) = claim(&rows, owner, after, 8).await;
                all.extend(claimed);
                after = found.last;
                if !found.has_more {
                    return all;
                }
            }
        };
        let (one, other) = tokio::join!(claim_all("one"), claim_all("other"));
        // What was locked at that moment is still there.
        let left = claim_all("third").await;
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
        let ids = wait(&rows, owner, WORKFLOW, 3).await;
        // One of them has been deleted: whoever claims it sees to its lease.
        let (table, id) = (rows.table(Table::Executions), rows.quoted("id"));
        rows.execute(&format!("DELETE FROM {table} WHERE {id} = {}", ids[2])).await;
        let other = lock(&rows, &ids[..1]).await;
        assert_eq!(claim(&rows, owner, None, 5).await.0, ids);
        assert_eq!(start(&rows, &ids).await, ids[1..2]);
        other.rollback().await.expect("let go");
        assert_eq!(start(&rows, &ids).await, ids[..1]);
    })
    .await;
}

/// InnoDB reads a small table as a whole, whatever ids are asked for: it must not lock what it passes.
#[tokio::test(flavor = "multi_thread")]
async fn executions_are_started_beside_others_in_a_small_table() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, WORKFLOW, 400).await;
        let other = lock(&rows, &[ids[0], ids[399]]).await;
        assert_eq!(start(&rows, &ids[..256]).await, ids[1..256]);
        let parts = tokio::join!(start(&rows, &ids[256..320]), start(&rows, &ids[320..]));
        assert_eq!([parts.0, parts.1].concat(), ids[256..399]);
        other.rollback().await.expect("let go");
    })
    .await;
}

/// A second time changes nothing, and neither does it bring back what has been ended.
#[tokio::test]
async fn what_has_yet_to_begin_is_started_once() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, WORKFLOW, 2).await;
        let (table, id, status) = (rows.table(Table::Executions), rows.quoted("id"), rows.quoted("status"));
        rows.execute(&format!("UPDATE {table} SET {status} = -3 WHERE {id} = {}", ids[0])).await;
        let ended = async || rows.store.ended_among(&ids).await.expect("ids");
        assert_eq!(ended().await, ids[..1]);
        assert_eq!(start(&rows, &ids).await, ids[1..]);
        assert_eq!(ended().await, ids[..1]);
        let began = rows.executions(WORKFLOW).await;
        assert_eq!([&began[0]["status"], &began[1]["status"]], [-3, 0]);
        assert_eq!([&began[0]["started"], &began[1]["started"]], [false, true]);
        assert_eq!(start(&rows, &ids).await, Vec::<i64>::new());
        assert_eq!(rows.executions(WORKFLOW).await, began);
    })
    .await;
}

#[tokio::test]
async fn whose_number_has_changed_hands_takes_nothing() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, WORKFLOW, 2).await;
        let earlier = Owner { generation: owner.generation - 1, ..owner };
        let (claimed, found) = claim(&rows, earlier, None, 5).await;
        assert_eq!((claimed, found.has_more), (vec![], false));
        let free = format!("SELECT COUNT(*) FROM {} WHERE instance_id IS NULL", rows.table(Table::Leases));
        assert_eq!(rows.number(&free).await, 2);
        assert_eq!(claim(&rows, owner, None, 5).await.0, ids);
    })
    .await;
}

/// Instances that take what comes next pass what others have locked, and go on after what they have taken. Meanwhile
/// others add to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_next_is_taken_beside_others_who_take_and_add() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, WORKFLOW, 6).await;
        let leases = rows.table(Table::Leases);
        // Others that the index has before and after them.
        let others =
            format!("INSERT INTO {leases} (execution_id, workflow_id, due_at) VALUES (1, 0, 0), (2, 2, 0)");
        rows.execute(&others).await;
        let other = rows.store.db.begin().await.expect("a transaction");
        let lock = format!("SELECT execution_id FROM {leases} WHERE execution_id = {} FOR UPDATE", ids[0]);
        other.execute_unprepared(&lock).await.expect("locked");
        let (claimed, first) = claim(&rows, owner, None, 3).await;
        assert_eq!((claimed, first.has_more), (ids[1..4].to_vec(), true));
        other.rollback().await.expect("let go");
        let (claimed, second) = claim(&rows, owner, first.last, 3).await;
        assert_eq!((claimed, second.has_more), (ids[4..].to_vec(), false));
        let (claimed, _) = claim(&rows, owner, None, 3).await;
        assert_eq!(claimed, ids[..1], "what had been locked is left");
    })
    .await;
}

#[tokio::test]
async fn workflows_of_which_executions_are_due_are_found() {
    on_every_database(async |database| {
        let rows = Rows {
            store: prepare(&database, &[("DB_TABLE_PREFIX", "of_a_nocobase_with_a_long_name_")]).await,
        };
        let now = SystemClock.now();
        let waiting = async || rows.store.workflows_with_backlog(now).await.expect("workflows");
        assert_eq!(waiting().await, Vec::<i64>::new());
        let (ms, table) = (now.timestamp_millis(), rows.table(Table::Leases));
        // Of 1 some are due, of 3 some and some later, of 2 all later; those of 4 have an owner.
        let leases = [
            "(1, NULL, 1, 0)".to_owned(),
            "(2, NULL, 1, 0)".to_owned(),
            format!("(3, NULL, 2, {})", ms + 1),
            format!("(4, NULL, 3, {ms})"),
            format!("(5, NULL, 3, {})", ms + 1),
            "(6, 7, 4, 0)".to_owned(),
        ];
        let columns = "(execution_id, instance_id, workflow_id, due_at)";
        rows.execute(&format!("INSERT INTO {table} {columns} VALUES {}", leases.join(", "))).await;
        assert_eq!(waiting().await, [1, 3]);
    })
    .await;
}

/// What somebody else has ended is found whatever else waits, some at a time.
#[tokio::test]
async fn those_that_wait_for_a_time_are_looked_at_in_turn() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a number").owner;
        let ids = wait(&rows, owner, WORKFLOW, 5).await;
        let (leases, executions) = (rows.table(Table::Leases), rows.table(Table::Executions));
        rows.execute(&format!("UPDATE {leases} SET due_at = {}", i64::MAX)).await;
        for (id, status) in ids.iter().zip([-3, 0, 0, -3, 0]) {
            let (own, ended) = (rows.quoted("id"), rows.quoted("status"));
            rows.execute(&format!("UPDATE {executions} SET {ended} = {status} WHERE {own} = {id}")).await;
        }
        let look = async |after| {
            let woken = rows.store.wake_ended(SystemClock.now(), after, 2).await.expect("looked");
            (woken.executions, woken.after)
        };
        assert_eq!(look(0).await, (1, ids[1]));
        assert_eq!(look(ids[1]).await, (1, ids[3]));
        assert_eq!(look(ids[3]).await, (0, 0));
        assert_eq!(look(0).await, (0, ids[1]));
        let due = format!("SELECT execution_id FROM {leases} WHERE due_at = 0 ORDER BY execution_id");
        let due = rows.query(&due).await;
        let due: Vec<i64> = due.iter().map(|row| row.try_get_by_index(0).expect("an id")).collect();
        assert_eq!(due, [ids[0], ids[3]]);
    })
    .await;
}
