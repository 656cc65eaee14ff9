//! Turns at connections: workflows leave some to sidehook, and wait in a queue that moves for as long as it takes.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{Node, node, workflow};
use crate::node::sources;
use crate::rows::Rows;
use crate::server::{TestServer, on_databases, on_every_database, prepare};
use crate::{collections, wait};

/// More of them than are done before the pool itself stops waiting (two seconds).
const CALLERS: usize = 75;

/// Takes a tenth of a second.
fn slow(kind: Kind, source: &str) -> Node {
    let sql = match kind {
        Kind::Postgres => "SELECT pg_sleep(0.1)::text",
        _ => "SELECT SLEEP(0.1)",
    };
    node("slow", "sql", json!({"dataSource": source, "sql": sql, "unsafeInjection": true}))
}

fn answering() -> Node {
    node("end", "response", json!({"statusCode": 200, "body": "ok"}))
}

fn trigger() -> Value {
    json!({"request": {"body": []}})
}

/// Calls a workflow so often at once; meanwhile another one is called again and again, by one after the other. All have to be
/// answered with 200. Returns how often the other one was.
async fn call_at_once(server: &TestServer, key: &str, times: usize, other: &str) -> usize {
    let is_over = AtomicBool::new(false);
    let calls = async {
        let answers = join_all((0..times).map(async |_| server.post(key, &json!({})).await)).await;
        is_over.store(true, Ordering::Relaxed);
        answers.iter().map(|answer| answer.status().as_u16()).collect::<Vec<_>>()
    };
    let others = async {
        let mut answered = 0;
        while !is_over.load(Ordering::Relaxed) {
            assert_eq!(server.post(other, &json!({})).await.status(), 200, "{other} has to wait for {key}");
            answered += 1;
        }
        answered
    };
    let (statuses, answered) = tokio::join!(calls, others);
    assert_eq!(statuses, vec![200; times], "{key}");
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_write_wait_for_their_turn_and_keep_nobody_else_waiting() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let server = TestServer::start_with(&database, &[("DB_POOL_MAX", "3")]).await;
        let slow = workflow("slow", true, &trigger(), &[slow(database.kind, "main"), answering()]);
        let quick = workflow("quick", true, &trigger(), &[answering()]);
        server.add(&slow).await;
        server.add(&quick).await;
        let others = call_at_once(&server, "slow", CALLERS, "quick").await;
        assert!(others > 0, "nothing else has run while {CALLERS} waited");
        assert_eq!(server.settled(slow.id, CALLERS, wait::TIMEOUT).await.len(), CALLERS);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_create_records_at_once() {
    on_every_database(async |database| {
        for connections in ["3", "1"] {
            let server = TestServer::start_with(&database, &[("DB_POOL_MAX", connections)]).await;
            let things = r#"{"name":"things","autoGenId":true,"fields":[{"name":"title","type":"string"}]}"#;
            let things = serde_json::from_str(things).expect("JSON");
            if connections == "3" {
                collections::create(&server, &[things]).await;
            }
            let create = json!({"collection": "things", "params": {"values": {"title": "one"}}});
            let (create_key, quick_key) = (format!("create{connections}"), format!("quick{connections}"));
            let hook = workflow(&create_key, true, &trigger(), &[node("c", "create", create), answering()]);
            server.add(&hook).await;
            server.add(&workflow(&quick_key, true, &trigger(), &[answering()])).await;
            call_at_once(&server, &create_key, 100, &quick_key).await;
            server.stop().await;
        }
        let rows = Rows { store: prepare(&database, &[]).await };
        assert_eq!(rows.number("SELECT COUNT(*) FROM things").await, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_another_data_source_wait_for_their_turn() {
    for (main, source) in [(Kind::Postgres, Kind::Mysql), (Kind::Mysql, Kind::Postgres)] {
        let (Some(main), Some(source)) =
            (TestDatabase::create(main).await, TestDatabase::create(source).await)
        else {
            continue;
        };
        let server = TestServer::start_with(&main, &[("SIDEHOOK_SOURCE_POOL_MAX", "3")]).await;
        sources::prepare(&server).await;
        sources::put(&server, "erp", source.kind.name(), true, &sources::options(&source)).await;
        let slow = workflow("slow", true, &trigger(), &[slow(source.kind, "erp"), answering()]);
        server.add(&slow).await;
        server.add(&workflow("quick", true, &trigger(), &[answering()])).await;
        call_at_once(&server, "slow", CALLERS, "quick").await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_workflows_read_leaves_a_connection_to_sidehook() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let store = prepare(&database, &[("DB_POOL_MAX", "2")]).await;
        let sql = if database.kind == Kind::Postgres {
            "SELECT pg_sleep(0.25)::text"
        } else {
            "SELECT SLEEP(0.25)"
        };
        let is_over = AtomicBool::new(false);
        let reading = async {
            let read = join_all((0..12).map(|_| store.data.execute_unprepared(sql))).await;
            is_over.store(true, Ordering::Relaxed);
            let failed: Vec<_> = read.into_iter().filter_map(Result::err).collect();
            assert!(failed.is_empty(), "{failed:?}");
        };
        let others = async {
            let mut answered = 0;
            while !is_over.load(Ordering::Relaxed) {
                store.db.execute_unprepared("SELECT 1").await.expect("a connection is free");
                answered += 1;
            }
            answered
        };
        let ((), answered) = tokio::join!(reading, others);
        assert!(answered > 0, "nothing else was answered while 12 waited");
    })
    .await;
}

/// A caller who hangs up in the queue, or in the middle of the transaction, takes no turn along.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_nobody_waits_for_give_their_turns_back() {
    on_every_database(async |database| {
        let store = prepare(&database, &[("DB_POOL_MAX", "2")]).await;
        for _ in 0..20 {
            let begun = store.begin_in_turn(None).await.expect("its turn comes");
            let begun_too = Box::pin(store.begin_in_turn(None));
            let left = tokio::time::timeout(std::time::Duration::from_millis(5), begun_too).await;
            assert!(left.is_err(), "there is but one turn");
            begun.execute_unprepared("SELECT 1").await.expect("it is open");
            drop(begun);
        }
        let begun = store.begin_in_turn(None).await.expect("its turn comes");
        begun.commit().await.expect("it is open");
    })
    .await;
}
