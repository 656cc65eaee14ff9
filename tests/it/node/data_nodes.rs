//! The nodes that write records, in a running sidehook.

use std::sync::{Arc, Mutex};

use poem::http::{Method, StatusCode};
use poem::listener::TcpAcceptor;
use poem::{Request, Response, Server};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::records::plain;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};
use crate::{collections, fixture};

fn creating(key: &str, is_sync: bool) -> sidehook::store::workflow::NewWorkflow {
    let create = json!({"collection": "marks", "params": {"values": {"n": "{{$context.body.n}}"}}});
    let trigger = json!({"request": {"body": [{"key": "n"}]}});
    workflow(key, is_sync, &trigger, &[node("c", "create", create)])
}

async fn marks(database: &TestDatabase) -> Rows {
    let rows = Rows { store: prepare(database, &[]).await };
    collections::create(&rows, &[plain("marks", json!([{"name": "n", "type": "integer"}]))]).await;
    rows
}

/// The process is killed when the record is written and its job is not: a lock on the table of the jobs makes it
/// wait between the two. SQLite has no locks on tables.
#[tokio::test]
async fn a_kill_between_a_write_and_its_job_leaves_neither() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = marks(&database).await;
        rows.add(&creating("hook", false)).await;
        let mut process = Process::serve(&database, &[]).await;
        let (lock, unlock, waiting) = match database.kind {
            Kind::Postgres => (
                "LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE",
                "ROLLBACK",
                "SELECT COUNT(*) FROM pg_locks WHERE NOT granted",
            ),
            _ => (
                "LOCK TABLES jobs WRITE",
                "UNLOCK TABLES",
                "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' \
                 AND db = DATABASE()",
            ),
        };
        let held = rows.store.db.begin().await.expect("a connection");
        held.execute_unprepared(lock).await.expect("a lock");
        let url = process.trigger_url("hook");
        let answer = client().post(url).json(&json!({"n": 7})).send().await.expect("it is recorded");
        assert_eq!(answer.status(), 200);
        until(
            async || rows.number(waiting).await > 0,
            || "the node does not wait to record its job".to_owned(),
        )
        .await;
        process.signal("KILL").await;
        process.ended().await;
        held.execute_unprepared(unlock).await.expect("it is given back");
        drop(held);
        until(async || rows.number(waiting).await == 0, || "the dead connection is still there".to_owned())
            .await;
        assert_eq!(rows.number("SELECT COUNT(*) FROM marks").await, 0, "{}", database.kind);
        assert_eq!(rows.number("SELECT COUNT(*) FROM jobs").await, 0);
        let next = Process::serve(&database, &[]).await;
        let ended = "SELECT COUNT(*) FROM executions WHERE status = 1";
        until(async || rows.number(ended).await == 1, || "the execution is not taken over".to_owned()).await;
        assert_eq!(rows.number("SELECT COUNT(*) FROM marks WHERE n = 7").await, 1, "{}", next.printed());
        assert_eq!(rows.number("SELECT COUNT(*) FROM marks").await, 1);
        assert_eq!(rows.number("SELECT COUNT(*) FROM jobs WHERE status = 1").await, 1);
    })
    .await;
}

/// An execution whose row was written with a record is counted at its end, whoever comes to that.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_is_taken_over_after_a_write_is_counted_once() {
    on_every_database(async |database| {
        let rows = marks(&database).await;
        let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", target.local_addr().expect("an address"));
        let create = json!({"collection": "marks", "params": {"values": {"n": 1}}});
        let request = json!({"method": "GET", "url": url, "timeout": 60_000});
        let nodes = [node("c", "create", create), node("r", "request", request)];
        let hook = workflow("hook", true, &json!({}), &nodes);
        rows.add(&hook).await;
        let mut process = Process::serve(&database, &[]).await;
        let call = tokio::spawn(client().post(process.trigger_url("hook")).json(&json!({})).send());
        let called =
            async || timeout(TIMEOUT, target.accept()).await.expect("a call in time").expect("a call").0;
        let unanswered = called().await;
        process.signal("KILL").await;
        process.ended().await;
        assert!(call.await.expect("no panic").is_err(), "the caller is told nothing");
        drop(unanswered);
        assert_eq!(rows.stats("hook", hook.id).await, "0,0", "{}", database.kind);
        let next = Process::serve(&database, &[]).await;
        let mut answered = called().await;
        assert!(answered.read(&mut [0; 4096]).await.expect("a request") > 0);
        answered.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("an answer");
        let ended = "SELECT COUNT(*) FROM executions WHERE status = 1";
        until(async || rows.number(ended).await == 1, || next.printed()).await;
        assert_eq!(rows.stats("hook", hook.id).await, "1,1", "{}", database.kind);
        assert_eq!(rows.number("SELECT COUNT(*) FROM marks").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_fails_leaves_nothing_of_what_it_wrote() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let line = plain("lines", json!([{"name": "sku", "type": "string", "allowNull": false}]));
        let lines = json!({"name": "lines", "type": "hasMany", "target": "lines", "foreignKey": "orderId",
                           "sourceKey": "id", "targetKey": "id"});
        let order = plain("orders", json!([{"name": "no", "type": "string"}, lines]));
        collections::create(&server, &[line, order]).await;
        server.app.collections.refresh().await.expect("the collections are read");
        let values = json!({"no": "A", "lines": [{"sku": "x"}, {"sku": null, "id": null}]});
        let create = json!({"collection": "orders", "params": {"values": values}});
        let fails = fixture::node("c", "create", create);
        let hook = workflow("hook", true, &json!({}), &[fails]);
        server.add(&hook).await;
        let answer = server.client.post(format!("{}/api/webhook:trigger/hook", server.url)).send().await;
        assert_eq!(answer.expect("it answers").status(), 500);
        let executions = server.executions(hook.id).await;
        let jobs = server.jobs(executions[0]["id"].as_i64().expect("an id")).await;
        assert_eq!(jobs[0]["status"], -2);
        assert_eq!(server.number("SELECT COUNT(*) FROM orders").await, 0, "{}", database.kind);
        assert_eq!(server.number(&format!("SELECT COUNT(*) FROM {}", server.quoted("lines"))).await, 0);
        server.stop().await;
    })
    .await;
}

/// What a stand-in for NocoBase's API was asked: path with query and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

async fn api(asked: Asked) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound port"));
    let endpoint = poem::endpoint::make(move |mut request: Request| {
        let asked = asked.clone();
        async move {
            assert_eq!(
                (request.method(), request.header("authorization")),
                (&Method::POST, Some("Bearer k3y"))
            );
            let uri = request.original_uri().to_string();
            let body = request.take_body().into_bytes().await.expect("a body");
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            asked.lock().expect("no panic").push((uri.clone(), body.clone()));
            let (status, data) = match uri.split(['?', '/']).nth(2).expect("an action") {
                "marks:create" if body["n"] == 13 => {
                    (StatusCode::BAD_REQUEST, json!({"errors": [{"message": "n cannot be 13"}]}))
                }
                "marks:create" => (StatusCode::OK, json!({"data": {"id": 50, "n": body["n"]}})),
                "marks:update" => (StatusCode::OK, json!({"data": [{"id": 1}, {"id": 2}]})),
                _ => (StatusCode::OK, json!({"data": 1})),
            };
            Response::builder().status(status).content_type("application/json").body(data.to_string())
        }
    });
    let acceptor = TcpAcceptor::from_tokio(listener).expect("an acceptor");
    tokio::spawn(async move {
        let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
    });
    url
}

#[tokio::test]
async fn writes_go_through_nocobases_api_where_that_is_set() {
    on_every_database(async |database| {
        let asked = Asked::default();
        let url = api(asked.clone()).await;
        let settings = [
            ("SIDEHOOK_NOCOBASE_URL", url.as_str()),
            ("SIDEHOOK_NOCOBASE_API_KEY", "k3y"),
            ("SIDEHOOK_DATA_WRITES", "api"),
        ];
        let server = TestServer::start_with(&database, &settings).await;
        collections::create(&server, &[plain("marks", json!([{"name": "n", "type": "integer"}]))]).await;
        server.app.collections.refresh().await.expect("the collections are read");
        server.execute("INSERT INTO marks (n) VALUES (1), (1), (2)").await;
        let one = |n: i64| json!({"filter": {"n": n}, "values": {"n": 5}});
        let nodes = [
            node("made", "create", json!({"collection": "marks", "params": {"values": {"n": 5}}})),
            node("changed", "update", json!({"collection": "marks", "params": one(1)})),
            node("gone", "destroy", json!({"collection": "marks", "params": one(2)})),
            node("none", "destroy", json!({"collection": "marks", "params": {}})),
            node("nobody", "update", json!({"collection": "marks", "params": one(99)})),
            node("refused", "create", json!({"collection": "marks", "params": {"values": {"n": 13}}})),
        ];
        let hook = workflow("hook", true, &json!({}), &nodes);
        server.add(&hook).await;
        let answer = server.client.post(format!("{}/api/webhook:trigger/hook", server.url)).send().await;
        assert_eq!(answer.expect("it answers").status(), 500);
        let executions = server.executions(hook.id).await;
        let jobs = server.jobs(executions[0]["id"].as_i64().expect("an id")).await;
        let results: Vec<(&Value, &Value)> =
            jobs.iter().map(|job| (&job["status"], &job["result"])).collect();
        let (done, failed) = (json!(1), json!(-2));
        let expected = [
            (&done, &json!({"id": 50, "n": 5})),
            (&done, &json!(2)),
            (&done, &json!(1)),
            (&done, &Value::Null),
            (&done, &json!(0)),
            (&failed, &json!({"message": "n cannot be 13"})),
        ];
        assert_eq!(results, expected, "{}", database.kind);
        let asked = asked.lock().expect("no panic").clone();
        let paths: Vec<&str> =
            asked.iter().map(|(uri, _)| uri.split('?').next().unwrap_or_default()).collect();
        assert_eq!(
            paths,
            ["/api/marks:create", "/api/marks:update", "/api/marks:destroy", "/api/marks:create"]
        );
        assert!(
            asked[1].0.ends_with("?filter=%7B%22id%22%3A%7B%22%24in%22%3A%5B1%2C2%5D%7D%7D"),
            "{}",
            asked[1].0
        );
        assert_eq!(asked[1].1, json!({"n": 5}));
        assert_eq!(server.number("SELECT COUNT(*) FROM marks").await, 3, "nothing is written directly");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn workflows_that_hang_on_records_are_found() {
    on_every_database(async |database| {
        let rows = marks(&database).await;
        let trigger = json!({"collection": "marks", "mode": 1});
        for (kind, is_enabled) in
            [("collection", true), ("schedule", true), ("collection", false), ("webhook", true)]
        {
            let hook = workflow(&format!("{kind}{is_enabled}"), false, &trigger, &[]);
            rows.add(&hook).await;
            let update = format!(
                "UPDATE workflows SET {} = '{kind}', enabled = {is_enabled} WHERE id = {}",
                rows.quoted("type"),
                hook.id
            );
            rows.execute(&update).await;
        }
        let mut found = rows.store.record_events().await.expect("it reads");
        found.sort_by(|left, right| left.trigger.cmp(&right.trigger));
        let kinds: Vec<(&str, &str)> = found.iter().map(|one| (&*one.trigger, &*one.title)).collect();
        assert_eq!(
            kinds,
            [("collection", "collectiontrue"), ("schedule", "scheduletrue")],
            "{}",
            database.kind
        );
        let config: Value = serde_json::from_str(&found[0].config).expect("JSON");
        assert_eq!(config, trigger);
    })
    .await;
}
