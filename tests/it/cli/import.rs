//! `sidehook import`: what it writes, and what it refuses.

use entity::Table;
use serde_json::json;

use crate::collections;
use crate::databases::TestDatabase;
use crate::process::{environment, run};
use crate::server::{TestServer, on_every_database};

const FILE: &str = r#"{
  "title": "Orders", "description": "Takes orders.", "key": "orders", "sync": true,
  "config": {"request": {"headers": [], "query": [], "body": [{"key": "n"}]}},
  "nodes": [
    {"key": "big", "type": "condition", "config": {"engine": "basic", "rejectOnFalse": false, "calculation":
      {"group": {"type": "and", "calculations": [{"calculator": "gt", "operands": ["{{$context.body.n}}", 9]}]}}},
     "branches": {"1": [{"key": "yes", "type": "response", "config": {"statusCode": 201, "body": "big"}}],
                  "0": [{"key": "ask", "type": "approval"}]}}],
  "collections": [{"name": "orders", "fields": [{"name": "n", "type": "integer"}]}],
  "try": [{"run": "curl http://127.0.0.1:13080/api/webhook:trigger/orders", "status": 201}]
}"#;

/// Runs the command with this file; returns whether it went well, and what it printed.
async fn import(database: &TestDatabase, text: &str, arguments: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("workflow.json");
    std::fs::write(&file, text).expect("a file");
    let file = file.display().to_string();
    let arguments: Vec<&str> = ["import", &file].into_iter().chain(arguments.iter().copied()).collect();
    let environment = environment(database, &[]);
    let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let output = run(&arguments, &pairs).await;
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_a_workflow_that_runs_once_it_is_enabled() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let (is_good, told) = import(&database, FILE, &[]).await;
        assert!(is_good, "{told}");
        for said in [
            "Imported \"Orders\" as the workflow orders, with 3 nodes.",
            "sidehook leaves nodes of these types to NocoBase: approval.",
            "It needs the collection orders, which is not there: create it in NocoBase, with the fields n.",
            "It is switched off",
            "/api/webhook:trigger/orders",
        ] {
            assert!(told.contains(said), "{said}\n{told}");
        }
        assert_eq!(server.post("orders", &json!({"n": 10})).await.status(), 404);

        collections::create(&server, &[json!({"name": "orders", "fields": []})]).await;
        let (is_good, told) = import(&database, FILE, &["--enable", "--key", "big-orders"]).await;
        assert!(is_good && !told.contains("It needs") && !told.contains("switched off"), "{told}");
        assert!(told.contains("/api/webhook:trigger/big-orders"), "{told}");
        let answer = server.post("big-orders", &json!({"n": 10})).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.expect("a body")), (201, "big".to_owned()));
        assert_eq!(server.count(Table::Workflows).await, 2);
        assert_eq!(server.count(Table::FlowNodes).await, 6);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_or_a_file_that_is_wrong_writes_nothing() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        assert!(import(&database, FILE, &[]).await.0);
        for (text, said) in [
            (FILE, "there is a workflow with the key orders already: choose another one with --key"),
            ("{", "it is no workflow as examples/ has them"),
            (
                r#"{"title": "T", "key": "t", "config": {}, "nodes": [], "sinc": true}"#,
                "unknown field `sinc`",
            ),
        ] {
            let (is_good, told) = import(&database, text, &[]).await;
            assert!(!is_good && told.contains(said), "{told}");
        }
        assert_eq!(server.count(Table::Workflows).await, 1);
        server.stop().await;
    })
    .await;
}
