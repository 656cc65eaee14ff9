//! Requests that are not as HTTP/1.1 wants them, and what only looks like HTTP/1.

use serde_json::json;

use super::{answering, ask};
use crate::databases::{Kind, TestDatabase};
use crate::server::TestServer;

const START: &str = "POST /api/webhooks/open HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const LAST: &str = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_not() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    server.add(&answering("open", json!("ok"))).await;
    let chunked = "2\r\n{}\r\n0\r\n\r\n";

    // Both lengths: handled by the chunks, and nothing after it is.
    for lengths in
        ["content-length: 2\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 2"]
    {
        let answer = ask(&server.url, &format!("{START}{lengths}\r\n\r\n{chunked}{LAST}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }

    // Codings that nobody undoes.
    for coding in ["gzip, chunked", "gzip\r\ntransfer-encoding: chunked"] {
        let request = format!("{START}transfer-encoding: {coding}\r\n\r\n{chunked}{LAST}");
        let answer = ask(&server.url, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 501 ") && answer.contains(r#"{"errors":[{"message":""#),
            "{answer}"
        );
    }
    let answer = ask(&server.url, &format!("{START}transfer-encoding: Chunked\r\n\r\n{chunked}{LAST}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");

    // The host.
    for (version, hosts, status) in [
        ("1.1", "", "400"),
        ("1.1", "host: a\r\nhost: b\r\n", "400"),
        ("1.0", "", "200"),
        ("1.1", "host: a\r\n", "200"),
    ] {
        let request = format!("GET /health/live HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        let answer = ask(&server.url, &request).await;
        assert!(answer.contains(&format!(" {status} ")), "{request} {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_in_the_usual_form() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    for path in ["/api/webhooks/%ff", "/api/webhook:trigger/%ff", "/api/%ff/x", "/%ff"] {
        let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = ask(&server.url, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 40") && answer.contains(r#"{"errors":[{"message":""#),
            "{answer}"
        );
        assert!(!answer.contains("path params"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    // The preface, and an empty frame of settings.
    let answer = ask(&server.url, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer:?}");
    server.stop().await;
}
