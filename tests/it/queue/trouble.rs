//! What senders and events notice of servers that are away, full or killed.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::servers::{Kind, Servers, pairs};
use super::world::{Senders, Sent, check, counting, numbers, on_every_queue, reaches, ready};
use crate::databases::{Kind as DatabaseKind, Server, TestDatabase};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, config, prepare};
use crate::wait::until;

/// How long the database is away, in seconds.
fn away() -> Duration {
    let set = std::env::var("SIDEHOOK_TEST_QUEUE_AWAY").ok();
    Duration::from_secs(set.map_or(8, |text| text.parse().expect("SIDEHOOK_TEST_QUEUE_AWAY is a number")))
}

/// The rows of a database, once it answers.
async fn rows(database: &TestDatabase) -> Rows {
    Rows { store: sidehook::app::open_store(&config(database, &[])).await.expect("the database opens") }
}

async fn passes_an_outage(kind: Kind) {
    let Some(servers) = Servers::start(kind, 1).await else { return };
    let Some(mut server) = Server::start(DatabaseKind::Postgres, false).await else { return };
    let database = server.create_database().await.expect("a database");
    let store = prepare(&database, &[]).await;
    let workflows = ["a", "b", "c", "d"].map(counting);
    let before = Rows { store };
    for one in &workflows {
        before.add(one).await;
    }
    before.store.db.close().await.expect("the connection closes");
    let mut instance = Process::serve(&database, &pairs(&servers.settings())).await;
    ready(&instance.url).await;
    let senders = Senders::start(std::slice::from_ref(&instance.url), &workflows, 0, usize::MAX);
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.stop().await.expect("the database stops");
    tokio::time::sleep(away()).await;
    let is_ready = client().get(format!("{}/health/ready", instance.url)).send().await.expect("an answer");
    assert_eq!(is_ready.status(), 200, "it takes events without the database");
    server.start_again().await.expect("the database starts");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sent = senders.stop().await;
    for sent in &sent {
        assert!(
            sent.refused.is_empty(),
            "{kind:?}: a sender noticed: {:?}\n{}",
            sent.refused,
            instance.printed()
        );
    }
    let rows = rows(&database).await;
    let executions = check(&rows, &workflows, &sent).await;
    println!("{kind:?}: {executions} events, the database was away for {} s", away().as_secs());
    rows.store.db.close().await.expect("the connection closes");
    instance.signal("TERM").await;
    assert!(instance.ended().await.success(), "{}", instance.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sender_notices_that_the_database_is_away() {
    join_all(Kind::ALL.map(passes_an_outage)).await;
}

async fn refuses_what_does_not_fit(kind: Kind) {
    let Some(servers) = Servers::start(kind, 1).await else { return };
    let Some(mut server) = Server::start(DatabaseKind::Postgres, false).await else { return };
    let database = server.create_database().await.expect("a database");
    let before = Rows { store: prepare(&database, &[]).await };
    let one = counting("k");
    before.add(&one).await;
    before.store.db.close().await.expect("the connection closes");
    let mut settings = servers.settings();
    settings.push(("SIDEHOOK_QUEUE_MAX_BYTES".to_owned(), "64kb".to_owned()));
    let mut instance = Process::serve(&database, &pairs(&settings)).await;
    ready(&instance.url).await;
    server.stop().await.expect("the database stops");
    let (client, url) = (client(), format!("{}/api/webhooks/k", instance.url));
    let mut taken = 0_usize;
    let refused = loop {
        let body = json!({"n": taken, "filling": "x".repeat(2_000)});
        let answer = client.post(&url).json(&body).send().await.expect("an answer");
        if answer.status() != 202 {
            break answer;
        }
        taken += 1;
        assert!(taken < 10_000, "it never becomes full");
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    server.start_again().await.expect("the database starts");
    let rows = rows(&database).await;
    reaches(&rows, std::slice::from_ref(&one), taken).await;
    assert_eq!(numbers(&rows, one.id).await.len(), taken, "what was refused is not there");
    until(
        async || {
            client.post(&url).json(&json!({"n": 1})).send().await.is_ok_and(|answer| answer.status() == 202)
        },
        || "it stays full".to_owned(),
    )
    .await;
    rows.store.db.close().await.expect("the connection closes");
    instance.signal("TERM").await;
    assert!(instance.ended().await.success(), "{}", instance.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_forgets_nothing() {
    join_all(Kind::ALL.map(refuses_what_does_not_fit)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_without_the_queue() {
    on_every_queue(async |mut servers, database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let one = counting("k");
        rows.add(&one).await;
        let mut instance = Process::serve(&database, &pairs(&servers.settings())).await;
        ready(&instance.url).await;
        let send = async |n: u64| {
            let request = client().post(instance.trigger_url("k")).json(&json!({"n": n}));
            request.send().await.expect("an answer")
        };
        assert_eq!(send(1).await.status(), 202);
        servers.kill(0).await;
        let refused = send(2).await;
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        servers.start_again(0).await;
        until(async || send(3).await.status() == 202, || "it takes no events again".to_owned()).await;
        reaches(&rows, std::slice::from_ref(&one), 2).await;
        let mut there = numbers(&rows, one.id).await;
        // The answer to an attempt may have got lost.
        there.dedup();
        assert_eq!(there, [1, 3]);
        rows.store.db.close().await.expect("the connection closes");
        instance.signal("TERM").await;
        assert!(instance.ended().await.success(), "{}", instance.printed());
    })
    .await;
}

/// Each server of the queue, each sidehook and the database are killed in turn.
async fn survives(kind: Kind, count: usize) {
    let Some(mut servers) = Servers::start(kind, count).await else { return };
    let Some(mut server) = Server::start(DatabaseKind::Postgres, false).await else { return };
    let database = server.create_database().await.expect("a database");
    let before = Rows { store: prepare(&database, &[]).await };
    let workflows = ["a", "b", "c", "d"].map(counting);
    for one in &workflows {
        before.add(one).await;
    }
    before.store.db.close().await.expect("the connection closes");
    let settings = servers.settings();
    let mut instances = Vec::new();
    for _ in 0..2 {
        instances.push(Process::serve(&database, &pairs(&settings)).await);
    }
    let mut sent: Vec<Sent> = Vec::new();
    for round in 0..count + 3 {
        for instance in &instances {
            ready(&instance.url).await;
        }
        let urls: Vec<String> = instances.iter().map(|instance| instance.url.clone()).collect();
        let senders = Senders::start(&urls, &workflows, round as u64 * 1_000_000, usize::MAX);
        tokio::time::sleep(Duration::from_millis(500)).await;
        match round {
            place if place < count => {
                servers.kill(place).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                servers.start_again(place).await;
            }
            place if place < count + 2 => {
                let place = place - count;
                instances[place].signal("KILL").await;
                instances[place].ended().await;
                instances[place] = Process::serve(&database, &pairs(&settings)).await;
            }
            _ => {
                server.stop().await.expect("the database stops");
                server.start_again().await.expect("the database starts");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        add(&mut sent, senders.stop().await);
    }
    let rows = rows(&database).await;
    let executions = check(&rows, &workflows, &sent).await;
    let acknowledged: usize = sent.iter().map(|sent| sent.acknowledged.len()).sum();
    let refused: usize = sent.iter().map(|sent| sent.refused.len()).sum();
    println!(
        "{kind:?}, {count} servers: {acknowledged} acknowledged, {refused} refused, {executions} executions"
    );
    rows.store.db.close().await.expect("the connection closes");
    for mut instance in instances {
        instance.signal("TERM").await;
        assert!(instance.ended().await.success(), "{}", instance.printed());
    }
}

/// What was sent so far, with what a round has sent.
fn add(sent: &mut Vec<Sent>, round: Vec<Sent>) {
    for of_round in round {
        match sent.iter_mut().find(|sent| sent.key == of_round.key) {
            Some(sent) => sent.add(of_round),
            None => sent.push(of_round),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_each_server_is_killed_in_turn() {
    tokio::join!(survives(Kind::Nats, 3), survives(Kind::Redis, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_its_streams_says_what_to_do() {
    let Some(servers) = Servers::start(Kind::Nats, 1).await else { return };
    let database = TestDatabase::create(DatabaseKind::Sqlite).await.expect("SQLite can always be had");
    let mut settings = servers.settings();
    // Twice that is more than the server has.
    settings.push(("SIDEHOOK_QUEUE_MAX_BYTES".to_owned(), "5gb".to_owned()));
    let queue = sidehook::queue::open(&config(&database, &pairs(&settings)).queue, "main", &[]).await;
    let refused = queue.expect("settings").expect("a queue").set_up().await.expect_err("no room");
    assert!(refused.to_string().contains("raise its max_file or lower the setting"), "{refused}");
}
