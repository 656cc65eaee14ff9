//! `sidehook replay`: recorded requests once more, in the command's own process and to a server.

use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use super::history::sidehook;
use crate::databases::TestDatabase;
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, client, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// How many requests a day has, unless `SIDEHOOK_TEST_REPLAYS` says so.
const REQUESTS: usize = 400;

fn requests_of_a_day() -> usize {
    let wanted = std::env::var("SIDEHOOK_TEST_REPLAYS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(REQUESTS)
}

async fn logged(server: &TestServer, count: i64) {
    let is_there = async || server.count(Table::Requests).await == count;
    until(is_there, || format!("there are not {count} rows")).await;
}

/// The contexts of all executions of a workflow, sorted.
async fn contexts(rows: &Rows, workflow: &NewWorkflow) -> Vec<String> {
    let executions = rows.settled(workflow.id, 0, TIMEOUT).await;
    let mut contexts: Vec<String> = executions.iter().map(|row| row["context"].to_string()).collect();
    contexts.sort_unstable();
    contexts
}

/// The last line that a replay prints, without what it logs.
async fn replayed(database: &TestDatabase, arguments: &[&str]) -> (bool, String) {
    sidehook(database, &[&["replay"], arguments].concat()).await
}

/// A body of one of three forms, with its type.
fn body(n: usize) -> (&'static str, Vec<u8>) {
    match n % 3 {
        0 => ("application/json", json!({"n": n, "text": "ä\u{1f600}"}).to_string().into_bytes()),
        1 => ("application/x-www-form-urlencoded", format!("n={n}&text=a+b%26").into_bytes()),
        _ => {
            let part = |name: &str| format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"");
            let (first, second) = (part("n"), format!("{}; filename=\"f\"", part("text")));
            let text = format!("{first}\r\n\r\n{n}\r\n{second}\r\n\r\n");
            let file: &[u8] = &[255, 0, 1];
            ("multipart/form-data; boundary=x", [text.as_bytes(), file, b"\r\n--x--\r\n"].concat())
        }
    }
}

#[tokio::test]
async fn the_requests_of_a_day_lead_to_the_same_executions() {
    on_every_database(async |database| {
        let requests = requests_of_a_day();
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        let items = json!({"request": {
            "headers": [{"key": "x-source"}], "query": [{"key": "q"}], "body": [{"key": "n"}, {"key": "text"}],
        }});
        let now = workflow("now", true, &items, &[node("out", "output", json!({"value": "{{$context}}"}))]);
        let later = workflow("later", false, &items, &[]);
        for hook in [&now, &later] {
            server.add(hook).await;
        }
        let (one, urls) = (client(), ["now", "later"].map(|key| server.trigger_url(key)));
        let send = async |sender: usize| {
            for n in (sender..requests).step_by(16) {
                let request = one.post(format!("{}?q={n}%26", urls[n % 2])).header("x-source", "shop é");
                let (content_type, body) = body(n);
                let request = request.header("content-type", content_type).body(body);
                assert_eq!(request.send().await.expect("an answer").status(), 200);
            }
        };
        join_all((0..16).map(send)).await;
        server.settled(later.id, requests / 2, TIMEOUT).await;
        logged(&server, requests as i64).await;
        server.stop().await;

        let rows = Rows { store: prepare(&database, &[]).await };
        let before = [contexts(&rows, &now).await, contexts(&rows, &later).await];
        let (succeeded, told) = replayed(&database, &["--since", "1d", "--parallel", "16"]).await;
        let summary = format!("{requests} sent, 0 left out, {requests} answered with 200");
        assert!(succeeded && told.contains(&summary), "{told}");
        // The command takes asynchronous ones on, and a server those that were left when it ended.
        let server = TestServer::start(&database).await;
        server.settled(later.id, requests, TIMEOUT).await;
        for (hook, before) in [&now, &later].into_iter().zip(before) {
            assert_eq!(before.len(), requests / 2);
            let twice: Vec<&String> = before.iter().flat_map(|context| [context, context]).collect();
            let after = contexts(&rows, hook).await;
            assert_eq!(after.iter().collect::<Vec<_>>(), twice, "{}", hook.key);
        }
        server.stop().await;
        rows.store.db.close().await.expect("the connection closes");
    })
    .await;
}

/// A webhook with a secret, and an id of its deliveries.
fn guarded() -> NewWorkflow {
    let sidehook = json!({
        "signature": {"scheme": "hmac", "secret": "planted", "header": "x-proof"},
        "auth": {"header": "x-api-key", "value": "planted"},
        "ipAllowlist": ["127.0.0.1"],
        "idempotency": {"from": "header:x-event-token", "required": true},
    });
    workflow("k", true, &json!({"request": {"body": [{"key": "n"}]}, "sidehook": sidehook}), &[])
}

async fn post(server: &TestServer, secret: &str, id: &str, body: &Value) -> u16 {
    let (body, key) = (body.to_string(), ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes()));
    let proof = hex::encode(ring::hmac::sign(&key, body.as_bytes()));
    let request = client().post(server.trigger_url("k")).header("content-type", "application/json");
    let request = request.header("x-proof", proof).header("x-api-key", secret).header("x-event-token", id);
    request.body(body).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn requests_that_were_let_in_are_sent_without_their_secrets() {
    on_every_database(async |database| {
        let settings = [("SIDEHOOK_REQUESTS", "bodies"), ("SIDEHOOK_REQUESTS_BODY", "100b")];
        let server = TestServer::start_with(&database, &settings).await;
        let hook = guarded();
        server.add(&hook).await;
        assert_eq!(post(&server, "planted", "a", &json!({"n": 1})).await, 200);
        assert_eq!(post(&server, "wrong", "b", &json!({"n": 2})).await, 401);
        assert_eq!(post(&server, "planted", "c", &json!({"n": "x".repeat(200)})).await, 200);
        logged(&server, 3).await;

        let (succeeded, told) = replayed(&database, &["--workflow", "k", "--dry-run"]).await;
        assert!(succeeded && told.contains("1 would be sent, 2 left out"), "{told}");
        assert!(told.contains("it was not let in when it came"), "{told}");
        assert!(told.contains("only the beginning of its body is kept"), "{told}");
        logged(&server, 3).await;
        let (succeeded, told) = replayed(&database, &["--workflow", "k"]).await;
        assert!(succeeded && told.contains("1 sent, 2 left out, 1 answered with 200"), "{told}");
        assert!(told.contains("a duplicate of execution"), "{told}");
        assert_eq!(server.executions(hook.id).await.len(), 2);
        let (succeeded, told) = replayed(&database, &["--workflow", "k", "--again"]).await;
        assert!(succeeded && told.contains("1 sent, 3 left out"), "replays are left out: {told}");
        let executions = server.executions(hook.id).await;
        assert_eq!((executions.len(), &executions[2]["context"]), (3, &executions[0]["context"]));

        // A server checks all of it again.
        let to = ["--workflow", "k", "--text", r#"{"n":1}"#, "--to", &server.url];
        let (succeeded, told) = replayed(&database, &to).await;
        assert!(!succeeded && told.contains("200 -> 401"), "{told}");
        let (succeeded, told) = replayed(&database, &["--to", &server.url, "1"]).await;
        assert!(!succeeded && told.contains("no request has the id 1"), "{told}");
        let (succeeded, told) = replayed(&database, &[]).await;
        assert!(!succeeded && told.contains("say which requests"), "{told}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_withheld_can_be_given_to_a_server() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        let auth = json!({"auth": {"header": "x-api-key", "value": "planted"}});
        let trigger = json!({"request": {"body": [{"key": "n"}]}, "sidehook": auth});
        let hook = workflow("k", true, &trigger, &[]);
        server.add(&hook).await;
        let request = client().post(server.trigger_url("k")).header("x-api-key", "planted");
        assert_eq!(request.json(&json!({"n": 1})).send().await.expect("an answer").status(), 200);
        logged(&server, 1).await;
        let given = ["--since", "1h", "--to", &server.url, "--header", "X-Api-Key: planted"];
        let (succeeded, told) = replayed(&database, &given).await;
        assert!(succeeded && told.contains("1 sent, 0 left out, 1 answered with 200"), "{told}");
        let executions = server.executions(hook.id).await;
        assert_eq!((executions.len(), &executions[1]["context"]), (2, &executions[0]["context"]));
        server.stop().await;
    })
    .await;
}
