//! What only a server of Redis can be in: emptied, full of memory, silent.

use serde_json::json;

use super::servers::{Kind, Servers, pairs};
use super::world::{counting, numbers, reaches, ready};
use crate::databases::{Kind as DatabaseKind, TestDatabase};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};
use crate::wait::until;

/// Sends a number to the workflow `k`, and says what was answered.
async fn send(instance: &Process, n: u64) -> u16 {
    let request = client().post(instance.trigger_url("k")).json(&json!({"n": n}));
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_emptied_is_read_again() {
    let Some(servers) = Servers::start(Kind::Redis, 1).await else { return };
    let Some(database) = TestDatabase::create(DatabaseKind::Postgres).await else { return };
    let rows = Rows { store: prepare(&database, &[]).await };
    let one = counting("k");
    rows.add(&one).await;
    let mut instance = Process::serve(&database, &pairs(&servers.settings())).await;
    ready(&instance.url).await;
    for (n, emptying) in [(1, "FLUSHALL"), (2, "DEL {sidehook}:events"), (3, "PING")] {
        until(async || send(&instance, n).await == 202, || instance.printed()).await;
        reaches(&rows, std::slice::from_ref(&one), usize::try_from(n).expect("a count")).await;
        servers.tell(&[emptying]).await;
    }
    assert_eq!(numbers(&rows, one.id).await, [1, 2, 3], "{}", instance.printed());
    rows.store.db.close().await.expect("the connection closes");
    instance.signal("TERM").await;
    assert!(instance.ended().await.success(), "{}", instance.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_settled_later_where_it_cannot_be_at_once() {
    let Some(servers) = Servers::start(Kind::Redis, 1).await else { return };
    let Some(database) = TestDatabase::create(DatabaseKind::Postgres).await else { return };
    let rows = Rows { store: prepare(&database, &[]).await };
    let one = counting("k");
    rows.add(&one).await;
    let mut instance = Process::serve(&database, &pairs(&servers.settings())).await;
    ready(&instance.url).await;
    let queue = servers.open(&database).await;
    servers.tell(&["ACL SETUSER default -xack"]).await;
    assert_eq!(send(&instance, 1).await, 202);
    reaches(&rows, std::slice::from_ref(&one), 1).await;
    until(async || instance.printed().contains("cannot be read"), || instance.printed()).await;
    assert_eq!(queue.depth().await.expect("an answer").events, 1);
    servers.tell(&["ACL SETUSER default +xack"]).await;
    let is_empty = async || queue.depth().await.is_ok_and(|depth| depth.events == 0);
    until(is_empty, || instance.printed()).await;
    assert_eq!(numbers(&rows, one.id).await, [1]);
    rows.store.db.close().await.expect("the connection closes");
    instance.signal("TERM").await;
    assert!(instance.ended().await.success(), "{}", instance.printed());
}
