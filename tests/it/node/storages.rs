//! Files of object storages in request nodes: given to everybody, to those who sign, or not at all. The server here
//! answers by path; one that speaks S3 is s3rver (npm), where `SIDEHOOK_TEST_S3RVER` names the folder that it is installed
//! in.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::databases::{Kind, TestDatabase};
use crate::echo;
use crate::fixture::{next_id, node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database, prepare};
use crate::wait::until;

/// Answers `/open/…` to all, `/signed/…` to those who have signed, with a file of twelve bytes; nothing else.
struct Storage {
    base_url: String,
    _serving: JoinSet<()>,
}

impl Storage {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream));
            }
        });
        Self { base_url, _serving: serving }
    }
}

async fn answer(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
        return;
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_signed = target.contains("X-Amz-Signature=") && target.contains("X-Amz-Credential=key%2F");
    let status = match target.split('/').nth(1).unwrap_or_default() {
        "open" => "200 OK",
        "signed" if is_signed => "200 OK",
        "signed" => "403 Forbidden",
        "silent" => {
            // Until the client gives up.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return;
        }
        _ => "404 Not Found",
    };
    let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 12\r\nConnection: close\r\n\r\ntwelve bytes");
    let _ = stream.write_all(reply.as_bytes()).await;
}

async fn add_storage(rows: &Rows, id: i64, kind: &str, base_url: Option<&str>, options: &Value) {
    let (table, base_url) =
        (rows.table(entity::Table::Storages), base_url.map_or("NULL".to_owned(), |url| format!("'{url}'")));
    let columns = ["id", "type", "options", "baseUrl"].map(|name| rows.quoted(name)).join(", ");
    rows.execute(&format!(
        "INSERT INTO {table} ({columns}) VALUES ({id}, '{kind}', '{options}', {base_url})"
    ))
    .await;
}

/// The status of a request node that sends a file, with the body that was received, else with what it says.
async fn send(server: &TestServer, echo: &str, storage: i64, path: &str, filename: &str) -> (i64, String) {
    let file = json!({"storageId": storage, "path": path, "filename": filename, "mimetype": "text/plain"});
    let data = json!([{"name": "f", "valueType": "file", "file": "{{$context.body.file}}"}]);
    let config = json!({
        "url": format!("{echo}/echo"), "contentType": "multipart/form-data", "data": data, "method": "POST", "onlyData": true,
    });
    let key = format!("k{}", next_id());
    let trigger = json!({"request": {"body": [{"key": "file"}]}});
    let hook = workflow(&key, true, &trigger, &[node("n", "request", config)]);
    server.add(&hook).await;
    server.post(&key, &json!({"file": file})).await;
    let execution = server.executions(hook.id).await.remove(0);
    let job = server.jobs(execution["id"].as_i64().expect("an id")).await.remove(0);
    let said = ["body", "message"].into_iter().find_map(|name| job["result"][name].as_str());
    (job["status"].as_i64().expect("a status"), said.unwrap_or_default().to_owned())
}

async fn served(database: &TestDatabase, settings: &[(&str, &str)]) -> TestServer {
    let rows = Rows { store: prepare(database, &[]).await };
    crate::collections::prepare(&rows).await;
    let table = rows.table(entity::Table::EnvironmentVariables);
    let columns =
        ["name", "type", "value", "createdAt", "updatedAt"].map(|name| rows.quoted(name)).join(", ");
    let values = "'S3', 'default', 'secret', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP";
    rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES ({values})")).await;
    TestServer::start_with(database, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_object_storages_are_sent() {
    on_every_database(async |database| {
        let server = served(&database, &[("SIDEHOOK_REQUEST_TIME_LIMIT", "3s")]).await;
        let (storage, echo) = (Storage::start().await, echo::start().await.expect("the echo server starts"));
        let base = |path: &str| format!("{}/{path}", storage.base_url);
        let s3 = json!({"accessKeyId": "key", "secretAccessKey": "{{$env.S3}}", "bucket": "signed", "endpoint": storage.base_url});
        let cases = [
            // Everybody gets it.
            (1, "s3", Some(base("open")), json!({}), 1, "twelve bytes"),
            (2, "tx-cos", Some(base("open")), json!({}), 1, "twelve bytes"),
            // Only who signs, with a base URL and without.
            (3, "s3", Some(base("signed")), s3.clone(), 1, "twelve bytes"),
            (4, "s3", None, s3, 1, "twelve bytes"),
            // Whoever has no key is told what the server said.
            (5, "ali-oss", Some(base("signed")), json!({}), -1, "fetch file failed: AxiosError: Request failed with status code 403"),
            (6, "s3", Some(base("gone")), json!({}), -1, "Request failed with status code 404"),
            (7, "s3", Some(base("silent")), json!({}), -3, "fetch file failed: timeout of 3000ms exceeded"),
            (8, "s3", Some("http://127.0.0.1:1".to_owned()), json!({}), -1, "fetch file failed: connect ECONNREFUSED"),
            (9, "s3", None, json!({"accessKeyId": "key"}), -1, "its options have no secretAccessKey"),
        ];
        for (id, kind, base_url, options, status, said) in &cases {
            add_storage(&server, *id, kind, base_url.as_deref(), options).await;
            let job = send(&server, &echo.base_url, *id, "a b", "ü.txt").await;
            assert!(job.0 == *status && job.1.contains(said), "storage {id}: {job:?}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_keep_to_the_limits_of_requests() {
    let (storage, echo) = (Storage::start().await, echo::start().await.expect("the echo server starts"));
    for (setting, said) in [
        (("SIDEHOOK_REQUEST_FILE_LIMIT", "11"), "is too long to be sent"),
        (("SIDEHOOK_REQUEST_PROXY", "http://127.0.0.1:1"), "The proxy cannot be reached"),
    ] {
        let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
        let server = served(&database, &[setting]).await;
        add_storage(&server, 1, "s3", Some(&format!("{}/open", storage.base_url)), &json!({})).await;
        let job = send(&server, &echo.base_url, 1, "", "a.txt").await;
        assert!(job.0 == -1 && job.1.contains(said), "{job:?}");
        server.stop().await;
    }
}

/// s3rver with the bucket `b`, which has the object `a b/ü.txt`. Its key and its secret are `S3RVER`.
struct S3rver {
    url: String,
    _folder: tempfile::TempDir,
    _child: Child,
}

impl S3rver {
    async fn start() -> Option<Self> {
        let installed = std::env::var("SIDEHOOK_TEST_S3RVER").ok().filter(|folder| !folder.is_empty())?;
        let folder = tempfile::tempdir().expect("a folder");
        let object = folder.path().join("b/a b");
        std::fs::create_dir_all(&object).expect("a folder");
        std::fs::write(object.join("ü.txt._S3rver_object"), "twelve bytes").expect("written");
        let about = json!({"content-type": "text/plain"}).to_string();
        std::fs::write(object.join("ü.txt._S3rver_metadata.json"), about).expect("written");
        let port =
            TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let child = Command::new("node")
            .arg(format!("{installed}/node_modules/s3rver/bin/s3rver.js"))
            .args(["-s", "-a", "127.0.0.1", "--no-vhost-buckets", "-p", &port.to_string(), "-d"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("s3rver starts");
        until(
            async || TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
            || "s3rver is not there".to_owned(),
        )
        .await;
        Some(Self { url: format!("http://127.0.0.1:{port}"), _folder: folder, _child: child })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_s3_gives_files_to_those_it_knows() {
    let Some(s3) = S3rver::start().await else { return };
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = served(&database, &[]).await;
    let echo = echo::start().await.expect("the echo server starts");
    let options = |secret: &str| json!({"accessKeyId": "S3RVER", "secretAccessKey": secret, "bucket": "b", "endpoint": s3.url, "region": "eu-west-1"});
    add_storage(&server, 1, "s3", None, &options("S3RVER")).await;
    let mut unknown = options("hunter2");
    unknown["accessKeyId"] = json!("nobody");
    add_storage(&server, 2, "s3", None, &unknown).await;
    let sent = send(&server, &echo.base_url, 1, "a b", "ü.txt").await;
    assert!(sent.0 == 1 && sent.1.contains("twelve bytes"), "{sent:?}");
    let missing = send(&server, &echo.base_url, 1, "a b", "none.txt").await;
    assert!(missing.0 == -1 && missing.1.contains("status code 404"), "{missing:?}");
    let refused = send(&server, &echo.base_url, 2, "a b", "ü.txt").await;
    assert!(refused.0 == -1 && refused.1.contains("status code 403; check the keys"), "{refused:?}");
    server.stop().await;
}
