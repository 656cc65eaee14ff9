//! What health says when the database is away, and when all threads are busy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::TIMEOUT;
use crate::databases::{Kind, TestDatabase};
use crate::process::shell;
use crate::server::{TestServer, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_answered_while_all_threads_are_busy() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    let (is_over, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(std::sync::Barrier::new(3)));
    let burning: Vec<_> = (0..2)
        .map(|_| {
            let (is_over, busy) = (is_over.clone(), busy.clone());
            tokio::spawn(async move {
                busy.wait();
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    busy.wait();
    let address = server.url.strip_prefix("http://").expect("a URL");
    for (path, status) in [("live", "200"), ("ready", "200")] {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("an option");
        write!(stream, "GET /health/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer although nobody else works");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    is_over.store(true, Ordering::Relaxed);
    for task in burning {
        task.await.expect("it does not panic");
    }
    server.stop().await;
}

#[tokio::test]
async fn callers_are_told_to_wait_while_the_database_is_awaited() {
    let port =
        || std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let (listen, nobody) = (port().to_string(), port().port().to_string());
    let settings = [
        ("SIDEHOOK_LISTEN", &*listen),
        ("DB_DIALECT", "postgres"),
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", &nobody),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = format!("exec {} serve", env!("CARGO_BIN_EXE_sidehook"));
    let mut child = shell(&script, &settings, folder.path()).spawn().expect("a shell starts");
    let (client, started) = (client(), Instant::now());
    let live = format!("http://{listen}/health/live");
    while !client.get(&live).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(started.elapsed() < TIMEOUT, "it does not answer");
        sleep(Duration::from_millis(50)).await;
    }
    let ready = client.get(format!("http://{listen}/health/ready")).send().await.expect("an answer");
    let hook = client.post(format!("http://{listen}/api/webhooks/x")).json(&json!({})).send().await;
    for answer in [ready, hook.expect("an answer")] {
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()), (503, &b"2"[..]));
    }
    let id = child.id().expect("it runs").to_string();
    let sent = tokio::process::Command::new("kill").args(["-s", "TERM", &id]).status().await;
    assert!(sent.expect("kill runs").success());
    let ended = tokio::time::timeout(TIMEOUT, child.wait()).await.expect("it ends").expect("a child");
    assert_eq!(ended.code(), Some(0));
}
