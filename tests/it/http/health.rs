//! What health says when the database is away, and when all threads are busy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use serde_json::json;
use sidehook::store::instance::TIME_TO_LIVE;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::TIMEOUT;
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::{Process, shell};
use crate::server::{TestServer, client};

/// The threads of the tests' runtimes.
const WORKERS: usize = 2;

/// Keeps both threads of a test's runtime from everything else until it is told that it is over.
struct Burning {
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Burning {
    fn start() -> Self {
        let (is_over, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(WORKERS + 1)));
        let burn = |_| {
            let (is_over, busy) = (is_over.clone(), busy.clone());
            tokio::spawn(async move {
                busy.wait();
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let tasks = (0..WORKERS).map(burn).collect();
        busy.wait();
        Self { is_over, tasks }
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("it does not panic");
        }
    }
}

/// What health answers, asked for without the runtime of the test.
fn health(server: &TestServer, path: &str) -> String {
    let address = server.url.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("an option");
    write!(stream, "GET /health/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer although nobody else works");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_answered_while_all_threads_are_busy() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    let burning = Burning::start();
    assert_eq!(health(&server, "live"), "HTTP/1.1 200 OK");
    assert_eq!(health(&server, "ready"), "HTTP/1.1 200 OK");
    burning.stop().await;
    server.stop().await;
}

/// Another instance takes over whoever gives no sign of life for ten seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_threads_are_all_busy_is_not_taken_over() {
    let Some(database) = TestDatabase::create(Kind::Postgres).await else { return };
    let server = TestServer::start(&database).await;
    server.add(&workflow("hook", true, &json!({}), &[])).await;
    // An execution that the other instance would want: it waits for somebody who never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", silent.local_addr().expect("bound"));
    let asking = node("ask", "request", json!({"url": url, "method": "GET", "timeout": 60_000}));
    server.add(&workflow("asking", false, &json!({}), &[asking])).await;
    assert_eq!(server.post("asking", &json!({})).await.status(), 200);
    let is_asked = || silent.accept().expect("sidehook calls");
    let caller = tokio::task::block_in_place(is_asked);
    let other = Process::serve(&database, &[]).await;
    let burning = Burning::start();
    let until = Instant::now() + TIME_TO_LIVE + Duration::from_secs(2);
    while Instant::now() < until {
        assert_eq!(health(&server, "live"), "HTTP/1.1 200 OK");
        std::thread::sleep(Duration::from_millis(500));
    }
    burning.stop().await;
    assert_eq!(server.post("hook", &json!({})).await.status(), 200);
    assert_eq!(health(&server, "ready"), "HTTP/1.1 200 OK");
    drop((other, caller));
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
