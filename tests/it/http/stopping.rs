//! The end: new requests go elsewhere first, those under way end, and nobody holds it up.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use super::{TIMEOUT, answering, connect};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};

/// A process with a workflow that answers at once and one whose callers wait for long.
async fn process(settings: &[(&str, &str)]) -> (TestDatabase, Process) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    rows.add(&answering("open", json!("ok"))).await;
    let endless = node("endless", "script", json!({"content": "while (true) {}", "arguments": []}));
    rows.add(&workflow("slow", true, &json!({}), &[endless])).await;
    let process = Process::serve(&database, settings).await;
    (database, process)
}

async fn until_printed(process: &Process, text: &str) {
    let started = Instant::now();
    while !process.printed().contains(text) {
        assert!(started.elapsed() < TIMEOUT, "{text} is not printed:\n{}", process.printed());
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_taken_while_readiness_sends_them_elsewhere() {
    let (_database, mut process) = process(&[("SIDEHOOK_DRAIN", "3s")]).await;
    let ready = format!("{}/health/ready", process.url);
    let client = client();
    assert_eq!(client.get(&ready).send().await.expect("an answer").status(), 200);
    process.signal("TERM").await;
    until_printed(&process, "readiness sends new requests elsewhere").await;
    let leaving = client.get(&ready).send().await.expect("it listens");
    assert_eq!(leaving.status(), 503);
    assert_eq!(leaving.text().await.expect("a text"), "sidehook is about to stop");
    let taken = client.post(process.trigger_url("open")).json(&json!({})).send().await.expect("it listens");
    assert_eq!((taken.status().as_u16(), taken.headers()["connection"].as_bytes()), (200, &b"close"[..]));
    assert!(process.ended().await.success(), "{}", process.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_do_not_hold_the_end_up() {
    // Longer than a process may take to end.
    let (_database, mut process) = process(&[("SIDEHOOK_GRACE", "10m")]).await;
    let mut held = Vec::new();
    for start in [
        "",
        "POST /api",
        "POST /api/webhooks/open HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{",
        "POST /api/webhooks/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n{",
    ] {
        let mut stream = connect(&process.url).await;
        stream.write_all(start.as_bytes()).await.expect("sent");
        held.push(stream);
    }
    process.signal("TERM").await;
    assert!(process.ended().await.success(), "{}", process.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_it_at_once() {
    let (_database, mut process) =
        process(&[("SIDEHOOK_GRACE", "10m"), ("SIDEHOOK_SCRIPT_TIMEOUT", "10m")]).await;
    let url = process.trigger_url("slow");
    let caller = tokio::spawn(client().post(url).json(&json!({})).send());
    sleep(Duration::from_millis(300)).await;
    process.signal("TERM").await;
    until_printed(&process, "no new requests are taken").await;
    process.signal("TERM").await;
    let status = process.ended().await;
    assert_eq!(status.code(), Some(143), "{}", process.printed());
    drop(caller.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_that_mean_nothing_here_do_not_end_it() {
    let (_database, mut process) = process(&[]).await;
    for signal in ["HUP", "USR1", "USR2"] {
        process.signal(signal).await;
        until_printed(&process, &format!("SIG{signal}")).await;
    }
    let taken = client().post(process.trigger_url("open")).json(&json!({})).send().await;
    assert_eq!(taken.expect("it serves").status(), 200);
    process.signal("INT").await;
    assert!(process.ended().await.success(), "{}", process.printed());
}
