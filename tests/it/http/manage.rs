//! The URLs for those who manage sidehook.

use std::time::Duration;

use entity::Table;
use reqwest::Method;
use serde_json::{Value, json};

use super::answering;
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

const TOKEN: &str = "planted-token-0123456789";
const SETTINGS: [(&str, &str); 1] = [("SIDEHOOK_STATUS_TOKEN", TOKEN)];

/// Status and body of a request with the token.
async fn ask(process: &Process, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = client().request(method, format!("{}{path}", process.url)).bearer_auth(TOKEN);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn post(process: &Process, key: &str, body: &Value) -> u16 {
    let answer = client().post(process.trigger_url(key)).json(body).send().await;
    answer.expect("an answer").status().as_u16()
}

async fn served(database: &TestDatabase, settings: &[(&str, &str)]) -> (Rows, Process) {
    let rows = Rows { store: prepare(database, &[]).await };
    if rows.count(Table::Workflows).await == 0 {
        rows.add(&answering("k", json!("ok"))).await;
    }
    (rows, Process::serve(database, settings).await)
}

async fn ended(mut process: Process) {
    process.signal("TERM").await;
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn nobody_manages_it_without_the_token() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let (_rows, process) = served(&database, &SETTINGS).await;
    let urls = [
        (Method::GET, "/health/status"),
        (Method::POST, "/requests/1/replay"),
        (Method::PUT, "/requests/listening/k"),
        (Method::DELETE, "/requests/listening/k"),
        (Method::PUT, "/requests/retention"),
        (Method::DELETE, "/requests/retention"),
    ];
    for (method, path) in &urls {
        let request = || client().request(method.clone(), format!("{}{path}", process.url));
        for request in [request(), request().bearer_auth("planted"), request().basic_auth("x", Some(TOKEN))] {
            assert_eq!(request.send().await.expect("an answer").status(), 401, "{method} {path}");
        }
    }
    ended(process).await;
    let (_rows, process) = served(&database, &[]).await;
    for (method, path) in urls {
        assert_eq!(ask(&process, method, path, None).await.0, 404, "{path}");
    }
    ended(process).await;
}

#[tokio::test]
async fn the_status_says_how_everything_is_doing() {
    on_every_database(async |database| {
        let (rows, process) = served(&database, &SETTINGS).await;
        let broken = json!({"sidehook": {"unheard": true}});
        rows.add(&workflow("broken", true, &broken, &[])).await;
        until(async || post(&process, "broken", &json!({})).await == 503, || "it is not read".to_owned())
            .await;
        assert_eq!(post(&process, "k", &json!({})).await, 200);
        assert_eq!(post(&process, "nobodys", &json!({})).await, 404);
        let (status, told) = ask(&process, Method::GET, "/health/status", None).await;
        assert_eq!((status, &told["version"]), (200, &json!(env!("CARGO_PKG_VERSION"))), "{told}");
        assert_eq!(told["instances"][0]["number"], told["instance"], "{told}");
        assert_eq!(told["backlog"], json!({"waiting": 0, "oldestMs": null}), "{told}");
        let features = told["features"].as_array().expect("a list");
        for feature in ["status", "replay", "listen", "retention", "trigger.filter", "trigger.signature"] {
            assert!(features.contains(&json!(feature)), "{feature} is missing: {told}");
        }
        let found = told["findings"].as_array().expect("a list").iter();
        let faults: Vec<&str> = found.filter_map(|found| found["fault"].as_str()).collect();
        assert!(faults.iter().any(|fault| fault.contains("`sidehook.unheard`")), "{told}");
        let errors = told["errors"].as_array().expect("a list").iter();
        let errors: Vec<&str> = errors.filter_map(|error| error["message"].as_str()).collect();
        assert!(errors.iter().any(|error| error.contains("workflow.key=broken")), "{told}");
        let sum = |name: &str| {
            let minutes = told["hour"].as_array().expect("a list").iter();
            minutes.filter_map(|minute| minute["requests"][name].as_u64()).sum::<u64>()
        };
        assert!(sum("accepted") == 1 && sum("refused") >= 1 && sum("failed") >= 1, "{told}");
        assert!(told["hour"][0]["p50Ms"].is_number() && !told.to_string().contains("planted"), "{told}");
        ended(process).await;
    })
    .await;
}

#[tokio::test]
async fn a_recorded_request_is_handled_once_more() {
    on_every_database(async |database| {
        let settings = [SETTINGS[0], ("SIDEHOOK_REQUESTS", "bodies"), ("SIDEHOOK_REQUESTS_BODY", "100b")];
        let (rows, process) = served(&database, &settings).await;
        let filter = json!({"engine": "basic", "calculation": {"group": {"type": "and", "calculations": [
            {"calculator": "equal", "operands": ["{{$context.body.n}}", 1]},
        ]}}});
        let trigger = json!({"request": {"body": [{"key": "n"}]}, "sidehook": {"filter": filter}});
        let hook =
            workflow("picks", true, &trigger, &[node("v", "variable", json!({"value": "{{$context}}"}))]);
        rows.add(&hook).await;
        until(async || post(&process, "picks", &json!({"n": 1})).await == 200, || "not read".to_owned())
            .await;
        assert_eq!(post(&process, "picks", &json!({"n": 2})).await, 200);
        assert_eq!(post(&process, "picks", &json!({"n": 1, "long": "x".repeat(200)})).await, 200);
        let ids = async |which: &str| {
            let table = rows.table(Table::Requests);
            rows.texts(&format!("SELECT CAST(id AS CHAR(20)) FROM {table} WHERE {which} ORDER BY id")).await
        };
        until(async || ids("workflow_key = 'picks'").await.len() == 3, || "no rows".to_owned()).await;
        let [run, left_out, cut] =
            <[_; 3]>::try_from(ids("workflow_key = 'picks'").await).expect("three rows");
        let again = async |id: &Option<String>| {
            let id = id.as_deref().expect("an id").trim();
            ask(&process, Method::POST, &format!("/requests/{id}/replay"), None).await
        };
        let (status, told) = again(&run).await;
        assert_eq!((status, &told["status"]), (200, &json!(200)), "{told}");
        let executions = rows.settled(hook.id, 3, TIMEOUT).await;
        let newest = executions.last().expect("an execution");
        assert_eq!(told["executionId"], json!(newest["id"].as_i64().expect("an id").to_string()));
        assert_eq!(newest["context"], executions[0]["context"]);
        let (status, told) = again(&left_out).await;
        assert_eq!(
            (status, &told["status"], &told["executionId"]),
            (200, &json!(200), &Value::Null),
            "{told}"
        );
        assert!(told["requestId"].is_string(), "{told}");
        let (status, told) = again(&cut).await;
        assert!(
            status == 409 && told["error"].as_str().is_some_and(|error| error.contains("body")),
            "{told}"
        );
        assert_eq!(again(&Some("1".to_owned())).await.0, 404);
        assert_eq!(again(&Some("one".to_owned())).await.0, 404);
        ended(process).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_refused_is_run_where_somebody_vouches_for_it() {
    on_every_database(async |database| {
        let (rows, process) = served(&database, &SETTINGS).await;
        let trigger = json!({"sidehook": {"signature": {"scheme": "github", "secret": "mistyped"}}});
        let hook = workflow("signed", true, &trigger, &[]);
        rows.add(&hook).await;
        until(async || post(&process, "signed", &json!({"n": 1})).await == 401, || "not read".to_owned())
            .await;
        let table = rows.table(Table::Requests);
        let refused = format!("SELECT CAST(id AS CHAR(20)) FROM {table} WHERE status = 401");
        until(async || !rows.texts(&refused).await.is_empty(), || "no row".to_owned()).await;
        let id = rows.texts(&refused).await.remove(0).expect("an id");
        let path = format!("/requests/{}/replay", id.trim());
        for body in [None, Some(json!({"vouched": false})), Some(json!({"vouched": "true"}))] {
            let (status, told) = ask(&process, Method::POST, &path, body).await;
            let error = told["error"].as_str().unwrap_or_default();
            assert!(status == 409 && error.contains("not let in"), "{told}");
        }
        let (status, told) = ask(&process, Method::POST, &path, Some(json!({"vouched": true}))).await;
        assert_eq!((status, &told["status"]), (200, &json!(200)), "{told}");
        assert_eq!(rows.settled(hook.id, 1, TIMEOUT).await.len(), 1);
        ended(process).await;
    })
    .await;
}

#[tokio::test]
async fn bodies_are_kept_while_somebody_listens() {
    on_every_database(async |database| {
        let (rows, first) = served(&database, &SETTINGS).await;
        let second = Process::serve(&database, &SETTINGS).await;
        let kept = async |text: &str| {
            let table = rows.table(Table::Requests);
            rows.number(&format!("SELECT COUNT(*) FROM {table} WHERE body LIKE '%{text}%'")).await
        };
        assert_eq!(post(&first, "k", &json!({"n": "before"})).await, 200);
        for key in ["k", "off"] {
            let path = format!("/requests/listening/{key}");
            let (status, told) = ask(&first, Method::PUT, &path, Some(json!({"seconds": 60}))).await;
            assert_eq!(status, 200, "{told}");
        }
        // The other instance learns of it, too.
        for process in [&first, &second] {
            let is_kept = async || {
                assert_eq!(post(process, "k", &json!({"n": "open"})).await, 200);
                assert_eq!(post(process, "off", &json!({"n": "shut"})).await, 404);
                let before = (kept("open").await, kept("shut").await);
                tokio::time::sleep(Duration::from_millis(200)).await;
                before.0 > 0 && before.1 > 0
            };
            until(is_kept, || "no body is kept".to_owned()).await;
            rows.execute(&format!("DELETE FROM {}", rows.table(Table::Requests))).await;
        }
        assert_eq!(ask(&second, Method::DELETE, "/requests/listening/k", None).await.0, 200);
        assert_eq!(post(&second, "k", &json!({"n": "after"})).await, 200);
        assert_eq!((kept("before").await, kept("after").await), (0, 0));
        ended(first).await;
        ended(second).await;
        let off = [SETTINGS[0], ("SIDEHOOK_REQUESTS", "off")];
        let (status, told) =
            ask(&served(&database, &off).await.1, Method::PUT, "/requests/listening/k", None).await;
        assert!(
            status == 409 && told["error"].as_str().is_some_and(|text| text.contains("SIDEHOOK_REQUESTS"))
        );
    })
    .await;
}

#[tokio::test]
async fn it_can_be_set_for_how_long_requests_are_kept() {
    on_every_database(async |database| {
        let (rows, process) = served(&database, &SETTINGS).await;
        let retain = async |process: &Process, method: Method, body: Option<Value>| {
            ask(process, method, "/requests/retention", body).await
        };
        let told = async |process: &Process| ask(process, Method::GET, "/health/status", None).await.1;
        let (week, hours) = (json!(604_800), json!(7_200));
        assert_eq!(told(&process).await["requestsKeptSeconds"], week);
        for wrong in [json!({}), json!({"seconds": "7d"}), json!({"seconds": 59}), json!({"seconds": 1e9}), json!(7)]
        {
            let (status, told) = retain(&process, Method::PUT, Some(wrong.clone())).await;
            assert!(status == 400 && told["error"].is_string(), "{wrong}: {told}");
        }
        assert_eq!(retain(&process, Method::PUT, Some(json!({"seconds": 60}))).await.0, 200);
        assert_eq!(retain(&process, Method::PUT, Some(json!({"seconds": 7_200}))).await.0, 200);
        // Of three requests one is too old by then, and two are not.
        let now = sidehook::clock::Clock::now(&sidehook::clock::SystemClock).timestamp_millis();
        for (id, hours) in [(1, 3), (2, 1), (3, 0)] {
            let table = rows.table(Table::Requests);
            let no = if database.kind == Kind::Postgres { "false" } else { "0" };
            rows.execute(&format!(
                "INSERT INTO {table} (id, received_at, method, path, query, headers, body_size, is_admitted, instance) \
                 VALUES ({id}, {}, 'POST', '/', '', '[]', 0, {no}, 0)",
                now - hours * 3_600_000
            ))
            .await;
        }
        ended(process).await;
        // It is looked for old ones soon after a start, and once a minute.
        let process = Process::serve(&database, &SETTINGS).await;
        let status = told(&process).await;
        assert_eq!((&status["requestsKeptSeconds"], &status["requestsKeptSecondsUnset"]), (&hours, &week));
        until(async || rows.count(Table::Requests).await == 2, || "the old one is left".to_owned()).await;
        assert_eq!(retain(&process, Method::DELETE, None).await.0, 200);
        assert_eq!(told(&process).await["requestsKeptSeconds"], week);
        // What cannot be read removes nothing.
        let table = rows.table(Table::Settings);
        rows.execute(&format!("INSERT INTO {table} (name, value) VALUES ('requests.keep', 'a week')")).await;
        assert_eq!(told(&process).await["requestsKeptSeconds"], Value::Null);
        ended(process).await;
    })
    .await;
}
