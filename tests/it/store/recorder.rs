//! Group commit: many records in one transaction, without one spoiling the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::Table;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::json;
use sidehook::clock::{Clock, SystemClock};
use sidehook::metrics::Metrics;
use sidehook::store::Store;
use sidehook::store::execution::{ExecutionUpdate, NewExecution};
use sidehook::store::job::NewJob;
use sidehook::store::lease::Lease;
use sidehook::store::recorder::{LeaseChange, Record, RecordError, Recorder, Uncounted, Written};

use crate::databases::{Kind, Server};
use crate::fixture::{self, next_id};
use crate::rows::Rows;
use crate::server::{TestServer, on_databases, on_every_database, prepare};
use crate::wait::until;

pub const WORKFLOW: i64 = 398_000_000_000_001;

pub async fn recorder(store: &Store) -> Recorder {
    let registration = store.register_instance("test").await.expect("a free number");
    let (recorder, writing) = Recorder::start(
        store.clone(),
        registration.owner,
        || SystemClock.now(),
        Arc::new(Metrics::new(false, None)),
    );
    tokio::spawn(writing);
    recorder
}

/// A synchronous execution with one job, as it is written at its end.
fn record(key: &str, event_key: &str) -> Record {
    let (id, now) = (next_id(), SystemClock.now());
    Record {
        execution_id: id,
        create: Some(row(id, key, event_key, now)),
        new_jobs: vec![job(id, now)],
        ..Record::default()
    }
}

pub fn row(id: i64, key: &str, event_key: &str, now: DateTime<Utc>) -> NewExecution {
    NewExecution {
        id,
        workflow_id: WORKFLOW,
        key: key.to_owned(),
        event_key: event_key.to_owned(),
        context: r#"{"body":{}}"#.to_owned(),
        status: Some(1),
        reason: None,
        output: None,
        created_at: now,
        updated_at: now,
        started_at: Some(now),
        expires_at: None,
        parent_execution_id: None,
        stack: None,
    }
}

pub fn job(execution_id: i64, now: DateTime<Utc>) -> NewJob {
    NewJob {
        id: next_id(),
        execution_id,
        node_id: 1,
        node_key: "n".to_owned(),
        upstream_id: None,
        status: 1,
        result: Some("1".into()),
        meta: None,
        log: None,
        created_at: now,
        started_at: Some(now),
    }
}

pub async fn write_all(recorder: &Recorder, records: Vec<Record>) -> Vec<Result<Written, RecordError>> {
    join_all(records.into_iter().map(|record| recorder.write_event(record))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_long_fails_alone() {
    // SQLite takes texts of any length.
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let recorder = recorder(&rows.store).await;
        let mut records: Vec<Record> = (0..200).map(|i| record("k", &format!("event {i}"))).collect();
        records.insert(97, record("k", &"x".repeat(300)));
        let outcomes = write_all(&recorder, records).await;
        let failed: Vec<usize> = (0..outcomes.len()).filter(|i| outcomes[*i].is_err()).collect();
        assert_eq!(failed, [97]);
        assert!(matches!(outcomes[97], Err(RecordError::Refused(_))), "{:?}", outcomes[97]);
        assert_eq!(rows.executions(WORKFLOW).await.len(), 200);
        assert_eq!(rows.stats("k", WORKFLOW).await, "200,200");
    })
    .await;
}

/// A record is written again where the answer to its COMMIT got lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_later_is_counted_once() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let recorder = recorder(&rows.store).await;
        let mut records: Vec<Record> = Vec::new();
        for number in 0..3 {
            let mut first = record("k", &format!("event {number}"));
            first.create.as_mut().expect("a row").status = Some(0);
            first.lease = LeaseChange::Take(Lease { workflow_id: WORKFLOW, ..Lease::default() });
            first.counts_later = true;
            let tx = recorder.begin(None).await.expect("a transaction");
            assert_eq!(recorder.write_within(tx, &first).await.expect("it is written"), Written::Committed);
            records.push(Record {
                execution_id: first.execution_id,
                update: Some(ExecutionUpdate { status: Some(1), ..ExecutionUpdate::default() }),
                lease: LeaseChange::Release,
                counts: Some(Uncounted { key: "k".to_owned(), workflow_id: WORKFLOW }),
                ..Record::default()
            });
        }
        assert_eq!(rows.stats("k", WORKFLOW).await, "null,null");
        // NocoBase has ended one of them meanwhile.
        let ended = format!(
            "UPDATE {} SET status = -3 WHERE id = {}",
            rows.table(Table::Executions),
            records[2].execution_id
        );
        rows.store.db.execute_unprepared(&ended).await.expect("it is ended");
        let mut outcomes = Vec::new();
        for record in [&records[0], &records[0], &records[2], &records[2]] {
            outcomes.push(recorder.write(record.clone()).await.expect("it is written"));
            outcomes.dedup();
        }
        assert_eq!(outcomes, [Written::Committed, Written::EndedElsewhere]);
        assert_eq!(rows.stats("k", WORKFLOW).await, "2,2");
        recorder.write(records[1].clone()).await.expect("it is written");
        assert_eq!(rows.stats("k", WORKFLOW).await, "3,3");
        assert_eq!(rows.count(Table::Leases).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_events_with_one_key_one_is_recorded() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let recorder = recorder(&rows.store).await;
        let mut records: Vec<Record> = (0..20).map(|i| record("k", &format!("event {i}"))).collect();
        records.insert(5, record("k", "event 11"));
        let outcomes = write_all(&recorder, records).await;
        let duplicates =
            outcomes.iter().filter(|outcome| matches!(outcome, Err(RecordError::Duplicate))).count();
        assert_eq!((duplicates, outcomes.iter().filter(|outcome| outcome.is_ok()).count()), (1, 20));
        assert_eq!(rows.executions(WORKFLOW).await.len(), 20);
        assert_eq!(rows.stats("k", WORKFLOW).await, "20,20");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_write_in_opposite_orders_do_not_fail_each_other() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let (one, two) = (recorder(&rows.store).await, recorder(&rows.store).await);
        let key = |i: usize| if i.is_multiple_of(2) { "a" } else { "b" };
        let forwards = (0..300).map(|i| record(key(i), &format!("one {i:03}"))).collect();
        let backwards = (0..300).rev().map(|i| record(key(i + 1), &format!("two {i:03}"))).collect();
        let (first, second) = tokio::join!(write_all(&one, forwards), write_all(&two, backwards));
        let failed: Vec<_> = first.iter().chain(&second).filter(|outcome| outcome.is_err()).collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(rows.stats("a", WORKFLOW).await, "300,600");
        assert_eq!(rows.stats("b", WORKFLOW).await, "300,600");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_wins_over_the_last_write_or_comes_too_late() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let recorder = recorder(&rows.store).await;
        for _ in 0..25 {
            let id = next_id();
            let started =
                NewExecution { status: Some(0), ..row(id, "k", &id.to_string(), SystemClock.now()) };
            let begin = Record {
                execution_id: id,
                create: Some(started),
                lease: LeaseChange::Take(Lease::default()),
                ..Record::default()
            };
            recorder.write_event(begin).await.expect("the execution is recorded");
            let update = ExecutionUpdate { status: Some(1), ..ExecutionUpdate::default() };
            let end = Record {
                execution_id: id,
                update: Some(update),
                lease: LeaseChange::Release,
                ..Record::default()
            };
            // As NocoBase's own abort does it: one conditional update.
            let sql = format!(
                "UPDATE {} SET {} = -3 WHERE {} = {id} AND {} = 0",
                rows.table(Table::Executions),
                rows.quoted("status"),
                rows.quoted("id"),
                rows.quoted("status"),
            );
            let (written, aborted) = tokio::join!(recorder.write(end), abort(&rows, &sql));
            let expected = if aborted { (Written::EndedElsewhere, -3) } else { (Written::Committed, 1) };
            let status = rows.executions(WORKFLOW).await.last().and_then(|row| row["status"].as_i64());
            assert_eq!((written.expect("the end is recorded"), status), (expected.0, Some(expected.1)));
        }
    })
    .await;
}

/// Whether the abort changed the row. Tried again after a lost race, as NocoBase does five times.
async fn abort(rows: &Rows, sql: &str) -> bool {
    let mut tries = 0;
    loop {
        match rows.store.db.execute_unprepared(sql).await {
            Ok(done) => return done.rows_affected() == 1,
            Err(err) => assert!(tries < 5, "the abort is not carried out: {err}"),
        }
        tries += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_is_used_without_a_restart() {
    let Some(mut server) = Server::start(Kind::Postgres, true).await else { return };
    let database = server.create_database().await.expect("a database");
    let sidehook = Arc::new(TestServer::start(&database).await);
    let answer = fixture::node("r", "response", json!({"statusCode": 200, "body": "ok"}));
    let workflow = fixture::workflow("load", true, &json!({"request": {}}), &[answer]);
    sidehook.add(&workflow).await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let refused = Arc::new(AtomicUsize::new(0));
    let stop = tokio_util::sync::CancellationToken::new();
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (sidehook, accepted, refused) = (sidehook.clone(), accepted.clone(), refused.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
                loop {
                    let response = sidehook.post("load", &json!({})).await;
                    match response.status().as_u16() {
                        200 => accepted.fetch_add(1, Ordering::SeqCst),
                        503 => {
                            assert!(response.headers().contains_key("retry-after"));
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                        other => panic!("answered {other}"),
                    };
                }
            }))
        })
        .collect();
    until(async || accepted.load(Ordering::SeqCst) > 50, || "nothing is accepted".to_owned()).await;
    server.stop().await.expect("PostgreSQL stops");
    until(async || refused.load(Ordering::SeqCst) > 8, || "nothing is refused".to_owned()).await;
    server.start_again().await.expect("PostgreSQL starts again");
    let before = accepted.load(Ordering::SeqCst);
    until(async || accepted.load(Ordering::SeqCst) > before + 50, || "nothing is accepted again".to_owned())
        .await;
    // Answers under way are waited for: dropping a sender in the middle would lose its count.
    let rows = {
        stop.cancel();
        for sender in senders {
            sender.await.expect("a sender does not panic");
        }
        sidehook.executions(workflow.id).await.len()
    };
    let accepted = accepted.load(Ordering::SeqCst);
    assert!(rows >= accepted, "{accepted} events were acknowledged and {rows} are recorded");
    let Some(sidehook) = Arc::into_inner(sidehook) else { panic!("the senders have ended") };
    sidehook.stop_in_the_middle().await;
}
