//! Request nodes in a running server: files of the file manager, and the settings of the guard. What single
//! requests do is tested beside the node.

use std::path::Path;

use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::echo;
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database, prepare};

/// NocoBase's table of storages, with one of each kind.
pub async fn add_storages(rows: &Rows, elsewhere: &Path) {
    let table = rows.table(entity::Table::Storages);
    let [id, kind, options, base] = ["id", "type", "options", "baseUrl"].map(|field| rows.quoted(field));
    let json = if rows.store.codec.backend() == sea_orm::DbBackend::Postgres { "jsonb" } else { "json" };
    rows.execute(&format!(
        "CREATE TABLE {table} ({id} bigint PRIMARY KEY, {kind} varchar(255), {options} {json}, {base} text)"
    ))
    .await;
    let elsewhere = json!({"documentRoot": elsewhere});
    for (number, kind, config) in [
        (1_i64, "local", json!({"documentRoot": "storage/uploads"})),
        (2, "local", json!({})),
        (3, "s3", json!({"bucket": "b"})),
        (399_048_560_541_699, "local", elsewhere),
    ] {
        rows.execute(&format!("INSERT INTO {table} VALUES ({number}, '{kind}', '{config}', NULL)")).await;
    }
}

/// The job of a synchronous workflow of one request node that sends the files in the body it is called with.
async fn send(server: &TestServer, key: &str, echo: &str, files: &Value) -> Value {
    let data = json!([{"name": "f", "valueType": "file", "file": "{{$context.body.files}}"}]);
    let config = json!({
        "url": format!("{echo}/echo"), "contentType": "multipart/form-data", "data": data, "onlyData": true,
    });
    let trigger = json!({"request": {"body": [{"key": "files"}]}});
    let workflow = workflow(key, true, &trigger, &[node("n", "request", config)]);
    server.add(&workflow).await;
    server.post(key, &json!({"files": files})).await;
    let execution = server.executions(workflow.id).await.remove(0);
    server.jobs(execution["id"].as_i64().expect("an id")).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_local_storages_are_sent() {
    on_every_database(async |database| {
        let folder = tempfile::tempdir().expect("a folder");
        let uploads = folder.path().join("uploads/sub");
        std::fs::create_dir_all(&uploads).expect("created");
        std::fs::write(uploads.join("a.txt"), "content of a").expect("written");
        std::fs::write(folder.path().join("aes_key.dat"), "key").expect("written");
        let outside = tempfile::tempdir().expect("a folder");
        std::fs::write(outside.path().join("b.txt"), "outside").expect("written");
        let rows = Rows { store: prepare(&database, &[]).await };
        add_storages(&rows, outside.path()).await;
        let storage = folder.path().to_string_lossy().into_owned();
        let server = TestServer::start_with(&database, &[("STORAGE_PATH", &storage)]).await;
        let echo = echo::start().await.expect("the echo server starts");
        let file = |storage: i64, path: &str, filename: &str| {
            json!({"storageId": storage, "path": path, "filename": filename, "mimetype": "text/plain"})
        };
        for storage in [1, 2] {
            let files = json!([file(storage, "sub", "a.txt"), file(storage, "", "sub/a.txt")]);
            let job = send(&server, &format!("good-{storage}"), &echo.base_url, &files).await;
            let body = job["result"]["body"].as_str().unwrap_or_default();
            assert_eq!(job["status"], 1, "{job}");
            assert!(body.contains("name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\ncontent of a\r\n"));
            assert_eq!(body.matches("content of a").count(), 2);
        }
        for (i, (files, code)) in [
            (file(1, "..", "aes_key.dat"), json!("PATH_TRAVERSAL")),
            (file(399_048_560_541_699, "", "b.txt"), json!("PATH_TRAVERSAL")),
            (file(1, "sub", "missing.txt"), json!("ENOENT")),
            (file(3, "sub", "a.txt"), Value::Null),
            (file(4, "sub", "a.txt"), Value::Null),
        ]
        .into_iter()
        .enumerate()
        {
            let job = send(&server, &format!("bad-{i}"), &echo.base_url, &files).await;
            assert_eq!((&job["status"], &job["result"]["code"]), (&json!(-1), &code), "{job}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_limit_where_requests_go() {
    let echo = echo::start().await.expect("the echo server starts");
    let message = async |settings: &[(&str, &str)], url: &str| {
        let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
        let server = TestServer::start_with(&database, settings).await;
        let workflow = workflow("k", true, &json!({}), &[node("n", "request", json!({"url": url}))]);
        server.add(&workflow).await;
        server.post("k", &json!({})).await;
        let execution = server.executions(workflow.id).await.remove(0);
        let job = server.jobs(execution["id"].as_i64().expect("an id")).await.remove(0);
        server.stop().await;
        job["result"]["message"].as_str().map(str::to_owned)
    };
    let url = format!("{}/echo", echo.base_url);
    assert_eq!(message(&[], &url).await, None);
    assert_eq!(message(&[("SERVER_REQUEST_WHITELIST", "127.0.0.0/8")], &url).await, None);
    // Nothing listens there.
    let (env, gone) = (("SIDEHOOK_REQUEST_PROXY", "env"), ("HTTP_PROXY", "http://127.0.0.1:1"));
    assert_eq!(message(&[gone], &url).await, None);
    assert_eq!(message(&[env, gone, ("NO_PROXY", "127.0.0.1")], &url).await, None);
    let unreached = message(&[env, gone], &url).await.unwrap_or_default();
    assert!(unreached.starts_with("The proxy cannot be reached"), "{unreached}");
    for (settings, reason) in [
        (("SERVER_REQUEST_WHITELIST", "example.com"), "Add it to SERVER_REQUEST_WHITELIST"),
        (("SERVER_REQUEST_DISALLOW_IP", "true"), "SERVER_REQUEST_DISALLOW_IP is enabled"),
        (("SIDEHOOK_REQUEST_PRIVATE", "refuse"), "SIDEHOOK_REQUEST_PRIVATE refuses"),
        (("SIDEHOOK_REQUEST_PROXY", "http://127.0.0.1:1"), "The proxy cannot be reached"),
        (("SIDEHOOK_REQUEST_RESPONSE_LIMIT", "10"), "maxContentLength size of 10 exceeded"),
    ] {
        let message = message(&[settings], &url).await.unwrap_or_default();
        assert!(message.contains(reason), "{settings:?}: {message}");
    }
}
