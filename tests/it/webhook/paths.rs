//! Custom paths: what they give a workflow, who gets one that several want, and that they follow changes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::Table;
use serde_json::{Value, json};
use sidehook::clock::{Clock, SystemClock};
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_every_database, prepare};
use crate::wait::until;

/// A server over SQLite, for what does not depend on the database.
async fn start(settings: &[(&str, &str)]) -> (TestDatabase, TestServer) {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, settings).await;
    (database, server)
}

/// A workflow that answers with its key and its context.
fn echo(key: &str, trigger: &Value) -> NewWorkflow {
    let body = json!({"key": key, "context": "{{$context}}"});
    workflow(key, true, trigger, &[node("answer", "response", json!({"body": body}))])
}

fn at(key: &str, path: &str) -> NewWorkflow {
    echo(key, &json!({"request": {}, "sidehook": {"path": path}}))
}

async fn post(server: &TestServer, path: &str) -> reqwest::Response {
    server.client.post(format!("{}{path}", server.url)).send().await.expect("the server answers")
}

/// The key and the context of the workflow that answers; the status as the key where none does.
async fn answer(server: &TestServer, path: &str) -> (String, Value) {
    let response = post(server, path).await;
    if response.status() != 200 {
        return (response.status().as_u16().to_string(), Value::Null);
    }
    let body: Value = response.json().await.expect("JSON");
    (body["key"].as_str().unwrap_or_default().to_owned(), body["context"].clone())
}

async fn becomes(server: &TestServer, path: &str, expected: &str) {
    until(
        async || answer(server, path).await.0 == expected,
        || format!("{path} still does not lead to {expected}"),
    )
    .await;
}

/// Switches a workflow as NocoBase does.
async fn switch(server: &Rows, workflow: &NewWorkflow, is_enabled: bool) {
    let now = entity::Timestamp(SystemClock.now()).text(server.store.codec.backend());
    let sql = format!(
        "UPDATE {} SET {} = {is_enabled}, {} = '{now}' WHERE {} = {}",
        server.table(Table::Workflows),
        server.quoted("enabled"),
        server.quoted("updatedAt"),
        server.quoted("id"),
        workflow.id,
    );
    server.execute(&sql).await;
}

#[tokio::test]
async fn a_path_gives_its_parameters_to_the_workflow() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        server.add(&at("order", "/shops/:shop/orders/:order-id")).await;
        // Served at once, without waiting for the next look at the workflows.
        let (key, context) = answer(&server, "/shops/caf%C3%A9%2F1/orders/7?q=1").await;
        assert_eq!(key, "order");
        let expected = json!({"shop": "café/1", "order-id": "7"});
        assert_eq!(context, json!({"headers": {}, "query": {}, "body": {}, "params": expected}));
        let (key, context) = answer(&server, "/api/webhook:trigger/order").await;
        assert_eq!((&*key, &context["params"]), ("order", &Value::Null), "its own URL has no parameters");
        server.add(&echo("whole", &json!({"sidehook": {"path": "whole"}}))).await;
        let (key, context) = answer(&server, "/whole/").await;
        assert_eq!((&*key, &context["params"]), ("whole", &json!({})));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn fixed_segments_win_over_parameters() {
    let (_database, server) = start(&[]).await;
    for (key, path) in
        [("any", "orders/:id"), ("new", "orders/new"), ("lines", "orders/:id/lines"), ("one", ":x")]
    {
        server.add(&at(key, path)).await;
    }
    let cases = [
        ("/orders/5", "any"),
        ("/orders/new", "new"),
        ("/orders/new/lines", "lines"),
        ("/orders", "one"),
        ("/apiary", "one"),
        ("/orders/5/more", "404"),
        ("/", "404"),
    ];
    for (path, expected) in cases {
        assert_eq!(answer(&server, path).await.0, expected, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn refusals_come_in_the_same_order_as_for_keys() {
    let (_database, server) = start(&[("REQUEST_BODY_LIMIT", "8b")]).await;
    let trigger = json!({
        "basicAuthentication": {"username": "a", "password": "b"},
        "sidehook": {"path": "locked/:id"},
    });
    server.add(&echo("locked", &trigger)).await;
    let send = async |method: &str, path: &str, credentials: &str, content_type: &str, body: &str| {
        let method = method.parse().expect("a method");
        let request = server.client.request(method, format!("{}{path}", server.url));
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        let request = request.header("authorization", authorization).header("content-type", content_type);
        request.body(body.to_owned()).send().await.expect("the server answers")
    };
    let missing = send("GET", "/nowhere/1", "wrong", "image/png", "far too long").await;
    assert_eq!(missing.status(), 404);
    let body = json!({"errors": [{"message": "Nothing is served at this URL."}]});
    assert_eq!(missing.json::<Value>().await.expect("JSON"), body);
    let method = send("GET", "/locked/1", "wrong", "image/png", "far too long").await;
    assert_eq!((method.status().as_u16(), method.headers()["allow"].as_bytes()), (405, b"POST".as_slice()));
    assert_eq!(send("POST", "/locked/1", "wrong", "image/png", "far too long").await.status(), 401);
    assert_eq!(send("POST", "/locked/1", "a:b", "image/png", "far too long").await.status(), 413);
    assert_eq!(send("POST", "/locked/1", "a:b", "application/json", "{").await.status(), 400);
    assert_eq!(send("POST", "/locked/1", "a:b", "application/json", "{}").await.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn the_older_workflow_keeps_a_path_until_it_is_switched_off() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let (older, younger) = (at("older", "orders/:id"), at("younger", "/orders/:key/"));
        server.add(&younger).await;
        assert_eq!(answer(&server, "/orders/1").await.0, "younger");
        server.add(&older).await;
        becomes(&server, "/orders/1", "older").await;
        assert_eq!(answer(&server, "/api/webhook:trigger/younger").await.0, "younger");
        switch(&server, &older, false).await;
        becomes(&server, "/orders/1", "younger").await;
        switch(&server, &younger, false).await;
        becomes(&server, "/orders/1", "404").await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_server_keeps_its_own_urls() {
    let (_database, server) = start(&[("API_BASE_PATH", "/v1/api/")]).await;
    for (key, path) in [("a", "health/live"), ("b", "health/:x"), ("c", "v1/api/orders"), ("d", ":x/:y")] {
        server.add(&at(key, path)).await;
    }
    let live = server.client.get(format!("{}/health/live", server.url)).send().await.expect("an answer");
    assert_eq!(live.text().await.expect("a text"), "ok");
    let cases = [
        ("/health/other", "404"),
        ("/health", "404"),
        ("/v1/api/orders", "404"),
        ("/v1/api", "404"),
        ("/v1/api/webhooks/c", "c"),
        ("/v1/orders", "d"),
    ];
    for (path, expected) in cases {
        assert_eq!(answer(&server, path).await.0, expected, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_path_that_is_not_served_is_logged_once() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let hooks = [at("first", "a/:b"), at("second", "a/:c"), at("third", "api/x"), at("fourth", "a//b")];
    for hook in &hooks {
        rows.add(hook).await;
    }
    let process = Process::serve(&database, &[]).await;
    let another = at("fifth", "e");
    rows.add(&another).await;
    let answered = client().post(format!("{}/e", process.url)).send().await.expect("an answer");
    assert_eq!(answered.status(), 200, "the table has been made anew");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let printed = process.printed();
    let warnings: Vec<&str> =
        printed.lines().filter(|line| line.contains("is not served at its custom path")).collect();
    assert_eq!(warnings.len(), 3, "{printed}");
    for key in ["second", "third", "fourth"] {
        let of_key = warnings.iter().filter(|line| line.contains(&format!("\"workflow.key\":\"{key}\"")));
        assert_eq!(of_key.count(), 1, "{key}: {warnings:?}");
    }
}
