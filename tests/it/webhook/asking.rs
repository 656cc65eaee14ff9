//! Servers, workflows and answers of the webhook's tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Response;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::TestServer;

/// A server over SQLite: what is tested here does not depend on the database.
pub async fn start(settings: &[(&str, &str)]) -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, settings).await;
    (database, server)
}

/// A workflow that answers with its context.
pub fn echo(key: &str, trigger: Value) -> NewWorkflow {
    let answer = node("answer", "response", json!({"body": "{{$context}}"}));
    workflow(key, true, &trigger, &[answer])
}

pub fn picking(request: Value) -> Value {
    json!({"basicAuthentication": false, "request": request})
}

pub fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

pub async fn context_of(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    response.json().await.expect("the context as JSON")
}

/// Checks the one form that refusals have, and returns the message.
pub async fn message_of(response: Response) -> String {
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let text = response.text().await.expect("the body arrives");
    message_in(&text)
}

pub fn message_in(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|err| panic!("{body:?} is no JSON: {err}"));
    let message = body["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    assert_eq!(body, json!({"errors": [{"message": message}]}));
    assert!(!message.is_empty());
    message
}
