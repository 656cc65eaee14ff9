//! The request log: which requests leave which row, and what never is in it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use entity::{Table, request};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sidehook::store::request::RequestFilter;
use sidehook::store::workflow::NewWorkflow;

use crate::collections;
use crate::databases::Kind;
use crate::fixture::{Node, node, workflow};
use crate::process::Process;
use crate::records::plain;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_every_database, prepare};
use crate::wait::until;

/// All rows, the oldest first.
async fn rows_of(rows: &Rows) -> Vec<request::Model> {
    let mut found =
        rows.store.find_requests(&RequestFilter::default(), 1_000_000).await.expect("the log is read");
    found.reverse();
    found
}

/// The newest row, once there are so many and its answer is known.
async fn newest(rows: &Rows, count: usize) -> request::Model {
    let is_there = async || {
        let found = rows_of(rows).await;
        found.len() == count && found.iter().all(|row| row.status.is_some())
    };
    until(is_there, || format!("there are not {count} rows")).await;
    rows_of(rows).await.pop().expect("a row")
}

fn picking(sidehook: &Value) -> Value {
    json!({"request": {"body": [{"key": "n"}]}, "sidehook": sidehook})
}

fn respond(status: u16) -> Node {
    node("answer", "response", json!({"statusCode": status, "body": "said"}))
}

fn ending(status: i32) -> Node {
    node("end", "end", json!({"endStatus": status}))
}

/// What a row says of what came of its request.
fn told(row: &request::Model) -> (Option<&str>, Option<i32>, Option<&str>, bool) {
    let has_execution = row.execution_id.is_some();
    (row.workflow_key.as_deref(), row.status, row.body.as_deref(), has_execution)
}

const BODY: &str = r#"{"n":7}"#;

async fn post(server: &TestServer, key: &str, body: &'static str) -> u16 {
    let request = client().post(server.trigger_url(key)).header("content-type", "application/json");
    request.body(body).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn every_execution_has_the_row_of_its_request() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hooks = [
            workflow("good", true, &picking(&json!({})), &[respond(201)]),
            workflow("bad", true, &picking(&json!({})), &[ending(-1)]),
            workflow("later", false, &picking(&json!({})), &[]),
            workflow("once", true, &picking(&json!({"idempotency": {"from": "body:n"}})), &[respond(200)]),
        ];
        for hook in &hooks {
            server.add(hook).await;
        }
        assert_eq!(post(&server, "good", BODY).await, 201);
        let row = newest(&server, 1).await;
        assert_eq!(told(&row), (Some("good"), Some(201), None, true));
        let execution = server.executions(hooks[0].id).await[0]["id"].as_i64();
        assert_eq!((row.execution_id, row.workflow_id), (execution, Some(hooks[0].id)));
        assert_eq!((&*row.method, &*row.path), ("POST", "/api/webhook:trigger/good"));
        assert_eq!((row.body_size, row.content_type.as_deref()), (7, Some("application/json")));
        assert_eq!(row.body_sha256, Some(sha256(BODY)));
        assert_eq!(row.peer.as_deref(), Some("127.0.0.1"));
        assert_eq!(row.instance, server.app.engine.owner().number);
        assert!(row.duration_ms.is_some() && row.reason.is_none());

        assert_eq!(post(&server, "bad", BODY).await, 500);
        let row = newest(&server, 2).await;
        assert_eq!(told(&row), (Some("bad"), Some(500), Some(BODY), true));
        assert_eq!(row.body_encoding.as_deref(), Some("utf-8"));

        assert_eq!(post(&server, "later", BODY).await, 200);
        assert_eq!(told(&newest(&server, 3).await), (Some("later"), Some(200), None, true));

        // Its row is there before the end of its run is known.
        assert_eq!(post(&server, "once", BODY).await, 200);
        let first = newest(&server, 4).await;
        assert_eq!(told(&first), (Some("once"), Some(200), None, true));
        assert_eq!(first.delivery_id.as_deref(), Some("7"));
        assert_eq!(post(&server, "once", BODY).await, 200);
        let row = newest(&server, 5).await;
        assert_eq!(told(&row), (Some("once"), Some(200), None, false));
        assert_eq!((row.duplicate_of, row.delivery_id.as_deref()), (first.execution_id, Some("7")));
        server.settled(hooks[2].id, 1, Duration::from_secs(60)).await;
        server.stop().await;
    })
    .await;
}

/// Rows that are written together, of which some have what others lack, or characters that are marks in a statement.
#[tokio::test]
async fn bodies_of_any_characters_come_back() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        server.add(&workflow("k", true, &picking(&json!({})), &[respond(200)])).await;
        let kinds = ["plain", "a\u{1f}b", "\u{1e}", "", "\u{1f}\u{1f}", "ä\u{1f600}\n"];
        let (client, url) = (client(), server.trigger_url("k"));
        let send = async |n: usize| {
            let request = client.post(&url).header("content-type", "text/plain").body(kinds[n % kinds.len()]);
            assert_eq!(request.send().await.expect("an answer").status(), 200);
        };
        const REQUESTS: usize = 120;
        send(3).await;
        send(2).await;
        join_all((0..REQUESTS - 2).map(send)).await;
        let is_there = async || rows_of(&server).await.len() == REQUESTS;
        until(is_there, || "rows are missing".to_owned()).await;
        let mut kept: Vec<String> =
            rows_of(&server).await.into_iter().map(|row| row.body.unwrap_or_default()).collect();
        let sent = [3, 2].into_iter().chain(0..REQUESTS - 2).map(|n| kinds[n % kinds.len()].to_owned());
        let mut sent: Vec<String> = sent.collect();
        sent.sort_unstable();
        kept.sort_unstable();
        assert_eq!(kept, sent);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requests_without_an_execution_have_rows_that_say_why() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let filter = json!({"calculation": {"calculator": "equal", "operands": ["{{$context.body.n}}", 1]}});
        let meta = json!({"challenge": {"type": "meta", "token": "v"}});
        for (key, sidehook) in [("some", json!({"filter": filter})), ("asked", meta), ("k", json!({}))] {
            server.add(&workflow(key, false, &picking(&sidehook), &[])).await;
        }
        assert_eq!(post(&server, "some", BODY).await, 200);
        let row = newest(&server, 1).await;
        assert_eq!(told(&row), (Some("some"), Some(200), None, false));
        assert_eq!(row.reason.as_deref(), Some("It does not meet the filter."));

        assert_eq!(post(&server, "nobodys", BODY).await, 404);
        let row = newest(&server, 2).await;
        assert_eq!(told(&row), (None, Some(404), None, false));
        assert_eq!(row.reason.as_deref(), Some("No enabled webhook workflow has this key."));

        assert_eq!(post(&server, "k", "{").await, 400);
        let row = newest(&server, 3).await;
        assert_eq!(told(&row), (Some("k"), Some(400), Some("{"), false));

        let query = "hub.mode=subscribe&hub.challenge=5&hub.verify_token=";
        let asking = client().get(format!("{}?{query}v", server.trigger_url("asked")));
        assert_eq!(asking.send().await.expect("an answer").status(), 200);
        let row = newest(&server, 4).await;
        assert_eq!(told(&row), (Some("asked"), Some(200), None, false));
        assert_eq!(row.query, format!("{query}[withheld]"));
        assert_eq!(row.reason.as_deref(), Some("It is a challenge."));

        let asking = client().request(reqwest::Method::OPTIONS, server.trigger_url("k"));
        let asking =
            asking.header("origin", "https://shop.example").header("access-control-request-method", "POST");
        assert_eq!(asking.send().await.expect("an answer").status(), 204);
        assert_eq!(told(&newest(&server, 5).await), (Some("k"), Some(204), None, false));
        server.stop().await;
    })
    .await;
}

fn sha256(text: &str) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

#[tokio::test]
async fn a_trigger_says_what_is_kept_of_its_requests() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS_BODY", "4b")]).await;
        let hook = |key: &str, level: &str, nodes: &[Node]| {
            workflow(key, true, &picking(&json!({"log": level})), nodes)
        };
        let hooks = [
            hook("off", "off", &[ending(-1)]),
            hook("good", "refused", &[]),
            hook("bad", "refused", &[ending(-1)]),
            hook("whole", "bodies", &[]),
        ];
        for hook in &hooks {
            server.add(hook).await;
        }
        for key in ["off", "good", "bad", "whole"] {
            server.post(key, &json!({"n": "é"})).await;
        }
        newest(&server, 2).await;
        let rows = rows_of(&server).await;
        assert_eq!(told(&rows[0]), (Some("bad"), Some(500), Some(r#"{"n""#), true));
        assert_eq!(told(&rows[1]), (Some("whole"), Some(200), Some(r#"{"n""#), true));
        assert_eq!(rows[1].body_size, 10);
        server.stop().await;
    })
    .await;
}

const SECRET: &str = "plantedneedle";

/// A workflow for each way in which senders show a secret, and one that nobody can use; each with an asynchronous one
/// beside it.
async fn add_guarded(server: &TestServer) {
    let basic = json!({"username": "someone", "password": SECRET});
    let signed = json!({"scheme": "hmac", "secret": SECRET, "header": "x-proof"});
    let triggers = [
        ("basic", json!({"basicAuthentication": basic, "request": {}})),
        ("header", picking(&json!({"auth": {"header": "x-own", "value": SECRET}}))),
        ("query", picking(&json!({"auth": {"query": "code", "value": SECRET}}))),
        ("bearer", picking(&json!({"auth": {"bearer": SECRET}}))),
        ("signed", picking(&json!({"signature": signed}))),
        ("path", picking(&json!({"path": "in/:token"}))),
        ("faulty", picking(&json!({"auth": {"headers": "x-own", "value": SECRET}}))),
    ];
    for (key, trigger) in triggers {
        server.add(&workflow(key, true, &trigger, &[])).await;
        let mut trigger = trigger;
        if key == "path" {
            trigger["sidehook"]["path"] = json!("later/:token");
        }
        server.add(&workflow(&format!("{key}-later"), false, &trigger, &[])).await;
    }
}

#[tokio::test]
async fn secrets_of_senders_are_nowhere_in_the_log() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        add_guarded(&server).await;
        let mut sent = 0;
        for (suffix, path) in [("", "in"), ("-later", "later")] {
            let post = |key: &str| client().post(server.trigger_url(&format!("{key}{suffix}")));
            // The right secret, and one that is refused.
            for secret in [SECRET.to_owned(), format!("{SECRET}2")] {
                let query = client().post(format!(
                    "{}?code={secret}&api_key={secret}",
                    server.trigger_url(&format!("query{suffix}"))
                ));
                let requests = [
                    post("basic").basic_auth("someone", Some(&secret)),
                    post("header").header("x-own", &secret),
                    query,
                    post("bearer").bearer_auth(&secret),
                    post("signed").header("x-proof", hmac(&secret, b"{}")).header("cookie", &secret),
                    client().post(format!("{}/{path}/{secret}", server.url)),
                    post("faulty").header("x-own", &secret),
                    client().post(format!("{}?code={secret}", server.trigger_url("gone"))),
                ];
                for request in requests {
                    let request = request.header("content-type", "application/json").body("{}");
                    request.send().await.expect("an answer");
                    sent += 1;
                }
            }
        }
        newest(&server, sent).await;
        let all = rows_of(&server).await.iter().map(|row| format!("{row:?}\n")).collect::<String>();
        let encoded = BASE64.encode(format!("someone:{SECRET}"));
        for secret in [SECRET, &hmac(SECRET, b"{}"), &hmac(&format!("{SECRET}2"), b"{}"), &encoded] {
            assert!(!all.contains(secret), "{secret} is in {all}");
        }
        let let_in = rows_of(&server).await.iter().filter(|row| row.status == Some(200)).count();
        assert_eq!(let_in, 14, "{all}");
        let is_idle = async || server.count(Table::Leases).await == 0;
        until(is_idle, || "executions go on".to_owned()).await;
        server.stop().await;
    })
    .await;
}

fn hmac(secret: &str, body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(ring::hmac::sign(&key, body))
}

#[tokio::test]
async fn a_flood_of_refusals_is_bounded_and_those_beside_it_are_let_in() {
    const REFUSED: usize = 3_000;
    on_every_database(async |database| {
        let settings = [("SIDEHOOK_FAILURE_LIMIT", "0"), ("SIDEHOOK_REQUESTS_MAX", "500")];
        let server = TestServer::start_with(&database, &settings).await;
        let hook = workflow("k", true, &json!({"request": {}}), &[]);
        server.add(&hook).await;
        let (one, url) = (client(), server.trigger_url("nobodys"));
        let flood = async |count: usize| {
            for _ in 0..count {
                let refused = one.post(&url).body("x".repeat(2_000)).send().await.expect("an answer");
                assert_eq!(refused.status(), 404);
            }
        };
        let accepted = async {
            for _ in 0..30 {
                assert_eq!(server.post("k", &json!({})).await.status(), 200);
            }
        };
        tokio::join!(join_all((0..20).map(|_| flood(REFUSED / 20))), accepted);
        // All of them are written or counted, and then removed but for the newest.
        let is_settled = async || {
            let log = &server.app.requests;
            let is_whole = log.written() + log.dropped() == REFUSED as u64;
            is_whole && server.count(Table::Requests).await <= 600
        };
        let state = || {
            format!("{} written, {} dropped", server.app.requests.written(), server.app.requests.dropped())
        };
        until(is_settled, state).await;
        assert_eq!(server.executions(hook.id).await.len(), 30);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn events_are_taken_where_the_log_cannot_be_written() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        collections::create(&server, &[plain("marks", json!([{"name": "n", "type": "integer"}]))]).await;
        server.app.collections.refresh().await.expect("the collections are read");
        let create = json!({"collection": "marks", "params": {"values": {"n": 1}}});
        let once = json!({"idempotency": {"from": "body:n"}});
        let hooks = [
            workflow("now", true, &picking(&json!({})), &[respond(201)]),
            workflow("writes", true, &picking(&json!({})), &[node("c", "create", create), respond(201)]),
            workflow("once", true, &picking(&once), &[respond(201)]),
            workflow("later", false, &picking(&json!({})), &[]),
        ];
        for hook in &hooks {
            server.add(hook).await;
        }
        server.execute(&format!("DROP TABLE {}", server.table(Table::Requests))).await;
        for (hook, status) in hooks.iter().zip([201, 201, 201, 200]) {
            assert_eq!(post(&server, &hook.key, BODY).await, status, "{}", hook.key);
            server.settled(hook.id, 1, Duration::from_secs(60)).await;
        }
        assert_eq!(server.number("SELECT COUNT(*) FROM marks").await, 1);
        assert_eq!(post(&server, "nobodys", BODY).await, 404);
        let metrics = server.app.metrics.measured(&[]).text();
        let lacking = metrics.lines().find(|line| line.starts_with("sidehook_request_log_failed_total"));
        let count: u64 = lacking.and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a number");
        assert!(count >= 4, "four requests were left out: {count}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn old_requests_are_removed() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let table = rows.table(Table::Requests);
        let no = if database.kind == Kind::Postgres { "false" } else { "0" };
        let insert = |id: i64, received_at: i64| {
            format!(
                "INSERT INTO {table} (id, received_at, method, path, query, headers, body_size, is_admitted, \
                 instance) \
                 VALUES ({id}, {received_at}, 'POST', '/', '', '[]', 0, {no}, 0)"
            )
        };
        let now = sidehook::clock::Clock::now(&sidehook::clock::SystemClock).timestamp_millis();
        for id in 0..2_500 {
            rows.execute(&insert(id, 1_000)).await;
        }
        rows.execute(&insert(2_500, now)).await;
        let server = TestServer::start(&database).await;
        let is_tidy = async || rows.count(Table::Requests).await == 1;
        until(is_tidy, || "old rows are left".to_owned()).await;
        assert_eq!(rows_of(&rows).await[0].id, 2_500);
        server.stop().await;
        rows.store.db.close().await.expect("the connection closes");
    })
    .await;
}

/// A workflow that is acknowledged at once, and one whose caller waits.
fn hooks() -> [NewWorkflow; 2] {
    [true, false].map(|is_sync| {
        let key = if is_sync { "now" } else { "later" };
        workflow(key, is_sync, &json!({"request": {"body": [{"key": "n"}]}}), &[])
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_acknowledged_before_a_kill_has_its_row() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hooks = hooks();
        for hook in &hooks {
            rows.add(hook).await;
        }
        let mut process = Process::serve(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        let urls = ["now", "later"].map(|key| process.trigger_url(key));
        let one = client();
        let send = async |sender: usize| {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                let mark = format!("{sender}-{n}");
                let request = one.post(&urls[n % 2]).json(&json!({"n": mark}));
                match request.send().await {
                    Ok(answer) if answer.status() == 200 => acknowledged.push(mark),
                    _ => break,
                }
            }
            acknowledged
        };
        let kill = async {
            until(async || rows.count(Table::Requests).await > 300, || "nothing is logged".to_owned()).await;
            process.signal("KILL").await;
            process.ended().await;
        };
        let (acknowledged, ()) = tokio::join!(join_all((0..8).map(send)), kill);
        let logged: Vec<String> = rows_of(&rows).await.into_iter().filter_map(|row| row.body).collect();
        let acknowledged: Vec<String> = acknowledged.into_iter().flatten().collect();
        assert!(acknowledged.len() > 250, "{} acknowledged", acknowledged.len());
        let sent: std::collections::HashSet<&str> = logged.iter().map(String::as_str).collect();
        for mark in &acknowledged {
            assert!(sent.contains(&*json!({"n": mark}).to_string()), "{mark} is not in the log");
        }
        // And none without its execution.
        let without = rows_of(&rows).await.into_iter().filter(|row| row.execution_id.is_none()).count();
        assert_eq!(without, 0);
        rows.store.db.close().await.expect("the connection closes");
    })
    .await;
}
