//! Senders who do not send, do not read, or are too many.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::{TIMEOUT, answering, ask, connect, read_all, read_head};
use crate::databases::{Kind, TestDatabase};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, prepare};

const SHORT: [(&str, &str); 5] = [
    ("SIDEHOOK_HEADER_TIMEOUT", "300ms"),
    ("SIDEHOOK_BODY_TIMEOUT", "300ms"),
    ("SIDEHOOK_REQUEST_TIMEOUT", "900ms"),
    ("SIDEHOOK_SEND_TIMEOUT", "300ms"),
    ("SIDEHOOK_IDLE_TIMEOUT", "300ms"),
];
const START: &str = "POST /api/webhooks/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

async fn server(settings: &[(&str, &str)]) -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, settings).await;
    server.add(&answering("echo", json!("{{$context.body.text}}"))).await;
    (database, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_nothing_are_closed() {
    let (_database, server) = server(&SHORT).await;
    for start in ["", "POST /api", &format!("{START}content-le")] {
        assert_eq!(ask(&server.url, start).await, "", "after {start:?}");
    }
    // Between two requests, and in the head of the second one.
    let whole = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    for rest in ["", "GET /h"] {
        let answer = ask(&server.url, &format!("{whole}{rest}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    // A head that drips.
    let mut stream = connect(&server.url).await;
    let dripping = async {
        while stream.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, dripping).await.expect("the server closes the connection");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_arrive_are_told_so() {
    let (_database, server) = server(&SHORT).await;
    let silent = ask(&server.url, &format!("{START}content-length: 9\r\n\r\n{{\"te")).await;
    assert!(silent.starts_with("HTTP/1.1 408 ") && silent.contains("did not arrive in time"), "{silent}");
    let mut stream = connect(&server.url).await;
    stream.write_all(format!("{START}content-length: 99999\r\n\r\n").as_bytes()).await.expect("sent");
    let (mut reading, mut writing) = stream.split();
    let dripping = async {
        while writing.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = vec![0; 1024];
    let read = tokio::select! {
        read = timeout(TIMEOUT, reading.read(&mut answer)) => read.expect("an answer").expect("no reset"),
        () = dripping => panic!("the connection was closed without an answer"),
    };
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_dropped() {
    let settings =
        [&SHORT[..], &[("REQUEST_BODY_LIMIT", "64mb"), ("SIDEHOOK_REQUEST_TIMEOUT", "60s")]].concat();
    let (_database, server) = server(&settings).await;
    let text = "y".repeat(24 << 20);
    let body = json!({"text": text}).to_string();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("an option");
    let address = server.url.strip_prefix("http://").expect("a URL").parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("the server listens");
    let request = format!("{START}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("sent");
    // The server has to give up on what it cannot send. What it has sent stays readable.
    let gone = async {
        while !is_gone(&stream) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(TIMEOUT, gone).await.expect("the connection is closed");
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(received.len() < text.len(), "all {} bytes have arrived", received.len());
    server.stop().await;
}

/// Whether the other side has closed the connection, whatever is left to be read: it resets what it gets then.
fn is_gone(stream: &TcpStream) -> bool {
    let written = stream.try_write(b"x");
    written.is_err_and(|err| err.kind() != std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn heads_have_a_bound_that_is_generous() {
    let (_database, server) = server(&[]).await;
    let many: String = (0..240).map(|i| format!("x-h{i}: {i}\r\n")).collect();
    let body = "connection: close\r\ncontent-length: 12\r\n\r\n{\"text\":\"a\"}";
    let answer = ask(&server.url, &format!("{START}{many}{body}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let long = "y".repeat(60 << 10);
    let answer = ask(&server.url, &format!("{START}x-long: {long}\r\n{body}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for size in [66_usize << 10, 300 << 10] {
        let long = "y".repeat(size);
        let answer = ask(&server.url, &format!("{START}x-long: {long}\r\n{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn no_more_connections_are_served_than_there_is_room_for() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    rows.add(&answering("echo", json!("{{$context.body.text}}"))).await;
    let mut process = Process::serve(&database, &[("SIDEHOOK_MAX_CONNECTIONS", "2")]).await;
    let request = format!("{START}content-length: 12\r\n\r\n{{\"text\":\"a\"}}");
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&process.url).await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        streams.push(stream);
    }
    let mut third = streams.pop().expect("three streams");
    for stream in &mut streams {
        assert!(read_head(stream).await.starts_with("HTTP/1.1 200 "));
    }
    let waiting = timeout(Duration::from_millis(500), third.read(&mut [0; 1])).await;
    assert!(waiting.is_err(), "the third connection is served: {waiting:?}");
    streams.pop();
    assert!(read_head(&mut third).await.starts_with("HTTP/1.1 200 "));
    drop((streams, third));
    process.signal("TERM").await;
    assert!(process.ended().await.success(), "{}", process.printed());
}

#[tokio::test]
async fn silent_connections_leave_descriptors_for_the_database() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    rows.add(&answering("echo", json!("{{$context.body.text}}"))).await;
    let settings = [("SIDEHOOK_HEADER_TIMEOUT", "1s"), ("DB_POOL_MAX", "2")];
    let mut process = Process::serve_limited(&database, &settings, 64).await;
    let mut silent = Vec::new();
    for _ in 0..120 {
        silent.push(connect(&process.url).await);
    }
    let request = format!("{START}connection: close\r\ncontent-length: 12\r\n\r\n{{\"text\":\"a\"}}");
    let mut stream = connect(&process.url).await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 200 "));
    let printed = process.printed();
    assert!(!printed.contains("unable to open") && !printed.contains("Too many open files"), "{printed}");
    drop(silent);
    process.signal("TERM").await;
    assert!(process.ended().await.success(), "{}", process.printed());
}
