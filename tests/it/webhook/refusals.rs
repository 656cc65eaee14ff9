//! What the webhook refuses of a request, and in which order.

use entity::Table;
use serde_json::json;

use super::asking::{basic, context_of, echo, message_in, message_of, picking, start};
use crate::fixture::{node, workflow};
use crate::raw;
use crate::server::TestServer;
use crate::wait::until;

/// All that a request can be refused for is tried with a body limit that is easily exceeded.
const BODY_LIMIT: usize = 1024;

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let (_database, server) = start(&[("REQUEST_BODY_LIMIT", "1kb")]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "length"}]})))).await;
    let head = [b"POST /api/webhooks/k HTTP/1.1".as_slice(), b"content-type: text/plain"];
    for (size, status) in [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413), (BODY_LIMIT * 100, 413)] {
        let body = vec![b'x'; size];
        let length = format!("content-length: {size}");
        let answer = raw::send(&server.url, &[head[0], head[1], length.as_bytes()], &body).await;
        assert_eq!(answer.status, status, "{size} bytes: {answer:?}");
        let encoding = b"transfer-encoding: chunked".as_slice();
        let chunked = raw::chunked(&body, 700);
        let answer = raw::send(&server.url, &[head[0], head[1], encoding], &chunked).await;
        assert_eq!(answer.status, status, "{size} bytes in chunks: {answer:?}");
        if status == 413 {
            assert_eq!(message_in(&answer.body), "The body is larger than 1024 bytes.");
        }
    }
    assert_eq!(server.count(Table::Executions).await, 2);
    server.stop().await;
}

#[tokio::test]
async fn bodies_of_any_type_arrive_and_unknown_encodings_are_refused() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    let types = [
        "application/octet-stream",
        "image/png",
        "application/jsonish",
        "text/plain; charset=utf-7",
        "nonsense",
    ];
    for content_type in types {
        let request = server.client.post(server.trigger_url("k")).header("content-type", content_type);
        let context = context_of(request.body("{}").send().await.expect("an answer")).await;
        let whole = json!({"contentType": content_type, "size": 2, "base64": "e30="});
        assert_eq!(context["data"], whole, "{content_type}");
    }
    for encoding in ["compress", "utf-8"] {
        let request = server.client.post(server.trigger_url("k")).header("content-encoding", encoding);
        let response = request.body("{}").send().await.expect("an answer");
        assert_eq!(response.status(), 415, "{encoding}");
        assert_eq!(response.headers()["accept-encoding"], "gzip, deflate, br, zstd");
        assert!(message_of(response).await.contains(encoding));
    }
    assert_eq!(server.count(Table::Executions).await, types.len() as i64);
    server.stop().await;
}

#[tokio::test]
async fn unreadable_json_is_refused_with_its_place() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for body in ["{", "{\"secret\":}", "[1,]", "\"secret", "{}{}", &"[".repeat(100_000)] {
        let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{body}");
        let message = message_of(response).await;
        assert!(message.contains("line 1 column"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
    assert_eq!(server.count(Table::Executions).await, 0);
    server.stop().await;
}

/// What a request of the next test has.
#[derive(Clone, Copy, Debug, Default)]
struct Virtues {
    known_key: bool,
    right_method: bool,
    good_credentials: bool,
    small_body: bool,
    known_encoding: bool,
    readable_body: bool,
}

async fn status_of(server: &TestServer, virtues: Virtues) -> u16 {
    let method = if virtues.right_method { "POST" } else { "PUT" };
    let key = if virtues.known_key { "k" } else { "unknown" };
    let line = format!("{method} /api/webhook:trigger/{key} HTTP/1.1");
    let password = if virtues.good_credentials { "ada:pw" } else { "ada:no" };
    let authorization = format!("authorization: {}", basic(password));
    let content_type = "content-type: application/json";
    let encoding = if virtues.known_encoding { "identity" } else { "compress" };
    let encoding = format!("content-encoding: {encoding}");
    let start = if virtues.readable_body { "{}" } else { "{" };
    let size = if virtues.small_body { BODY_LIMIT } else { 2 * BODY_LIMIT };
    let body = format!("{start:size$}");
    let length = format!("content-length: {size}");
    let head = [&*line, &authorization, content_type, &encoding, &length].map(|text| text.as_bytes());
    raw::send(&server.url, &head, body.as_bytes()).await.status
}

#[tokio::test]
async fn of_several_reasons_to_refuse_the_first_counts() {
    let (_database, server) = start(&[("REQUEST_BODY_LIMIT", "1kb")]).await;
    let credentials = json!({"username": "ada", "password": "pw"});
    server.add(&echo("k", json!({"basicAuthentication": credentials}))).await;
    let mut virtues = Virtues::default();
    assert_eq!(status_of(&server, virtues).await, 404);
    virtues.known_key = true;
    assert_eq!(status_of(&server, virtues).await, 405);
    virtues.right_method = true;
    assert_eq!(status_of(&server, virtues).await, 401);
    virtues.good_credentials = true;
    assert_eq!(status_of(&server, virtues).await, 413);
    virtues.small_body = true;
    assert_eq!(status_of(&server, virtues).await, 415);
    virtues.known_encoding = true;
    assert_eq!(status_of(&server, virtues).await, 400);
    virtues.readable_body = true;
    assert_eq!(status_of(&server, virtues).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_search_that_finds_too_much_is_refused() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "$..*..*..*"}]})))).await;
    let body = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
    let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
    let response = request.body(body).send().await.expect("an answer");
    assert_eq!(response.status(), 400);
    assert!(message_of(response).await.contains("JSONPath"));
    assert_eq!(server.count(Table::Executions).await, 0);
    server.stop().await;
}

/// A body of many small values takes up to 11 times its bytes.
#[tokio::test]
async fn what_takes_more_memory_than_there_is_is_refused() {
    let (_database, server) = start(&[("SIDEHOOK_MEMORY", "4mb")]).await;
    server.add(&echo("k", picking(json!({"body": [{"key": "length"}]})))).await;
    let send = async |items: usize| {
        let body = format!("[{}{{}}]", "{},".repeat(items - 1));
        let request = server.client.post(server.trigger_url("k")).header("content-type", "application/json");
        request.body(body).send().await.expect("an answer")
    };
    for _ in 0..3 {
        // Its memory is given back each time.
        assert_eq!(context_of(send(15_000).await).await["body"], json!({"length": 15_000}));
    }
    let response = send(80_000).await;
    assert_eq!(response.status(), 413);
    assert!(message_of(response).await.contains("memory"));
    assert_eq!(server.count(Table::Executions).await, 3);
    server.stop().await;
}

/// The context of an execution is in memory for as long as its caller waits.
#[tokio::test(flavor = "multi_thread")]
async fn callers_who_wait_hold_their_memory_until_they_are_answered() {
    let (_database, server) = start(&[("SIDEHOOK_MEMORY", "4mb")]).await;
    let whole = json!({"basicAuthentication": false});
    let wait = node("wait", "delay", json!({"duration": 8, "unit": 1000, "endStatus": 1}));
    let slow = workflow("slow", true, &whole, &[wait]);
    server.add(&slow).await;
    let quick = workflow("quick", true, &whole, &[]);
    server.add(&quick).await;
    let body = format!("[{}{{}}]", "{},".repeat(32_999));
    let send = |key: &str| {
        let request = server.client.post(server.trigger_url(key)).header("content-type", "application/json");
        request.body(body.clone()).send()
    };
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(send("slow"))).collect();
    until(async || server.count(Table::Timers).await == 3, || "they do not wait".to_owned()).await;
    let fourth = send("quick").await.expect("an answer");
    assert_eq!((fourth.status().as_u16(), fourth.headers().contains_key("retry-after")), (503, true));
    for caller in waiting {
        assert_eq!(caller.await.expect("no panic").expect("an answer").status(), 200);
    }
    assert_eq!(send("quick").await.expect("an answer").status(), 200);
    assert_eq!((server.executions(slow.id).await.len(), server.executions(quick.id).await.len()), (3, 1));
    server.stop().await;
}
