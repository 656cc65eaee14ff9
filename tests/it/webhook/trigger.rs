//! The webhook's URL and whom it lets in.

use entity::Table;
use reqwest::Method;
use serde_json::json;

use super::asking::{basic, context_of, echo, message_of, picking, start};
use crate::databases::{Kind, TestDatabase};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, prepare};

#[tokio::test]
async fn each_url_of_a_workflow_triggers_it() {
    let (_database, server) = start(&[]).await;
    let hook = echo("a-key", picking(json!({"body": [{"key": "n"}]})));
    server.add(&hook).await;
    let paths = [
        "/api/webhook:trigger/a-key",
        "/api/webhook%3Atrigger/a-key",
        "/api/webhook%3atrigger/a-key",
        "/api/webhooks/a-key",
        "/api/webhook:trigger/a%2Dkey",
        "/api/webhook:trigger/a-key/",
        "/api/webhooks/a-key/",
        "/api/webhook:trigger?filterByTk=a-key",
        "/api/webhook:trigger/?x=1&filterByTk=a%2Dkey",
    ];
    for path in paths {
        let response = server.client.post(format!("{}{path}", server.url)).json(&json!({"n": path}));
        let context = context_of(response.send().await.expect(path)).await;
        assert_eq!(context["body"]["n"], path);
    }
    assert_eq!(server.executions(hook.id).await.len(), paths.len());
    server.stop().await;
}

#[tokio::test]
async fn urls_start_with_the_configured_base_path() {
    for (base, expected) in [("/v2/api/", "/v2/api/"), ("nb", "/nb/"), ("/", "/")] {
        let (_database, server) = start(&[("API_BASE_PATH", base)]).await;
        server.add(&echo("k", json!({}))).await;
        for path in ["webhook:trigger/k", "webhook%3Atrigger/k", "webhooks/k"] {
            let url = format!("{}{expected}{path}", server.url);
            let status = server.client.post(&url).send().await.expect("an answer").status();
            assert_eq!(status, 200, "{url}");
        }
        assert_eq!(server.post("k", &json!({})).await.status(), 404, "the default path under {base}");
        let live = server.client.get(format!("{}/health/live", server.url)).send().await;
        assert_eq!(live.expect("an answer").status(), 200, "{base}");
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_url_of_sidehook_is_not_found() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for path in [
        "/",
        "/api",
        "/api/webhook:trigger",
        "/api/webhook:trigger/",
        "/api/webhook:trigger?filterByTk=",
        "/api/webhook:trigger?filterByTk=unknown",
        "/api/webhook:trigger?filterByTk[]=k",
        "/api/webhook:other?filterByTk=k",
        "/api/webhook:other/k",
        "/api/workflows:list",
        "/api/webhooks",
        "/webhooks/k",
        "/api/webhooks/k/more",
    ] {
        let response = server.client.post(format!("{}{path}", server.url)).send().await.expect("an answer");
        assert_eq!(response.status(), 404, "{path}");
        message_of(response).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn keys_without_an_enabled_webhook_workflow_are_not_found() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    for (key, change) in [("off", "enabled = false"), ("other", "type = 'collection'"), ("on", "sync = true")]
    {
        rows.add(&echo(key, json!({}))).await;
        rows.execute(&format!("UPDATE workflows SET {change} WHERE \"key\" = '{key}'")).await;
    }
    let server = TestServer::start(&database).await;
    for key in ["unknown", "off", "other", "%00", "..%2Fon", "on%20", "ON"] {
        let response = server.post(key, &json!({})).await;
        assert_eq!(response.status(), 404, "{key}");
        assert_eq!(message_of(response).await, "No enabled webhook workflow has this key.", "{key}");
    }
    assert_eq!(server.post("on", &json!({})).await.status(), 200);
    assert_eq!(server.count(Table::Executions).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn other_methods_are_refused_with_the_one_that_is_allowed() {
    let (_database, server) = start(&[]).await;
    server.add(&echo("k", json!({}))).await;
    for path in ["webhook:trigger", "webhooks"] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let url = format!("{}/api/{path}/k", server.url);
            let response = server.client.request(method.clone(), url).send().await.expect("an answer");
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "POST", "{method} {path}");
            message_of(response).await;
        }
    }
    assert_eq!(server.count(Table::Executions).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn good_credentials_let_in() {
    let (_database, server) = start(&[]).await;
    let credentials = json!({"username": "ada", "password": "p:ä:s:"});
    server.add(&echo("k", json!({"basicAuthentication": credentials}))).await;
    for authorization in [basic("ada:p:ä:s:"), basic("ada:p:ä:s:").replace("Basic", "bAsIc")] {
        let request = server.client.post(server.trigger_url("k")).header("authorization", &authorization);
        assert_eq!(request.send().await.expect("an answer").status(), 200, "{authorization}");
    }
    server.stop().await;
}

#[tokio::test]
async fn missing_and_wrong_credentials_are_refused_alike() {
    let (_database, server) = start(&[]).await;
    let credentials = json!({"username": "ada", "password": "p:w"});
    server.add(&echo("k", json!({"basicAuthentication": credentials}))).await;
    server.add(&echo("unusable", json!({"basicAuthentication": {"username": "ada"}}))).await;
    let good = basic("ada:p:w");
    let wrong = [
        None,
        Some(basic("ada:p")),
        Some(basic("ada:p:w:")),
        Some(basic("ada:")),
        Some(basic("bob:p:w")),
        Some(basic("Ada:p:w")),
        Some(basic("ada")),
        Some("Basic".to_owned()),
        Some("Basic %%%".to_owned()),
        Some("Bearer p:w".to_owned()),
        Some(good.replace("Basic ", "Digest ")),
    ];
    let mut messages = Vec::new();
    for (key, authorization) in
        wrong.iter().map(|wrong| ("k", wrong)).chain([("unusable", &Some(basic("ada:")))])
    {
        let mut request = server.client.post(server.trigger_url(key));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 401, "{authorization:?}");
        let challenge = response.headers()["www-authenticate"].to_str().expect("ASCII");
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        messages.push(message_of(response).await);
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(server.count(Table::Executions).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn what_a_version_does_not_know_lets_nobody_in_and_is_logged() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let extensions = [
        ("signed", json!({"signature": {"scheme": "github"}})),
        ("listed", json!({"ipAllowlist": []})),
        ("partial", json!({"context": "part"})),
        ("pathless", json!({"path": "a//b"})),
    ];
    for (key, sidehook) in &extensions {
        rows.add(&echo(key, json!({"sidehook": sidehook}))).await;
    }
    rows.add(&echo("sound", json!({"sidehook": {"context": "full"}}))).await;
    let mut process = Process::serve(&database, &[]).await;
    let client = crate::server::client();
    for (key, _) in &extensions {
        for method in [Method::POST, Method::PUT] {
            let request = client.request(method, process.trigger_url(key));
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), 503, "{key}");
            let message = message_of(response).await;
            assert_eq!(message, "The configuration of this webhook cannot be used.", "{key}");
        }
    }
    let sound = client.post(process.trigger_url("sound")).send().await.expect("an answer");
    assert_eq!(sound.status(), 200);
    process.signal("TERM").await;
    assert!(process.ended().await.success());
    let printed = process.printed();
    for (key, _) in &extensions {
        let key = format!("\"workflow.key\":\"{key}\"");
        let lines = printed.lines().filter(|line| line.contains(&key) && line.contains("lets nobody in"));
        assert_eq!(lines.count(), 2, "{key}: {printed}");
    }
}
