//! A burst: it is acknowledged as fast as the queue takes it, and drained in order.

use std::time::Instant;

use futures_util::future::join_all;

use super::servers::{Kind, Servers, pairs};
use super::world::{Senders, check, counting, ready, recorded};
use crate::databases::{Kind as DatabaseKind, TestDatabase};
use crate::server::TestServer;

/// One sender each.
const WORKFLOWS: usize = 16;

/// How many events come, unless `SIDEHOOK_TEST_QUEUE_EVENTS` says otherwise.
fn events() -> usize {
    let set = std::env::var("SIDEHOOK_TEST_QUEUE_EVENTS").ok();
    set.map_or(2_000, |text| text.parse().expect("SIDEHOOK_TEST_QUEUE_EVENTS is a number"))
}

async fn drains(kind: Kind, count: usize) {
    let Some(servers) = Servers::start(kind, count).await else { return };
    let Some(database) = TestDatabase::create(DatabaseKind::Postgres).await else { return };
    let settings = servers.settings();
    let server = TestServer::start_with(&database, &pairs(&settings)).await;
    let workflows: Vec<_> = (0..WORKFLOWS).map(|place| counting(&format!("w{place}"))).collect();
    for one in &workflows {
        server.add(one).await;
    }
    ready(&server.url).await;
    let begun = Instant::now();
    let sent =
        Senders::start(std::slice::from_ref(&server.url), &workflows, 0, events() / WORKFLOWS).ended().await;
    let acknowledged = begun.elapsed();
    let meanwhile = recorded(&server, &workflows).await;
    assert!(sent.iter().all(|sent| sent.refused.is_empty()), "{sent:?}");
    assert_eq!(check(&server, &workflows, &sent).await, events() / WORKFLOWS * WORKFLOWS);
    println!(
        "{kind:?}, {count} servers: {} events acknowledged in {:.1} s, {meanwhile} recorded meanwhile, all after {:.1} s",
        events() / WORKFLOWS * WORKFLOWS,
        acknowledged.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_drained_in_order() {
    join_all([(Kind::Nats, 3), (Kind::Redis, 1)].map(|(kind, count)| drains(kind, count))).await;
}
