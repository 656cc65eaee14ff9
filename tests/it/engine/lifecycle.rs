//! Nothing that was acknowledged is lost, however sidehook ends, and an execution has one owner.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entity::Table;
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::json;
use sidehook::app::App;
use sidehook::store::workflow::NewWorkflow;
use tokio::runtime::Handle;

use crate::databases::{Kind, Server, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::{Process, run, run_serve};
use crate::raw;
use crate::rows::Rows;
use crate::server::{TestServer, client, config, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// So many requests are acknowledged before a process is ended.
const ACKNOWLEDGED: u64 = 150;
/// Rounds of the loop in the workflow that is interrupted.
const ROUNDS: usize = 20;

/// A workflow that takes a little while, so that some executions run and others wait when a process ends.
fn looping(key: &str, is_sync: bool) -> NewWorkflow {
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

/// Makes all 32 numbers look taken, by instances that have just given a sign of life.
async fn fill_instances(rows: &Rows, heartbeat_at: i64) {
    for number in 0..32 {
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
        fill_instances(&rows, ahead.timestamp_millis()).await;
        let refused =
            App::start(config(&database, &[]), &Handle::current()).await.err().expect("no number is free");
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
        fill_instances(&rows, 1).await;
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

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    prepare(&database, &[]).await;
    let first = Process::serve(&database, &[]).await;
    let address = first.url.trim_start_matches("http://");
    let output = run_serve(&database, &[("SIDEHOOK_LISTEN", address)]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("{address} cannot be listened on; choose another with --listen")),
        "{told}"
    );
    assert!(told.contains("in use"), "{told}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let output = run_serve(&database, &[("DB_PASSWORD", "hunter2")]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("the database cannot be opened; check the DB_ settings"), "{told}");
        let reason = told.to_ascii_lowercase();
        assert!(reason.contains("password") || reason.contains("access denied"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(!told.contains("does not answer yet"), "it waits for a database that will never let it in");
    })
    .await;
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_told_at_once() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let output = run_serve(&database, &[("DB_DATABASE", "no_such_database")]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("no_such_database"), "{told}");
        assert!(!told.contains("does not answer yet"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_database_without_nocobase_is_told() {
    on_every_database(async |database| {
        if let Some((_, file)) = database.env().into_iter().find(|(name, _)| name == "DB_STORAGE") {
            std::fs::File::create(file).expect("an empty file");
        }
        let output = run_serve(&database, &[]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("is this NocoBase's database?"), "{told}");
        let store = sidehook::app::open_store(&config(&database, &[])).await.expect("the database opens");
        let made = store.db.execute_unprepared("SELECT version FROM sidehook_migrations").await;
        assert!(made.is_err(), "tables were made in a database without NocoBase");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_does_not_exist_is_told_and_not_made() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let output = run_serve(&database, &[]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let (_, file) = database.env().into_iter().find(|(name, _)| name == "DB_STORAGE").expect("a file");
    assert!(told.contains(&format!("{file} does not exist; check --database or DB_STORAGE")), "{told}");
    assert!(!std::path::Path::new(&file).exists());
}

#[tokio::test]
async fn all_wrong_settings_are_told_together() {
    let settings = [("DB_DIALECT", "oracle"), ("SIDEHOOK_WORKERS", "none"), ("SIDEHOOK_GRACE", "soon")];
    let output = run(&["serve"], &settings).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for (name, _) in settings {
        assert!(told.contains(name), "{told}");
    }
}

/// Those that wait in the database are run by another instance while the first one is busy.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_executions_are_shared_between_instances() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let settings = [("SIDEHOOK_WORKERS", "1")];
        let first = TestServer::start_with(&database, &settings).await;
        let hook = looping("k", false);
        first.add(&hook).await;
        let send = async |n: usize| first.post("k", &json!({"n": n})).await.status().as_u16();
        let statuses = join_all((0..200).map(send)).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let second = TestServer::start_with(&database, &settings).await;
        let executions = second.settled(hook.id, 200, TIMEOUT).await;
        assert_eq!(executions.len(), 200);
        let open: Vec<_> = executions.iter().filter(|execution| execution["status"] != 1).collect();
        assert!(open.is_empty(), "{open:?}");
        assert_eq!(second.count(Table::Jobs).await, 200 * (ROUNDS as i64 + 2));
        first.stop().await;
        second.stop().await;
    })
    .await;
}
