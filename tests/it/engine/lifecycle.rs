//! What survives the end of a process and of a database, and who goes on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entity::Table;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::json;
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, Server, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::raw;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// So many requests are acknowledged before a process is ended.
const ACKNOWLEDGED: u64 = 150;

/// Rounds of the loop in the workflow that is interrupted.
pub const ROUNDS: usize = 20;

/// A workflow that takes a little while, so that some executions run and others wait when a process ends.
pub fn looping(key: &str, is_sync: bool) -> NewWorkflow {
    let round = vec![node("round", "variable", json!({"value": "{{$scopes.loop.index}}"}))];
    let nodes = [
        node("loop", "loop", json!({"target": ROUNDS})).branch(0, round),
        node("last", "variable", json!({"value": "{{$context.body.n}}"})),
    ];
    workflow(key, is_sync, &json!({"request": {"body": [{"key": "n"}]}}), &nodes)
}

/// Requests with numbers of their own, sent until the server is gone. Returns the numbers that were acknowledged.
async fn send_until_gone(
    process_url: String,
    next: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
) -> Vec<u64> {
    let client = client();
    let mut numbers = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::SeqCst);
        let key = if n.is_multiple_of(8) { "sync" } else { "async" };
        let request = client.post(format!("{process_url}/api/webhooks/{key}")).json(&json!({"n": n}));
        let Ok(response) = request.send().await else { return numbers };
        if response.status().is_success() {
            numbers.push(n);
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Puts a process under load, ends it by a signal, starts another one and checks what has become of the executions.
async fn survives(database: &TestDatabase, signal: &str) {
    let rows = Rows { store: prepare(database, &[]).await };
    let hooks = [looping("sync", true), looping("async", false)];
    for hook in &hooks {
        rows.add(hook).await;
    }
    let settings = [("SIDEHOOK_WORKERS", "2")];
    let mut process = Process::serve(database, &settings).await;
    let (next, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..16)
        .map(|_| tokio::spawn(send_until_gone(process.url.clone(), next.clone(), acknowledged.clone())))
        .collect();
    while acknowledged.load(Ordering::SeqCst) < ACKNOWLEDGED {
        assert!(!senders.iter().all(tokio::task::JoinHandle::is_finished), "{}", process.printed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    process.signal(signal).await;
    let status = process.ended().await;
    assert_eq!(status.success(), signal == "TERM", "{status}:\n{}", process.printed());
    let mut sent: BTreeSet<u64> = BTreeSet::new();
    for numbers in join_all(senders).await {
        sent.extend(numbers.expect("a sender does not panic"));
    }
    let recorded = numbers(&rows, &hooks).await;
    let lost: Vec<&u64> = sent.iter().filter(|n| !recorded.contains_key(n)).collect();
    assert!(lost.is_empty(), "{lost:?} were acknowledged and not recorded");

    let next = Process::serve(database, &settings).await;
    until(
        async || is_all_over(&rows).await,
        || format!("executions or leases are left:\n{}", next.printed()),
    )
    .await;
    for (n, statuses) in numbers(&rows, &hooks).await {
        assert_eq!(statuses, [1], "execution of request {n}");
    }
    let executions = rows.count(Table::Executions).await;
    assert_eq!(rows.count(Table::Jobs).await, executions * (ROUNDS as i64 + 2));
    let uneven = format!(
        "SELECT COUNT(*) FROM (SELECT {0} FROM {1} GROUP BY {0} HAVING COUNT(*) <> {2}) AS uneven",
        rows.quoted("executionId"),
        rows.table(Table::Jobs),
        ROUNDS + 2,
    );
    assert_eq!(rows.number(&uneven).await, 0, "executions have too few jobs, or some twice");
    let counted = format!(
        "SELECT CAST(SUM({}) AS {}) FROM {}",
        rows.quoted("executed"),
        match database.kind {
            Kind::Mysql => "signed",
            _ => "bigint",
        },
        rows.table(Table::WorkflowStats)
    );
    assert_eq!(rows.number(&counted).await, executions);
}

/// The statuses of all executions by the number of their request.
async fn numbers(rows: &Rows, hooks: &[NewWorkflow]) -> BTreeMap<u64, Vec<i64>> {
    let mut found: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for hook in hooks {
        for execution in rows.executions(hook.id).await {
            let n = execution["context"]["body"]["n"].as_u64().expect("a number");
            found.entry(n).or_default().push(execution["status"].as_i64().unwrap_or(99));
        }
    }
    found
}

async fn is_all_over(rows: &Rows) -> bool {
    let status = rows.quoted("status");
    let open = format!(
        "SELECT COUNT(*) FROM {} WHERE {status} IS NULL OR {status} = 0",
        rows.table(Table::Executions)
    );
    rows.number(&open).await == 0 && rows.count(Table::Leases).await == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_executions_survive_an_orderly_end() {
    on_every_database(async |database| survives(&database, "TERM").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_executions_survive_a_kill() {
    on_every_database(async |database| survives(&database, "KILL").await).await;
}

/// The database goes away under load and comes back; sidehook is not started again.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_executions_survive_an_outage_of_the_database() {
    let survives = async |kind: Kind| {
        let Some(mut place) = Server::start(kind, false).await else { return };
        let database = place.create_database().await.expect("a database");
        let server = TestServer::start_with(&database, &[("SIDEHOOK_WORKERS", "2")]).await;
        let hooks = [looping("sync", true), looping("async", false)];
        for hook in &hooks {
            server.add(hook).await;
        }
        let (next, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..8)
            .map(|_| {
                let (url, next, acknowledged, stop) =
                    (server.url.clone(), next.clone(), acknowledged.clone(), stop.clone());
                tokio::spawn(send_until_stopped(url, next, acknowledged, stop))
            })
            .collect();
        let reaches = async |count: u64| {
            until(
                async || acknowledged.load(Ordering::SeqCst) >= count,
                || format!("no requests are acknowledged on {kind}"),
            )
            .await;
        };
        reaches(ACKNOWLEDGED).await;
        place.stop().await.expect("the server stops");
        place.start_again().await.expect("the server starts");
        reaches(acknowledged.load(Ordering::SeqCst) + ACKNOWLEDGED).await;
        stop.store(true, Ordering::SeqCst);
        let mut sent: BTreeSet<u64> = BTreeSet::new();
        for numbers in join_all(senders).await {
            sent.extend(numbers.expect("a sender does not panic"));
        }
        until(async || is_all_over(&server).await, || format!("executions or leases are left on {kind}"))
            .await;
        let recorded = numbers(&server, &hooks).await;
        let lost: Vec<&u64> = sent.iter().filter(|n| recorded.get(n) != Some(&vec![1])).collect();
        assert!(lost.is_empty(), "{lost:?} were acknowledged on {kind} and are not there or have failed");
        let odd: Vec<_> = recorded.iter().filter(|(_, statuses)| **statuses != [1]).collect();
        assert!(odd.is_empty(), "{odd:?} on {kind}");
        server.stop().await;
    };
    tokio::join!(survives(Kind::Postgres), survives(Kind::Mysql));
}

/// Requests with numbers of their own; those that are refused are not sent again.
async fn send_until_stopped(
    url: String,
    next: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Vec<u64> {
    let client = client();
    let mut numbers = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let n = next.fetch_add(1, Ordering::SeqCst);
        let key = if n.is_multiple_of(2) { "sync" } else { "async" };
        let request = client.post(format!("{url}/api/webhooks/{key}")).json(&json!({"n": n}));
        let status = request.send().await.expect("an answer").status();
        if status.is_success() {
            numbers.push(n);
            acknowledged.fetch_add(1, Ordering::SeqCst);
        } else {
            assert_eq!(status, 503);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    numbers
}

#[tokio::test]
async fn an_asynchronous_execution_is_recorded_before_the_reply() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_WORKERS", "1")]).await;
        let hook = looping("k", false);
        server.add(&hook).await;
        // With one worker some are taken at once and others have to wait.
        for n in 1..=20 {
            assert_eq!(server.post("k", &json!({"n": n})).await.status(), 200);
            let executions = server.executions(hook.id).await;
            assert_eq!(executions.len(), n);
            assert!(executions.iter().all(|execution| execution["dispatched"] == true));
        }
        let executions = server.settled(hook.id, 20, TIMEOUT).await;
        assert!(executions.iter().all(|execution| execution["status"] == 1), "{executions:?}");
        server.stop().await;
    })
    .await;
}

/// Each execution that is recorded ends, although its caller hung up while it was being recorded.
#[tokio::test(flavor = "multi_thread")]
async fn callers_who_hang_up_stop_nothing() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hooks = [looping("sync", true), looping("async", false)];
        for hook in &hooks {
            server.add(hook).await;
        }
        let hang_up = async |n: u64| {
            let line =
                format!("POST /api/webhooks/{} HTTP/1.1", if n.is_multiple_of(2) { "sync" } else { "async" });
            let body = json!({"n": n}).to_string();
            let length = format!("content-length: {}", body.len());
            let head = [line.as_bytes(), b"content-type: application/json", length.as_bytes()];
            raw::send_and_hang_up(&server.url, &head, body.as_bytes(), Duration::from_millis(200)).await;
        };
        // The first round only makes sure that there are workers who wait for something to do.
        for round in 0..2 {
            let lock = server.store.db.begin().await.expect("a transaction");
            let sql = format!("UPDATE {} SET token = token", server.table(Table::Instances));
            lock.execute_unprepared(&sql).await.expect("the lock of whoever writes");
            join_all((0..8).map(|n| hang_up(10 * round + n))).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            lock.commit().await.expect("nothing has changed");
            // What was recorded before this is answered, and what is still to be recorded needs no longer.
            for n in [8, 9] {
                let key = if n % 2 == 0 { "sync" } else { "async" };
                assert_eq!(server.post(key, &json!({"n": 10 * round + n})).await.status(), 200);
            }
            until(async || is_all_over(&server).await, || format!("executions are left in round {round}"))
                .await;
            let statuses = numbers(&server, &hooks).await;
            let open: Vec<_> = statuses.iter().filter(|(_, statuses)| **statuses != [1]).collect();
            assert!(open.is_empty(), "{open:?} of {} executions", statuses.len());
        }
        assert_eq!(server.count(Table::Leases).await, 0);
        server.stop().await;
    })
    .await;
}
