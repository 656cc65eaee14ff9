//! `sidehook executions retry`.

use entity::Table;
use serde_json::json;

use super::history::sidehook;
use crate::fixture::{node, workflow};
use crate::server::{TestServer, on_every_database};
use crate::wait::TIMEOUT;

#[tokio::test]
async fn an_execution_is_run_again_with_its_context() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let items = json!({"request": {"body": [{"key": "n"}]}});
        let bad = workflow("orders", true, &items, &[node("end", "end", json!({"endStatus": -1}))]);
        server.add(&bad).await;
        assert_eq!(server.post("orders", &json!({"n": "é"})).await.status(), 500);
        let first = server.settled(bad.id, 1, TIMEOUT).await[0].clone();
        let id = first["id"].to_string();
        let retry = async |arguments: &[&str]| {
            sidehook(&database, &[&["executions", "retry"], arguments].concat()).await
        };
        let (succeeded, told) = retry(&[&id]).await;
        assert!(!succeeded && told.contains("failed") && told.contains("1 have not resolved"), "{told}");
        let failed = server.settled(bad.id, 2, TIMEOUT).await;
        assert_eq!(failed[1]["context"], first["context"]);

        // It is mended in another version.
        let off = if database.kind == crate::databases::Kind::Postgres { "false" } else { "0" };
        let (enabled, current) = (server.quoted("enabled"), server.quoted("current"));
        let table = server.table(Table::Workflows);
        server
            .execute(&format!("UPDATE {table} SET {enabled} = {off}, {current} = NULL WHERE id = {}", bad.id))
            .await;
        let (succeeded, told) = retry(&[&id]).await;
        assert!(!succeeded && told.contains("no enabled webhook workflow"), "{told}");
        let good = workflow("orders", false, &items, &[node("out", "output", json!({"value": 1}))]);
        // Versions share the row of their key.
        server.execute(&format!("DELETE FROM {}", server.table(Table::WorkflowStats))).await;
        server.add(&good).await;
        let (succeeded, told) = retry(&[&id]).await;
        assert!(succeeded && told.contains("resolved"), "{told}");
        let again = server.settled(good.id, 1, TIMEOUT).await;
        assert_eq!((again.len(), &again[0]["context"]), (1, &first["context"]));

        let (succeeded, told) = retry(&[&id, "--same-version"]).await;
        assert!(!succeeded && told.contains("failed"), "{told}");
        assert_eq!(server.settled(bad.id, 3, TIMEOUT).await.len(), 3);
        let resolved = again[0]["id"].to_string();
        let (succeeded, told) = retry(&[&resolved]).await;
        assert!(!succeeded && told.contains("--again"), "{told}");
        assert!(retry(&[&resolved, "--again"]).await.0);
        let (succeeded, told) = retry(&["1"]).await;
        assert!(!succeeded && told.contains("no execution has the id 1"), "{told}");
        server.stop().await;
    })
    .await;
}
