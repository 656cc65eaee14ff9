//! What Prometheus is told.

use std::net::TcpListener;
use std::path::Path;

use entity::Table;
use serde_json::{Value, json};

use super::answering;
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_every_database, prepare};
use crate::wait::until;

/// The number of a series in a text.
fn number(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[tokio::test]
async fn what_has_happened_is_counted() {
    on_every_database(async |database| {
        let settings = [("SIDEHOOK_METRICS_LISTEN", "main"), ("SIDEHOOK_METRICS_WORKFLOWS", "true")];
        let server = TestServer::start_with(&database, &settings).await;
        server.add(&answering("open", json!("ok"))).await;
        let locked = json!({"basicAuthentication": {"username": "u", "password": "planted-secret"}});
        server.add(&workflow("locked", true, &locked, &[])).await;
        let wrong =
            node("wrong", "calculation", json!({"engine": "formula.js", "expression": "NO_FUNCTION()"}));
        let later = workflow("later", false, &json!({}), &[wrong]);
        server.add(&later).await;
        for _ in 0..3 {
            assert_eq!(server.post("open", &json!({"planted": "planted-body"})).await.status(), 200);
        }
        assert_eq!(server.post("locked", &json!({})).await.status(), 401);
        assert_eq!(server.post("nobody", &json!({})).await.status(), 404);
        assert_eq!(server.post("later", &json!({})).await.status(), 200);
        let is_over = async || server.count(Table::Leases).await == 0;
        until(is_over, || "the execution does not end".to_owned()).await;
        let told = server.client.get(format!("{}/metrics", server.url)).send().await.expect("an answer");
        assert!(told.headers()["content-type"].to_str().expect("a text").starts_with("text/plain"));
        let text = told.text().await.expect("a text");
        let kind = database.product;
        for (series, expected) in [
            ("sidehook_requests_total{outcome=\"event\",status=\"200\",workflow=\"open\"}", 3.0),
            ("sidehook_requests_total{outcome=\"refused\",status=\"401\",workflow=\"locked\"}", 1.0),
            ("sidehook_requests_total{outcome=\"refused\",status=\"404\",workflow=\"\"}", 1.0),
            ("sidehook_answer_seconds_count{outcome=\"event\"}", 4.0),
            ("sidehook_executions_total{mode=\"sync\",status=\"resolved\",workflow=\"open\"}", 3.0),
            ("sidehook_executions_total{mode=\"async\",status=\"error\",workflow=\"later\"}", 1.0),
            ("sidehook_node_seconds_count{type=\"calculation\"}", 1.0),
            ("sidehook_node_seconds_count{type=\"response\"}", 3.0),
            ("sidehook_backlog_executions", 0.0),
            ("sidehook_leases", 0.0),
            ("sidehook_instances", 1.0),
            ("sidehook_workflows", 3.0),
            ("sidehook_workers{state=\"busy\"}", 0.0),
        ] {
            assert_eq!(number(&text, series), Some(expected), "{kind}: {series} in\n{text}");
        }
        assert!(
            number(&text, "sidehook_flush_records_sum").is_some_and(|count| count >= 4.0),
            "{kind}: {text}"
        );
        assert!(number(&text, "sidehook_database_connections{state=\"idle\"}").is_some(), "{kind}: {text}");
        assert!(!text.contains("planted"), "{kind}: {text}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn metrics_are_told_where_that_is_wanted_and_nowhere_else() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    rows.add(&answering("open", json!("ok"))).await;
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let listen = port.to_string();
    let process = Process::serve(&database, &[("SIDEHOOK_METRICS_LISTEN", &listen)]).await;
    let get = async |url: String| client().get(url).send().await.expect("an answer");
    let told = get(format!("http://{listen}/metrics")).await;
    assert_eq!(told.status(), 200);
    assert!(told.text().await.expect("a text").contains("sidehook_build_info{version="));
    let hook = client().post(format!("http://{listen}/api/webhooks/open")).send().await.expect("an answer");
    assert_eq!(hook.status(), 404, "webhooks are served at their own address only");
    assert_eq!(get(format!("{}/metrics", process.url)).await.status(), 404);
}

/// Every metric of the documents is one that there is, and the other way round.
#[tokio::test]
async fn the_documents_name_the_metrics_that_there_are() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &[("SIDEHOOK_METRICS_LISTEN", "main")]).await;
    server.add(&answering("open", json!("ok"))).await;
    assert_eq!(server.post("open", &json!({})).await.status(), 200);
    let text = server.client.get(format!("{}/metrics", server.url)).send().await.expect("an answer");
    let text = text.text().await.expect("a text");
    let mut known: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        // The second is told of several applications only, see tests/it/apps, and the others with a queue in front of
        // the database, see tests/it/queue.
        .chain(["sidehook_queue_seconds", "sidehook_app_up"])
        .chain(["sidehook_queue_events_total", "sidehook_queue_depth", "sidehook_queue_bytes"])
        .collect();
    known.sort_unstable();
    known.dedup();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| std::fs::read_to_string(docs.join(name)).expect("a document");
    let table = read("metrics.md");
    for name in &known {
        assert!(table.contains(&format!("`{name}`")), "docs/metrics.md lacks {name}");
    }
    let dashboard: Value = serde_json::from_str(&read("observability/grafana.json")).expect("JSON");
    for text in [table, read("observability/alerts.yml"), dashboard.to_string()] {
        let names = text.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
        for name in names.filter(|name| name.starts_with("sidehook_")) {
            let plain = name.trim_end_matches("_bucket");
            assert!(known.contains(&plain) || plain == "sidehook_requests", "{name} is no metric");
        }
    }
    server.stop().await;
}
