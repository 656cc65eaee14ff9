//! Nothing is taken while NocoBase might begin with the same execution; its plugin, or its mode, keeps it away.

use entity::Table;
use serde_json::{Value, json};

use super::rows::{add, queue};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

const ALL: [(&str, &str); 1] = [("SIDEHOOK_WORKFLOWS", "all")];

/// Enables sidehook's plugin in NocoBase.
async fn enable_plugin(rows: &Rows) {
    let table = rows.table(Table::ApplicationPlugins);
    let names = ["name", "packageName", "enabled", "createdAt", "updatedAt"].map(|field| rows.quoted(field));
    let [_, _, enabled, created_at, _] = &names;
    rows.execute(&format!(
        "INSERT INTO {table} ({}) SELECT 'own', '@sidehook/plugin-workflow-webhook', {enabled}, {created_at}, \
         {created_at} FROM {table}",
        names.join(", "),
    ))
    .await;
}

/// What instances have announced.
async fn announced(rows: &Rows) -> Vec<Value> {
    let table = rows.table(Table::Settings);
    let texts = rows.texts(&format!("SELECT value FROM {table} WHERE name LIKE 'queued:%'")).await;
    texts.iter().flatten().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_before_the_plugin_keeps_nocobase_away() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = add(&rows, "posts", "collection", &json!({"timeout": 0})).await;
        let waiting = queue(&rows, &hook, 1).await;
        // What the plugin has said once may be of yesterday.
        rows.store.set("guard", Some("0")).await.expect("the setting is written");
        let server = TestServer::start_with(&database, &ALL).await;
        assert_eq!(announced(&rows).await[0]["workflows"], json!([hook.id.to_string()]));
        enable_plugin(&rows).await;
        until(async || server.app.engine.has_plugin(), || "the plugin is not seen".to_owned()).await;
        // An execution of a webhook goes its whole way meanwhile.
        let other = crate::fixture::workflow("k", false, &json!({}), &super::rows::nodes());
        server.add(&other).await;
        assert_eq!(server.post("k", &json!({})).await.status(), 200);
        server.settled(other.id, 1, TIMEOUT).await;
        assert!(!server.app.queued.is_taken_from());
        assert_eq!(server.executions(hook.id).await[0]["status"], Value::Null);
        let mut beat = 0;
        until(
            async || {
                beat += 1;
                server.app.store.set("guard", Some(&beat.to_string())).await.expect("written");
                server.executions(hook.id).await[0]["status"] == 1
            },
            || format!("execution {waiting} is not run"),
        )
        .await;
        assert!(server.app.queued.is_taken_from());
        // A plugin that cannot keep NocoBase away says so.
        rows.store.set("guard", None).await.expect("the setting is removed");
        until(async || !server.app.queued.is_taken_from(), || "the queue is still taken from".to_owned())
            .await;
        server.stop().await;
        assert_eq!(announced(&rows).await, [Value::Null; 0], "NocoBase's queue is its own again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_nocobases_queue_is_left_alone() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = add(&rows, "posts", "collection", &json!({"timeout": 0})).await;
        let queued = add(&rows, "local", "webhook", &json!({"timeout": 0})).await;
        queue(&rows, &hook, 1).await;
        queue(&rows, &queued, 1).await;
        // An announcement of an instance that was killed.
        rows.store.announce(0, Some("{}")).await.expect("announced");
        let server = TestServer::start_with(&database, &[("WORKER_MODE", "!")]).await;
        assert_eq!(announced(&rows).await, [Value::Null; 0]);
        assert_eq!(server.post("local", &json!({})).await.status(), 200);
        until(
            async || server.executions(queued.id).await.iter().any(|row| row["status"] == 1),
            || "the webhook is not run".to_owned(),
        )
        .await;
        let queued = server.executions(queued.id).await;
        assert_eq!(queued.iter().filter(|row| row["status"] == Value::Null).count(), 1, "{queued:?}");
        assert_eq!(server.executions(hook.id).await[0]["status"], Value::Null);
        server.stop().await;
    })
    .await;
}
