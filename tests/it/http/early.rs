//! Answers that are known before a request has arrived whole, and senders who send on.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::sleep;

use super::{answering, ask, connect, read_all, read_head};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::workflow;
use crate::server::TestServer;

/// How often each is tried.
const TRIES: usize = 20;

async fn server() -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    server.add(&answering("open", json!("ok"))).await;
    let locked = json!({"basicAuthentication": {"username": "a", "password": "b"}});
    let closed = json!({"sidehook": {"ipAllowlist": ["192.0.2.1"]}});
    let limited = json!({"sidehook": {"rateLimit": {"requests": 1, "per": "1d"}}});
    for (key, trigger) in [("locked", locked), ("closed", closed), ("limited", limited)] {
        server.add(&workflow(key, true, &trigger, &[])).await;
    }
    assert_eq!(server.post("closed", &json!({})).await.status(), 403);
    assert_eq!(server.post("limited", &json!({})).await.status(), 200, "the only one for a day");
    (database, server)
}

/// Sends a body of 300 KB in pieces, one every few milliseconds, and reads the answer only then.
async fn upload_slowly(url: &str, path: &str) -> String {
    let mut stream = connect(url).await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the head is sent");
    for _ in 0..20 {
        sleep(Duration::from_millis(10)).await;
        stream.write_all(&[b' '; 15_000]).await.expect("the server goes on reading");
    }
    read_all(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_gets_its_status() {
    let (_database, server) = server().await;
    for (key, status) in [("nobody", "404"), ("closed", "403"), ("limited", "429"), ("locked", "401")] {
        let path = format!("/api/webhook:trigger/{key}");
        let answers = join_all((0..TRIES).map(|_| upload_slowly(&server.url, &path))).await;
        for answer in answers {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_of_fetch_gets_its_status() {
    let (_database, server) = server().await;
    let script = "
        const [url, tries] = process.argv.slice(1);
        const statuses = {};
        for (const [key, size] of [['open', 11e6], ['nobody', 5e6], ['closed', 5e6], ['limited', 5e6], ['locked', 5e6]]) {
            for (let i = 0; i < Number(tries); i += 1) {
                const body = JSON.stringify({ text: 'y'.repeat(size) });
                const headers = { 'content-type': 'application/json' };
                const answer = await fetch(`${url}/api/webhook:trigger/${key}`, { method: 'POST', headers, body })
                    .then((response) => response.status, (error) => String(error.cause?.code));
                statuses[`${key} ${answer}`] = (statuses[`${key} ${answer}`] ?? 0) + 1;
            }
        }
        console.log(JSON.stringify(statuses));";
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", script, &server.url, &TRIES.to_string()]);
    let output = node.stdin(Stdio::null()).output().await.expect("Node.js runs: the build needs it, too");
    let statuses: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let expected = json!({"open 413": TRIES, "nobody 404": TRIES, "closed 403": TRIES, "limited 429": TRIES, "locked 401": TRIES});
    assert_eq!(statuses, expected);
    server.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_leave_to_send_is_not_given_it_in_vain() {
    let (_database, server) = server().await;
    let head =
        "POST /api/webhooks/locked HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    let mut stream = connect(&server.url).await;
    stream.write_all(head.as_bytes()).await.expect("sent");
    let answer = read_head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("100 Continue"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_small_request_that_is_refused_keeps_its_connection() {
    let (_database, server) = server().await;
    let refused = "POST /api/webhooks/locked HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
    let last = "GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = ask(&server.url, &format!("{refused}{last}")).await;
    assert!(answers.starts_with("HTTP/1.1 401 ") && answers.contains("HTTP/1.1 404 "), "{answers}");
    server.stop().await;
}
