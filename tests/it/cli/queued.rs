//! What `check` and `GET /health/status` say of NocoBase's queue.

use serde_json::{Value, json};

use super::check::{check, prepared};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, on_every_database};

/// Workflows that are run here, one of them as long as nodes are handed over, and such that are not.
async fn add(rows: &Rows) {
    let table = rows.table(entity::Table::Workflows);
    let trigger = json!({"collection": "posts", "mode": 1});
    for (key, type_name, is_sync, node_type) in [
        ("here", "collection", false, "create"),
        ("mixed", "schedule", false, "manual"),
        ("sync", "collection", true, "variable"),
        ("other", "approval", false, "variable"),
    ] {
        let hook = workflow(key, is_sync, &trigger, &[node("n", node_type, json!({}))]);
        rows.add(&hook).await;
        let (field, id) = (rows.quoted("type"), rows.quoted("id"));
        rows.execute(&format!("UPDATE {table} SET {field} = '{type_name}' WHERE {id} = {}", hook.id)).await;
    }
}

const API: [(&str, &str); 2] =
    [("SIDEHOOK_NOCOBASE_URL", "http://127.0.0.1:9"), ("SIDEHOOK_NOCOBASE_API_KEY", "k")];

#[tokio::test(flavor = "multi_thread")]
async fn check_says_which_workflows_are_run_here_and_why_not_the_others() {
    on_every_database(async |database| {
        let rows = prepared(&database).await;
        add(&rows).await;
        let quiet = check(&database, &[]).await;
        assert!(quiet.succeeded && !quiet.printed.contains("SIDEHOOK_WORKFLOWS"), "{quiet:?}");
        let all = [&API[..], &[("SIDEHOOK_WORKFLOWS", "all"), ("WORKER_MODE", "!")]].concat();
        let outcome = check(&database, &all).await;
        assert!(outcome.succeeded, "{outcome:?}");
        outcome.has("\nhere\n  key              here\n  trigger          collection\n  runs             here\n");
        outcome.has("\nsync\n  key              sync\n  trigger          collection\n  runs             in NocoBase: it is synchronous");
        outcome.has("  runs             in NocoBase: whether a trigger of the type \"approval\"");
        outcome.has("  runs             in NocoBase: sidehook does not run nodes of the type \"manual\"");
        let unkept = check(&database, &all[..3]).await;
        assert!(!unkept.succeeded, "{unkept:?}");
        unkept.has("\nmixed\n  key              mixed\n  trigger          schedule\n  runs             here\n  WARNING");
        unkept.has("  ERROR            nothing that NocoBase has queued is run here");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_the_same() {
    on_every_database(async |database| {
        add(&prepared(&database).await).await;
        let told = async |settings: &[(&str, &str)]| {
            let token = [("SIDEHOOK_STATUS_TOKEN", "a-token-of-this-test-alone-for-status")];
            let mut process = Process::serve(&database, &[settings, &token].concat()).await;
            let asked = client().get(format!("{}/health/status", process.url)).bearer_auth(token[0].1);
            let told: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
            process.signal("TERM").await;
            process.ended().await;
            told["queued"].clone()
        };
        assert_eq!(told(&[]).await, Value::Null);
        let all = [&API[..], &[("SIDEHOOK_WORKFLOWS", "all")]].concat();
        let queued = told(&all).await;
        assert_eq!(queued["isTaken"], false, "nobody keeps NocoBase away");
        let here = json!({"key": "here", "title": "here", "type": "collection", "left": null});
        assert_eq!((&queued["workflows"][0], queued["workflows"].as_array().map(Vec::len)), (&here, Some(4)));
        assert!(queued["workflows"][2]["left"].as_str().is_some_and(|left| left.contains("synchronous")));
        assert_eq!(told(&[&all[..], &[("WORKER_MODE", "!")]].concat()).await["isTaken"], true);
    })
    .await;
}
