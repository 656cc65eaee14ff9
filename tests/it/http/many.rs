//! Senders with many connections, and those who send next to nothing over each.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{TIMEOUT, answering, connect, read_all, read_head};
use crate::databases::{Kind, TestDatabase};
use crate::server::TestServer;

/// So many slow senders there are, half of them within a head and half within a body.
const SLOW: usize = 500;
/// How often each sends a byte, and how many.
const PAUSE: Duration = Duration::from_secs(5);
const BYTES: usize = 3;

async fn server(settings: &[(&str, &str)]) -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, settings).await;
    server.add(&answering("open", json!("ok"))).await;
    (database, server)
}

async fn slow_sender(url: &str, number: usize) -> TcpStream {
    let start = "POST /api/webhook:trigger/open HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n";
    let rest = if number.is_multiple_of(2) { "x-slow: " } else { "content-length: 1000\r\n\r\n" };
    let mut stream = connect(url).await;
    stream.write_all(format!("{start}{rest}").as_bytes()).await.expect("the start is sent");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_keep_nobody_from_an_answer() {
    let (_database, server) = server(&[]).await;
    let mut slow = join_all((0..SLOW).map(|number| slow_sender(&server.url, number))).await;
    let dripping = async {
        for _ in 0..BYTES {
            for stream in &mut slow {
                stream.write_all(b"a").await.expect("the server waits for more");
            }
            sleep(PAUSE).await;
        }
    };
    let honest = async {
        let mut answered = 0;
        loop {
            let answer = timeout(TIMEOUT, server.post("open", &json!({}))).await.expect("an answer in time");
            assert_eq!(answer.status(), 200);
            answered += 1;
            sleep(Duration::from_millis(50)).await;
            if answered == 100 {
                return;
            }
        }
    };
    tokio::join!(dripping, honest);
    // Nobody was cut off for it either: they are within their limits.
    for stream in slow.iter_mut().take(2) {
        stream.write_all(b"a").await.expect("the connection holds");
    }
    drop(slow);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_no_more() {
    let (_database, server) = server(&[("SIDEHOOK_MAX_CONNECTIONS_PER_ADDRESS", "3")]).await;
    let request = "POST /api/webhook:trigger/open HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&server.url).await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
        held.push(stream);
    }
    let mut more = connect(&server.url).await;
    let _ = more.write_all(request.as_bytes()).await;
    assert_eq!(read_all(&mut more).await, "", "closed at once");
    drop(held.pop());
    let is_served = async || {
        let mut stream = connect(&server.url).await;
        let closing = request.replace("host: x", "host: x\r\nconnection: close");
        let _ = stream.write_all(closing.as_bytes()).await;
        read_all(&mut stream).await.starts_with("HTTP/1.1 200 ")
    };
    crate::wait::until(is_served, || "the place is not given back".to_owned()).await;
    drop(held);
    server.stop().await;
}
