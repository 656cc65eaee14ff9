//! What only a server of Redis can be in: emptied, full of memory, silent.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use sidehook::queue::{self, Event, Fault};
use sidehook::store::workflow::NewWorkflow;
use tokio::net::TcpListener;

use super::servers::{Kind, Servers, pairs};
use super::world::{counting, numbers, reaches, ready};
use crate::databases::{Kind as DatabaseKind, TestDatabase};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, config, prepare};
use crate::wait::until;

/// How many send at once.
const SENDERS: usize = 40;

/// A server of Redis and a database with the workflow `k`, which counts.
struct World {
    servers: Servers,
    database: TestDatabase,
    rows: Rows,
    one: NewWorkflow,
}

impl World {
    async fn start() -> Option<Self> {
        let servers = Servers::start(Kind::Redis, 1).await?;
        let database = TestDatabase::create(DatabaseKind::Postgres).await?;
        let rows = Rows { store: prepare(&database, &[]).await };
        let one = counting("k");
        rows.add(&one).await;
        Some(Self { servers, database, rows, one })
    }
}

/// A sidehook that takes events.
async fn serve(database: &TestDatabase, servers: &Servers) -> Process {
    let instance = Process::serve(database, &pairs(&servers.settings())).await;
    ready(&instance.url).await;
    instance
}

async fn stop(mut instance: Process, rows: Rows) {
    rows.store.db.close().await.expect("the connection closes");
    instance.signal("TERM").await;
    assert!(instance.ended().await.success(), "{}", instance.printed());
}

/// Sends a number to the workflow `k`, and says what was answered.
async fn send(instance: &Process, n: u64) -> u16 {
    let request = client().post(instance.trigger_url("k")).json(&json!({"n": n}));
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_emptied_is_read_again() {
    let Some(World { servers, database, rows, one }) = World::start().await else { return };
    let instance = serve(&database, &servers).await;
    for (n, emptying) in [(1, "FLUSHALL"), (2, "DEL {sidehook}:events"), (3, "PING")] {
        until(async || send(&instance, n).await == 202, || instance.printed()).await;
        reaches(&rows, std::slice::from_ref(&one), usize::try_from(n).expect("a count")).await;
        servers.tell(emptying).await;
    }
    assert_eq!(numbers(&rows, one.id).await, [1, 2, 3], "{}", instance.printed());
    stop(instance, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_is_refused_with_each_connection() {
    let Some(servers) = Servers::start(Kind::Redis, 1).await else { return };
    let database = TestDatabase::create(DatabaseKind::Sqlite).await.expect("SQLite can always be had");
    let queue = servers.open(&database).await;
    servers.tell("CONFIG SET appendonly no").await;
    servers.tell("CLIENT KILL TYPE normal SKIPME yes").await;
    let is_refused = async || {
        let refused = queue.depth().await.err();
        refused.is_some_and(|fault| fault.to_string().contains("set `appendonly yes` there"))
    };
    until(is_refused, || "it is used all the same".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_settled_later_where_it_cannot_be_at_once() {
    let Some(World { servers, database, rows, one }) = World::start().await else { return };
    let instance = serve(&database, &servers).await;
    let queue = servers.open(&database).await;
    servers.tell("ACL SETUSER default -xack").await;
    assert_eq!(send(&instance, 1).await, 202);
    reaches(&rows, std::slice::from_ref(&one), 1).await;
    until(async || instance.printed().contains("cannot be read"), || instance.printed()).await;
    assert_eq!(queue.depth().await.expect("an answer").events, 1);
    servers.tell("ACL SETUSER default +xack").await;
    let is_empty = async || queue.depth().await.is_ok_and(|depth| depth.events == 0);
    until(is_empty, || instance.printed()).await;
    assert_eq!(numbers(&rows, one.id).await, [1]);
    stop(instance, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_in_line_for_a_server_that_does_not_answer() {
    if !cfg!(feature = "redis") {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let accepting = tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok(one) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            accepted.push(one);
        }
    });
    let database = TestDatabase::create(DatabaseKind::Sqlite).await.expect("SQLite can always be had");
    let settings = config(&database, &[("SIDEHOOK_QUEUE_URL", &url)]).queue;
    let queue = queue::open(&settings, "main", &[]).await.expect("settings").expect("a queue");
    let store = async |n: usize| queue.store(&n.to_string(), "event".into()).await;
    for outcome in join_all((0..SENDERS).map(store)).await {
        assert!(matches!(outcome, Err(Fault::Unavailable(_))), "{outcome:?}");
    }
    // Each of them tries for ten seconds, and an attempt takes two.
    let attempts = attempts.load(Ordering::SeqCst);
    assert!(attempts <= 10, "{attempts} attempts for {SENDERS} events");
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_noticed_while_many_wait_for_it() {
    let Some(World { servers, database, rows, .. }) = World::start().await else { return };
    let instance = serve(&database, &servers).await;
    servers.tell("CLIENT PAUSE 20000").await;
    let sent = join_all((0..SENDERS as u64).map(async |n| send(&instance, n).await));
    let health = format!("{}/health/ready", instance.url);
    let is_noticed = until(
        async || client().get(&health).send().await.is_ok_and(|answer| answer.status() == 503),
        || "it takes the queue for one that answers".to_owned(),
    );
    let (sent, ()) = tokio::join!(sent, is_noticed);
    assert!(sent.iter().all(|status| [202, 503].contains(status)), "{sent:?}");
    ready(&instance.url).await;
    assert_eq!(send(&instance, 0).await, 202);
    stop(instance, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_memory_is_full_is_drained() {
    let Some(World { servers, database, rows, one }) = World::start().await else { return };
    // Nobody reads yet.
    let queue = servers.open(&database).await;
    for n in 0..10 {
        let event = Event::new("k", &format!("key-{n}"), 1_000, json!({"body": {"n": n}}).to_string());
        let payload = event.encode().expect("an event");
        queue.store(&n.to_string(), payload).await.expect("stored");
    }
    servers.tell("CONFIG SET maxmemory-policy noeviction").await;
    servers.tell("CONFIG SET maxmemory 1").await;
    let refused = queue.store("10", "event".into()).await;
    assert!(matches!(refused, Err(Fault::Full)), "{refused:?}");
    let instance = serve(&database, &servers).await;
    reaches(&rows, std::slice::from_ref(&one), 10).await;
    let is_empty = async || queue.depth().await.is_ok_and(|depth| depth.events == 0);
    until(is_empty, || instance.printed()).await;
    assert_eq!(send(&instance, 10).await, 503);
    servers.tell("CONFIG SET maxmemory 0").await;
    assert_eq!(send(&instance, 10).await, 202);
    reaches(&rows, std::slice::from_ref(&one), 11).await;
    assert_eq!(numbers(&rows, one.id).await, (0..11).collect::<Vec<u64>>());
    stop(instance, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_waits_for_replicas_as_well() {
    let Some(mut servers) = Servers::start(Kind::Redis, 1).await else { return };
    servers.replicate().await;
    let database = TestDatabase::create(DatabaseKind::Sqlite).await.expect("SQLite can always be had");
    let queue = servers.open(&database).await;
    let is_stored = async || queue.store("1", "event".into()).await.is_ok();
    until(is_stored, || "the replica never has it".to_owned()).await;
    servers.stall(1);
    for _ in 0..2 {
        // Another connection has written nothing yet.
        let queue = servers.open(&database).await;
        let stored = queue.store("2", "event".into()).await;
        assert!(matches!(stored, Err(Fault::Unavailable(_))), "the replica does not have it: {stored:?}");
    }
}
