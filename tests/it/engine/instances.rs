//! Numbers of instances: given once, given back, taken over; and work that instances share.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use entity::Table;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use sidehook::app::App;
use sidehook::clock::{Clock, SystemClock};
use sidehook::store::claim::Wanted;
use tokio::runtime::Handle;

use super::lifecycle::{ROUNDS, looping};
use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::process::{Process, run_serve};
use crate::rows::Rows;
use crate::server::{TestServer, client, config, on_databases, on_every_database, prepare};
use crate::store::waiting::wait;
use crate::wait::{TIMEOUT, until};

/// So many wait for two instances: as many as both together take ahead of a worker each, of which nobody knows yet how long
/// it is busy with one.
const FEW: usize = 100;
/// And so many that both take several times.
const MANY: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_have_different_numbers_and_ids() {
    on_every_database(async |database| {
        prepare(&database, &[]).await.db.close().await.expect("the connection closes");
        let (first, second) = tokio::join!(TestServer::start(&database), TestServer::start(&database));
        let number = |server: &TestServer| server.app.engine.owner().number;
        let mut both = [number(&first), number(&second)];
        both.sort_unstable();
        assert_eq!(both, [0, 1]);
        let hook = looping("k", false);
        first.add(&hook).await;
        let servers = [&first, &second];
        let send = async |n: usize| servers[n % 2].post("k", &json!({"n": n})).await.status().as_u16();
        let statuses = join_all((0..100).map(send)).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let executions = first.settled(hook.id, 100, TIMEOUT).await;
        assert_eq!(executions.len(), 100);
        assert!(executions.iter().all(|execution| execution["status"] == 1));
        let workers: HashSet<i64> =
            executions.iter().filter_map(|execution| Some((execution["id"].as_i64()? >> 16) & 31)).collect();
        assert_eq!(workers, HashSet::from([0, 1]));
        assert_eq!(first.count(Table::Jobs).await, 100 * (ROUNDS as i64 + 2));
        first.stop().await;
        second.stop().await;
    })
    .await;
}

/// Sixteen at once, so that they race for the same numbers.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_do_not_share_a_number() {
    on_every_database(async |database| {
        let store = prepare(&database, &[]).await;
        let tokens: Vec<String> = (0..16).map(|i| format!("token {i}")).collect();
        let taken = join_all(tokens.iter().map(|token| store.register_instance(token))).await;
        let mut numbers: Vec<i32> =
            taken.into_iter().map(|taken| taken.expect("a number is free").owner.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn the_number_of_an_instance_that_has_stopped_is_taken_again() {
    on_every_database(async |database| {
        for generation in 1..=3 {
            let server = TestServer::start(&database).await;
            let owner = server.app.engine.owner();
            assert_eq!((owner.number, owner.generation), (0, generation));
            server.stop().await;
        }
    })
    .await;
}

/// Makes numbers look taken, by instances that have given a sign of life at that time.
pub async fn fill_instances(rows: &Rows, numbers: Range<i32>, heartbeat_at: i64) {
    for number in numbers {
        let values = format!("({number}, 1, 'token {number}', {heartbeat_at}, 0)");
        let table = rows.table(Table::Instances);
        rows.execute(&format!("INSERT INTO {table} VALUES {values}")).await;
    }
}

#[tokio::test]
async fn the_33rd_instance_refuses_to_start() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        // An hour ahead, so that they don't go out of date while the test waits.
        let soon = chrono::TimeDelta::hours(1);
        let ahead = sidehook::clock::Clock::now(&sidehook::clock::SystemClock) + soon;
        fill_instances(&rows, 0..32, ahead.timestamp_millis()).await;
        let refused = Box::pin(App::start(config(&database, &[]), &Handle::current())).await;
        let refused = refused.err().expect("no number is free");
        let text = format!("{refused:#}");
        assert!(text.contains("all 32 instance numbers are in use"), "{text}");
        if database.kind == Kind::Sqlite {
            let output = run_serve(&database, &[]).await;
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(told.contains("sidehook: all 32 instance numbers are in use"), "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn numbers_of_instances_that_are_gone_are_free() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        fill_instances(&rows, 0..32, 1).await;
        TestServer::start(&database).await.stop().await;
    })
    .await;
}

/// What an instance that was stopped for too long must notice: it neither writes nor serves any more.
#[tokio::test]
async fn an_instance_whose_number_was_taken_ends() {
    on_every_database(async |database| {
        let prepared = Rows { store: prepare(&database, &[]).await };
        prepared.add(&looping("k", true)).await;
        let mut process = Process::serve(&database, &[]).await;
        let table = prepared.table(Table::Instances);
        prepared.execute(&format!("UPDATE {table} SET generation = generation + 1")).await;
        process.ended().await;
        let printed = process.printed();
        assert!(printed.contains("another sidehook has taken instance number 0 over"), "{printed}");
        // It must not give back what is not its own any more.
        let taken = format!("SELECT COUNT(*) FROM {table} WHERE generation = 2 AND heartbeat_at > 0");
        assert_eq!(prepared.number(&taken).await, 1);
    })
    .await;
}

/// Otherwise another one would take its executions over while they still run.
#[tokio::test]
async fn an_instance_that_waits_for_its_executions_gives_signs_of_life() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let round = vec![node("round", "variable", json!({"value": 1}))];
        let inner = node("inner", "loop", json!({"target": 90_000})).branch(0, round);
        let endless = node("loop", "loop", json!({"target": 90_000})).branch(0, vec![inner]);
        let hook = workflow("k", false, &json!({}), &[endless]);
        rows.add(&hook).await;
        let mut process = Process::serve(&database, &[]).await;
        let status = client().post(process.trigger_url("k")).send().await.expect("an answer").status();
        assert_eq!(status, 200);
        process.signal("TERM").await;
        let (instances, leases) = (rows.table(Table::Instances), rows.table(Table::Leases));
        let heartbeat = format!("SELECT heartbeat_at FROM {instances} WHERE id = 0");
        until(
            async || process.printed().contains("no new requests are taken"),
            || "it does not notice the signal".to_owned(),
        )
        .await;
        let mut beats = BTreeSet::new();
        let beats_on = async || {
            beats.insert(rows.number(&heartbeat).await);
            beats.len() >= 4
        };
        until(beats_on, || "the heartbeat has stopped".to_owned()).await;
        assert!(!beats.contains(&0), "it has ended too early");
        let owned = format!("SELECT COUNT(*) FROM {leases} WHERE instance_id = 0");
        assert_eq!(rows.number(&owned).await, 1);
        let (executions, status) = (rows.table(Table::Executions), rows.quoted("status"));
        rows.execute(&format!("UPDATE {executions} SET {status} = -3")).await;
        assert!(process.ended().await.success());
        assert_eq!(rows.executions(hook.id).await[0]["status"], -3);
        assert_eq!((rows.count(Table::Leases).await, rows.number(&heartbeat).await), (0, 0));
    })
    .await;
}

/// What one takes ahead of its workers leaves the others their part. All wait for a row until that is seen: otherwise one may
/// be through with all of them before the other looks. SQLite has one writer at a time, and who gets to write is luck.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_executions_are_shared_between_instances() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let settings = [("SIDEHOOK_WORKERS", "1")];
        let start = || TestServer::start_with(&database, &settings);
        let (first, second) = tokio::join!(start(), start());
        let pass = "SELECT n FROM gate FOR UPDATE";
        first.execute("CREATE TABLE gate (n int PRIMARY KEY)").await;
        first.execute("INSERT INTO gate VALUES (1)").await;
        let hook = workflow("k", false, &json!({}), &[node("pass", "sql", json!({"sql": pass}))]);
        first.add(&hook).await;
        let gate = first.store.db.begin().await.expect("a transaction");
        gate.execute_unprepared(pass).await.expect("locked");
        let from = first.store.register_instance("a third one").await.expect("a number").owner;
        wait(&first, from, hook.id, FEW).await;
        let leases = first.table(Table::Leases);
        let of = |n: i64| format!("SELECT COUNT(*) FROM {leases} WHERE instance_id = {n}");
        let is_fair = async || {
            let held = [first.number(&of(0)).await, first.number(&of(1)).await];
            held.iter().all(|held| *held >= FEW as i64 / 4)
        };
        until(is_fair, || "one of them has less than half of its part".to_owned()).await;
        gate.rollback().await.expect("let go");
        let executions = second.settled(hook.id, FEW, TIMEOUT).await;
        assert!(executions.iter().all(|execution| execution["status"] == 1), "{executions:?}");
        first.stop().await;
        second.stop().await;
    })
    .await;
}

/// Between taking executions and starting them an instance may be killed.
#[tokio::test]
async fn what_was_taken_and_not_begun_with_is_run_by_whoever_takes_it_over() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = workflow("k", false, &json!({}), &[node("v", "variable", json!({"value": 1}))]);
        rows.add(&hook).await;
        let killed = rows.store.register_instance("killed").await.expect("a number").owner;
        let ids = wait(&rows, killed, hook.id, 3).await;
        let wanted = Wanted { workflow_id: hook.id, after: None, limit: 5 };
        let mut claimed = Vec::new();
        let claiming = rows.store.claim_next(killed, wanted, SystemClock.now(), &mut claimed);
        claiming.await.expect("claimed");
        assert_eq!(claimed, ids);
        rows.execute(&format!("UPDATE {} SET heartbeat_at = 1", rows.table(Table::Instances))).await;
        let server = TestServer::start(&database).await;
        let executions = server.settled(hook.id, 3, TIMEOUT).await;
        let is_run = |execution: &Value| execution["status"] == 1 && execution["started"] == true;
        assert!(executions.iter().all(is_run), "{executions:?}");
        assert_eq!((server.count(Table::Jobs).await, server.count(Table::Leases).await), (3, 0));
        server.stop().await;
    })
    .await;
}

/// Instances that take from the same executions run each of them once.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_executions_are_run_by_one_instance_each() {
    on_every_database(async |database| {
        let settings = [("SIDEHOOK_WORKERS", "1")];
        let start = || TestServer::start_with(&database, &settings);
        let (first, second) = tokio::join!(start(), start());
        let step = |key: &str| node(key, "variable", json!({"value": "{{$context.body.n}}"}));
        let hook = workflow("k", false, &json!({}), &[step("one"), step("other")]);
        first.add(&hook).await;
        let from = first.store.register_instance("a third one").await.expect("a number").owner;
        wait(&first, from, hook.id, MANY).await;
        let executions = second.settled(hook.id, MANY, TIMEOUT).await;
        assert_eq!(executions.len(), MANY);
        let open: Vec<_> = executions.iter().filter(|execution| execution["status"] != 1).collect();
        assert!(open.is_empty(), "{open:?}");
        assert_eq!(second.count(Table::Jobs).await, 2 * MANY as i64, "some have run twice");
        first.stop().await;
        second.stop().await;
    })
    .await;
}
