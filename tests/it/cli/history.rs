//! `sidehook executions` and `sidehook prune` on databases with a past.

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::databases::TestDatabase;
use crate::fixture::{node, workflow};
use crate::process::run;
use crate::server::{TestServer, on_every_database};

/// What a command prints, and whether it has succeeded.
pub async fn sidehook(database: &TestDatabase, arguments: &[&str]) -> (bool, String) {
    let environment = database.env();
    let pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let output = run(arguments, &pairs).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// Resolves, or fails where the body says so.
fn orders() -> NewWorkflow {
    let has_failed = json!({"engine": "basic", "rejectOnFalse": true, "calculation": {"group": {"type": "and",
        "calculations": [{"calculator": "equal", "operands": ["{{$context.body.ok}}", true]}]}}});
    let echo = json!({"value": "{{$context.body.name}}"});
    let items = json!({"request": {"body": [{"key": "ok"}, {"key": "name"}]}});
    workflow("orders", true, &items, &[node("check", "condition", has_failed), node("out", "output", echo)])
}

#[tokio::test]
async fn executions_are_listed_and_shown_with_their_jobs() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let workflow = orders();
        server.add(&workflow).await;
        server.post("orders", &json!({"ok": true, "name": "Ada"})).await;
        server.post("orders", &json!({"ok": false, "name": "Bob"})).await;
        let executions = server.settled(workflow.id, 2, crate::wait::TIMEOUT).await;

        let (succeeded, listed) = sidehook(&database, &["executions", "--json"]).await;
        assert!(succeeded, "{listed}");
        let lines: Vec<Value> = listed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let statuses: Vec<&Value> =
            lines.iter().filter(|line| line["key"] == "orders").map(|line| &line["status"]).collect();
        assert_eq!(statuses.len(), executions.len(), "{listed}");
        let failed = sidehook(&database, &["executions", "--status", "failed"]).await.1;
        let resolved = sidehook(&database, &["executions", "--status", "resolved", "--since", "1h"]).await.1;
        assert!(failed.contains("failed") && !failed.contains("resolved"), "{failed}");
        assert!(resolved.contains("resolved"), "{resolved}");
        assert!(!sidehook(&database, &["executions", "--until", "1h"]).await.1.contains("resolved"));

        let id = lines.iter().find(|line| line["status"] == 1).expect("one has resolved")["id"].clone();
        let (succeeded, shown) =
            sidehook(&database, &["executions", "show", id.as_str().expect("a text")]).await;
        // MySQL's own JSON type writes it with a blank.
        assert!(succeeded && shown.replace(": ", ":").contains(r#""name":"Ada""#), "{shown}");
        let jobs: Vec<&str> = shown.lines().filter(|line| line.starts_with("resolved ")).collect();
        assert_eq!(jobs.len(), 2, "{shown}");
        let (succeeded, shown) = sidehook(&database, &["executions", "show", "1"]).await;
        assert!(!succeeded && shown.contains("no execution has the id 1"), "{shown}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn prune_removes_what_is_over_and_says_before_what_it_would() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let (orders, handed_over) =
            (orders(), workflow("people", false, &json!({}), &[node("m", "manual", json!({}))]));
        server.add(&orders).await;
        server.add(&handed_over).await;
        for n in 0..3 {
            server.post("orders", &json!({"ok": n > 0, "name": "Ada"})).await;
        }
        server.post("people", &json!({})).await;
        server.settled(orders.id, 3, crate::wait::TIMEOUT).await;
        server.settled(handed_over.id, 1, crate::wait::TIMEOUT).await;
        server.stop().await;
        let rows = crate::rows::Rows { store: crate::server::prepare(&database, &[]).await };
        let left = async |workflow: &NewWorkflow| {
            let executions = rows.executions(workflow.id).await;
            (
                executions.len(),
                rows.jobs_by_execution(workflow.id).await.values().map(Vec::len).sum::<usize>(),
            )
        };
        assert_eq!(left(&orders).await, (3, 5));

        let (succeeded, told) = sidehook(&database, &["prune"]).await;
        assert!(!succeeded && told.contains("--until"), "{told}");
        let (succeeded, told) = sidehook(&database, &["prune", "--until", "0s"]).await;
        assert!(succeeded && told.contains("3  in all") && told.contains("NocoBase runs"), "{told}");
        assert_eq!(left(&orders).await, (3, 5), "nothing is removed without --yes");
        let (_, told) = sidehook(&database, &["prune", "--until", "1h", "--yes"]).await;
        assert!(told.contains("0  removed"), "{told}");
        let (_, told) = sidehook(&database, &["prune", "--until", "0s", "--status", "failed", "--yes"]).await;
        assert!(told.contains("1  removed"), "{told}");
        assert_eq!(left(&orders).await, (2, 4));
        let (_, told) = sidehook(&database, &["prune", "--until", "0s", "--yes"]).await;
        assert!(told.contains("2  removed"), "{told}");
        assert_eq!(left(&orders).await, (0, 0));
        assert_eq!(left(&handed_over).await.0, 1);
    })
    .await;
}

#[tokio::test]
async fn status_says_who_is_alive_and_what_has_failed() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let workflow = orders();
        server.add(&workflow).await;
        server.post("orders", &json!({"ok": false})).await;
        server.settled(workflow.id, 1, crate::wait::TIMEOUT).await;
        let (succeeded, told) = sidehook(&database, &["status"]).await;
        assert!(succeeded && told.contains("1 instance alive"), "{told}");
        assert!(told.contains("0 executions waiting for a worker") && told.contains("failed"), "{told}");
        server.stop().await;
        let (succeeded, told) = sidehook(&database, &["status", "--json"]).await;
        assert!(!succeeded && told.contains("no sidehook serves this database"), "{told}");
        let line = told.lines().find(|line| line.starts_with('{')).expect("a line of JSON");
        let status: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(status["instances"], json!([]), "{told}");
        assert_eq!(status["failures"].as_array().map(Vec::len), Some(1), "{told}");
    })
    .await;
}
