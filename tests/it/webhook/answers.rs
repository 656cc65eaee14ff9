//! What a caller is answered, and what of it all reaches the log.

use serde_json::{Value, json};

use super::asking::{basic, picking, start};
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::prepare;

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_an_error_that_the_job_tells() {
    let (_database, server) = start(&[]).await;
    let headers = json!([{"name": "{{$context.body.name}}", "value": "{{$context.body.value}}"}]);
    let status = "{{$context.body.status}}";
    let answer = node("answer", "response", json!({"statusCode": status, "headers": headers}));
    let trigger = picking(json!({"body": [{"key": "name"}, {"key": "value"}, {"key": "status"}]}));
    let hook = workflow("k", true, &trigger, &[answer]);
    server.add(&hook).await;
    let configured = json!({"statusCode": 202, "headers": headers});
    let mut async_trigger = trigger.clone();
    async_trigger["response"] = configured;
    server.add(&workflow("async", false, &async_trigger, &[])).await;
    // A redirection would be followed by the client.
    let send = async |key: &str, name: &str, value: Value| {
        let status = if value.is_null() { 302 } else { 201 };
        let body = json!({"name": name, "value": value, "status": status});
        server.client.post(server.trigger_url(key)).json(&body).send().await.expect("an answer")
    };
    let created = send("k", "Location", json!("https://a.example/größe ✓")).await;
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["location"], "https://a.example/gr%C3%B6%C3%9Fe%20%E2%9C%93");
    let wrong = [
        ("X-Wide", json!("✓"), "its value has characters beyond ISO 8859-1"),
        ("X-Break", json!("a\r\nb: c"), "its value has line breaks or other control characters"),
        ("X Y", json!("a"), "its name has characters that names of headers cannot have"),
        ("location", Value::Null, "it has no value, so nobody is told where to go"),
    ];
    for (i, (name, value, reason)) in wrong.into_iter().enumerate() {
        assert_eq!(send("k", name, value.clone()).await.status(), 500, "{name}");
        let jobs = server.query("SELECT status, result FROM jobs ORDER BY id DESC LIMIT 1").await;
        let (status, result): (i32, String) =
            (jobs[0].try_get_by_index(0).expect("a status"), jobs[0].try_get_by_index(1).expect("a text"));
        let result: Value = serde_json::from_str(&result).expect("JSON");
        let message = format!("The header {name:?} of the response cannot be sent: {reason}.");
        assert_eq!((status, result), (-2, json!({"message": message})), "{name}");
        assert_eq!(server.executions(hook.id).await.len(), i + 2);
        if name != "location" {
            assert_eq!(send("async", name, value).await.status(), 500, "{name}");
        }
    }
    server.stop().await;
}

/// Everything that could be told to a log is in it: a request that is let in and recorded, one of each kind that is
/// refused, an execution that fails.
async fn printed_with_secrets() -> String {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let credentials = json!({"username": "ada", "password": "secret-1"});
    let trigger = json!({
        "basicAuthentication": credentials,
        "request": {"headers": [{"key": "x-own"}], "query": [{"key": "q"}], "body": [{"key": "b"}]},
    });
    let nodes = [
        node("keep", "variable", json!({"value": "{{$context}}"})),
        node("bad", "variable", json!({"value": "{{$context.body.b.map}}"})),
    ];
    rows.add(&workflow("sync", true, &trigger, &nodes)).await;
    rows.add(&workflow("async", false, &trigger, &nodes)).await;
    let mut process = Process::serve(&database, &[("SIDEHOOK_LOG", "trace")]).await;
    let client = crate::server::client();
    for key in ["sync", "async", "secret-6"] {
        for (password, body) in
            [("secret-1", r#"{"b":["secret-2"]}"#), ("secret-3", "{}"), ("secret-1", r#"{"b":"secret-2"#)]
        {
            let request = client.post(format!("{}?q=secret-4", process.trigger_url(key)));
            let request = request.header("authorization", basic(&format!("ada:{password}")));
            let request = request.header("content-type", "application/json").header("x-own", "secret-5");
            request.body(body).send().await.expect("an answer");
        }
    }
    process.signal("TERM").await;
    assert!(process.ended().await.success());
    process.printed()
}

#[tokio::test]
async fn credentials_and_contents_of_requests_are_never_logged() {
    let printed = printed_with_secrets().await;
    assert!(printed.contains("node has run"), "the log tells too little for this test:\n{printed}");
    let encoded = [basic("ada:secret-1"), basic("ada:secret-3")];
    let encoded = encoded.iter().filter_map(|text| text.split(' ').nth(1));
    for secret in ["secret-1", "secret-2", "secret-3", "secret-4", "secret-5"].into_iter().chain(encoded) {
        let line = printed.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
}
