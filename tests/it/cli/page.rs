//! The page of `serve --page`: for a browser on this machine, and without what workflows have computed.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, prepare};

async fn status(url: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer").status()
}

#[tokio::test]
async fn a_server_without_the_page_has_nothing_there() {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    prepare(&database, &[]).await;
    let process = Process::serve(&database, &[]).await;
    for path in ["/", "/page.js", "/page/state"] {
        assert_eq!(status(&format!("{}{path}", process.url), &[]).await, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_for_browsers_on_this_machine_and_has_no_results() {
    let Some(database) = TestDatabase::create(Kind::Sqlite).await else { return };
    let rows = Rows { store: prepare(&database, &[]).await };
    let secret = node("answer", "response", json!({"statusCode": 200, "body": "what nobody else may see"}));
    rows.add(&workflow("k", true, &json!({"sidehook": {"context": "full"}}), &[secret])).await;
    let process = Process::serve(&database, &[("SIDEHOOK_PAGE", "true")]).await;
    let sent = client().post(process.trigger_url("k")).json(&json!({"password": "p"})).send().await;
    assert_eq!(sent.expect("an answer").status(), StatusCode::OK);

    for path in ["/", "/page.js", "/page/state"] {
        let url = format!("{}{path}", process.url);
        let answer = client().get(&url).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().expect("a text").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        for (name, value) in
            [("host", "evil.example"), ("x-forwarded-for", "127.0.0.1"), ("via", "1.1 proxy")]
        {
            assert_eq!(status(&url, &[(name, value)]).await, StatusCode::NOT_FOUND, "{path} {name}");
        }
    }
    let state = client().get(format!("{}/page/state", process.url)).send().await.expect("an answer");
    let text = state.text().await.expect("a text");
    let state: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(state["webhooks"][0]["sample"], Value::Null);
    assert_eq!(state["executions"][0]["jobs"], json!([{"title": "answer", "status": 1, "result": null}]));
    assert!(!text.contains("nobody else"), "{text}");
}
