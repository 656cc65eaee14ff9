//! Numbers of instances: what a transaction in flight holds up, and what not.

use std::sync::Arc;
use std::time::Duration;

use entity::Table;
use sea_orm::{ConnectionTrait, TransactionTrait};
use sidehook::clock::{Clock, SystemClock};
use sidehook::metrics::Metrics;
use sidehook::store::execution::{ExecutionUpdate, NewExecution};
use sidehook::store::instance::{Owner, Whose};
use sidehook::store::lease::Lease;
use sidehook::store::recorder::{LeaseChange, Record, RecordError, Recorder, Written};
use tokio::time::timeout;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::next_id;
use crate::rows::Rows;
use crate::server::{on_databases, prepare};

/// Others than SQLite, where a transaction that writes is alone.
const KINDS: [Kind; 2] = [Kind::Postgres, Kind::Mysql];
/// After so long something counts as held up.
const HELD_UP: Duration = Duration::from_millis(700);

/// An instance with one execution, and another instance.
struct Pair {
    rows: Rows,
    owner: Owner,
    other: Owner,
    recorder: Recorder,
    execution: i64,
}

impl Pair {
    async fn start(database: &TestDatabase) -> Self {
        let rows = Rows { store: prepare(database, &[]).await };
        let owner = rows.store.register_instance("one").await.expect("a free number").owner;
        let other = rows.store.register_instance("other").await.expect("a free number").owner;
        let (recorder, writing) = Recorder::start(
            rows.store.clone(),
            owner,
            || SystemClock.now(),
            Arc::new(Metrics::new(false, None)),
        );
        tokio::spawn(writing);
        let (id, now) = (next_id(), SystemClock.now());
        let row = NewExecution {
            id,
            workflow_id: 1,
            key: "k".to_owned(),
            event_key: id.to_string(),
            context: "{}".to_owned(),
            status: Some(0),
            reason: None,
            output: None,
            created_at: now,
            updated_at: now,
            started_at: Some(now),
            expires_at: None,
            parent_execution_id: None,
            stack: None,
        };
        let lease = LeaseChange::Take(Lease::default());
        let begin = Record { execution_id: id, create: Some(row), lease, ..Record::default() };
        recorder.write_event(begin).await.expect("the execution is recorded");
        Self { rows, owner, other, recorder, execution: id }
    }

    fn end(&self) -> Record {
        let update = ExecutionUpdate { status: Some(1), ..ExecutionUpdate::default() };
        Record { execution_id: self.execution, update: Some(update), ..Record::default() }
    }

    /// Makes the instance look as if it had been silent for long.
    async fn silence(&self) {
        let instances = self.rows.table(Table::Instances);
        let number = self.owner.number;
        self.rows.execute(&format!("UPDATE {instances} SET heartbeat_at = 1 WHERE id = {number}")).await;
    }

    /// What the other one takes over of it.
    async fn taken(&self) -> Vec<i64> {
        let mut taken = Vec::new();
        self.rows
            .store
            .take_over(self.other, Whose { others: true, own_number: true }, &mut taken)
            .await
            .expect("the database answers");
        taken
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_node_does_not_hold_up_signs_of_life() {
    on_databases(&KINDS, async |database| {
        let pair = Pair::start(&database).await;
        let tx = pair.recorder.begin(None).await.expect("a transaction");
        tx.execute_unprepared("SELECT 1").await.expect("it is open");
        let beat = timeout(Duration::from_secs(10), pair.rows.store.heartbeat(pair.owner, 1)).await;
        beat.expect("it is not held up").expect("the number is still ours");
        assert_eq!(pair.recorder.write_within(tx, &pair.end()).await.expect("committed"), Written::Committed);
        assert_eq!(pair.rows.executions(1).await[0]["status"], 1);
    })
    .await;
}

/// Either nobody takes the number over as long as it is open, or it is refused at its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_node_is_not_committed_after_a_takeover() {
    on_databases(&KINDS, async |database| {
        let pair = Pair::start(&database).await;
        let tx = pair.recorder.begin(None).await.expect("a transaction");
        pair.silence().await;
        let taken = pair.taken().await;
        let written = pair.recorder.write_within(tx, &pair.end()).await;
        let status = pair.rows.executions(1).await[0]["status"].clone();
        if taken.is_empty() {
            assert_eq!((written.expect("committed"), status), (Written::Committed, 1.into()));
            assert_eq!(pair.taken().await, [pair.execution]);
        } else {
            assert!(matches!(written, Err(RecordError::Fenced)), "{written:?}");
            assert_eq!((taken, status), (vec![pair.execution], 0.into()));
        }
        let late = pair.recorder.write(pair.end()).await;
        assert!(matches!(late, Err(RecordError::Fenced)), "{late:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_waits_for_a_flush_in_flight() {
    on_databases(&KINDS, async |database| {
        let pair = Pair::start(&database).await;
        pair.silence().await;
        // Somebody else holds the row that the flush needs after it has passed the fence.
        let (executions, id) = (pair.rows.table(Table::Executions), pair.rows.quoted("id"));
        let holding = pair.rows.store.db.as_sea_orm().begin().await.expect("a transaction");
        let lock = format!("SELECT {id} FROM {executions} WHERE {id} = {} FOR UPDATE", pair.execution);
        holding.execute_unprepared(&lock).await.expect("the row is locked");
        let flush = tokio::spawn({
            let (recorder, end) = (pair.recorder.clone(), pair.end());
            async move { recorder.write(end).await }
        });
        tokio::time::sleep(HELD_UP).await;
        assert!(!flush.is_finished(), "it is in flight");
        assert_eq!(pair.taken().await, [0; 0], "it is left alone meanwhile");
        // Who takes the number itself waits.
        let instances = pair.rows.table(Table::Instances);
        let now = SystemClock.now().timestamp_millis() + 3_600_000;
        for number in 2..32 {
            let values = format!("({number}, 1, 'other', {now}, 0)");
            pair.rows.execute(&format!("INSERT INTO {instances} VALUES {values}")).await;
        }
        let registering = tokio::spawn({
            let store = pair.rows.store.clone();
            async move { store.register_instance("next").await }
        });
        tokio::time::sleep(HELD_UP).await;
        assert!(!registering.is_finished(), "the number is taken during a flush");
        holding.rollback().await.expect("rolled back");
        assert_eq!(flush.await.expect("no panic").expect("committed"), Written::Committed);
        let next = registering.await.expect("no panic").expect("the number is free").owner;
        assert_eq!((next.number, next.generation), (pair.owner.number, pair.owner.generation + 1));
        assert_eq!(pair.rows.executions(1).await[0]["status"], 1);
        let late = pair.recorder.write(pair.end()).await;
        assert!(matches!(late, Err(RecordError::Fenced)), "{late:?}");
    })
    .await;
}
