//! Script nodes with modules in a running server: NocoBase's recorded outcomes, and the console in the log.

use serde_json::{Value, json};

use super::recorded;
use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_those_of_nocobase() {
    let (names, cases) = recorded();
    let packages = super::packages();
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let settings = [
        ("WORKFLOW_SCRIPT_MODULES", names.join(",")),
        ("NODE_MODULES_PATH", packages.to_string_lossy().into_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = TestServer::start_with(&database, &settings).await;
    let wanted = [
        "createHmac('sha256', 'k'",
        "lodash')",
        "aes-256-gcm",
        "zlib",
        "child_process",
        "'ignored'",
        "dayjs",
    ];
    let chosen = |case: &&Value| {
        let content = case["config"]["content"].as_str().unwrap_or_default();
        wanted.iter().any(|part| content.contains(part))
    };
    let chosen: Vec<&Value> = cases.iter().filter(chosen).collect();
    assert!(chosen.len() > wanted.len(), "{}", chosen.len());
    for (i, case) in chosen.into_iter().enumerate() {
        let key = format!("case-{i}");
        let workflow = workflow(&key, true, &json!({}), &[node("n", "script", case["config"].clone())]);
        server.add(&workflow).await;
        server.post(&key, &json!({})).await;
        let execution = server.executions(workflow.id).await.remove(0);
        let job = server.jobs(execution["id"].as_i64().expect("an id")).await.remove(0);
        assert_eq!(
            (&job["status"], &job["result"]),
            (&case["status"], &case["result"]),
            "{}",
            case["config"]
        );
    }
    server.stop().await;
}
