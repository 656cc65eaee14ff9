//! Signatures and challenges over HTTP: who is let in, what is answered without a run, and what a workflow sees.

use entity::Table;
use reqwest::Response;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::TestServer;

async fn start() -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start(&database).await;
    (database, server)
}

/// A workflow that answers with its context.
fn echo(key: &str, sidehook: &Value) -> NewWorkflow {
    let answer = node("answer", "response", json!({"body": "{{$context}}"}));
    workflow(key, true, &json!({"sidehook": sidehook}), &[answer])
}

async fn send(request: reqwest::RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_signature_lets_in_and_stays_out_of_the_context() {
    let (_database, server) = start().await;
    // The test values of GitHub's documentation.
    let secret = "It's a Secret to Everybody";
    server.add(&echo("hook", &json!({"signature": {"scheme": "github", "secret": secret}}))).await;
    let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let post = |body: &'static str| server.client.post(server.trigger_url("hook")).body(body);
    let unsigned = send(post("Hello, World!")).await;
    assert_eq!(unsigned.status(), 401);
    assert!(unsigned.headers().get("www-authenticate").is_none());
    assert_eq!(send(post("Hello, World?").header("x-hub-signature-256", right)).await.status(), 401);
    assert_eq!(server.count(Table::Executions).await, 0);
    let admitted = send(post("Hello, World!").header("x-hub-signature-256", right)).await;
    assert_eq!(admitted.status(), 200);
    let context: Value = admitted.json().await.expect("the context as JSON");
    assert_eq!(context["data"], "Hello, World!");
    assert!(context["headers"].get("x-hub-signature-256").is_none(), "{context}");
    server.stop().await;
}

#[tokio::test]
async fn a_challenge_is_answered_without_a_run() {
    let (_database, server) = start().await;
    server.add(&echo("dropbox", &json!({"challenge": "dropbox"}))).await;
    server.add(&echo("trello", &json!({"challenge": "trello"}))).await;
    server.add(&echo("slack", &json!({"challenge": "slack"}))).await;
    let url = |key: &str| server.trigger_url(key);
    let answer = send(server.client.get(format!("{}?challenge=%3Cb%3E", url("dropbox")))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.text().await.expect("a text"), "<b>");
    assert_eq!(send(server.client.get(url("dropbox"))).await.status(), 405);
    assert_eq!(send(server.client.head(url("trello"))).await.status(), 200);
    let body = json!({"type": "url_verification", "challenge": "abc"});
    let answer = server.post("slack", &body).await;
    assert_eq!(answer.text().await.expect("a text"), "abc");
    assert_eq!(server.count(Table::Executions).await, 0);
    assert_eq!(server.post("slack", &json!({"type": "event_callback"})).await.status(), 200);
    assert_eq!(server.count(Table::Executions).await, 1);
    server.stop().await;
}
