//! What a NocoBase has queued by its triggers, and what it has recorded when it ran that itself; `record.mjs` says how it
//! was made. sidehook runs each from the same context and has to record the same.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::rows::{ALONE, insert, set};
use crate::fixture::{Node, next_id, node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database};
use crate::wait::TIMEOUT;

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("recorded.json")).expect("the cases are JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The nodes of a case as a tree: those that are `under` another one are in a branch of it.
fn tree(case: &Value) -> Vec<Node> {
    let rows = case["nodes"].as_array().expect("nodes");
    let build = |row: &Value| node(text(&row["key"]), text(&row["type"]), row["config"].clone());
    let mut main: Vec<Node> = Vec::new();
    for row in rows {
        let Some(owner) = row["under"][0].as_str() else {
            main.push(build(row));
            continue;
        };
        let index = row["under"][1].as_i64().and_then(|index| i32::try_from(index).ok()).expect("a branch");
        let owner = main.iter_mut().find(|one| one.key == owner).expect("its owner is on the main line");
        match owner.branches.iter_mut().find(|(known, _)| *known == index) {
            Some((_, branch)) => branch.push(build(row)),
            None => owner.branches.push((index, vec![build(row)])),
        }
    }
    main
}

/// SQL NULL and the JSON value null, which the recorded rows do not tell apart.
fn plain(value: &Value) -> Value {
    if value == "<json null>" { Value::Null } else { value.clone() }
}

/// The jobs of an execution as they are recorded.
async fn jobs(rows: &Rows, execution: &Value) -> Vec<Value> {
    let jobs = rows.jobs(execution["id"].as_i64().expect("an id")).await;
    let places: HashMap<i64, usize> =
        jobs.iter().enumerate().filter_map(|(place, job)| Some((job["id"].as_i64()?, place))).collect();
    let recorded = |job: &Value| {
        json!({
            "node": job["node"],
            "upstream": job["upstreamId"].as_i64().map(|id| places[&id]),
            "status": job["status"],
            "result": plain(&job["result"]),
            "meta": plain(&job["meta"]),
        })
    };
    jobs.iter().map(recorded).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_recorded_as_by_nocobase() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &ALONE).await;
        let mut queued = Vec::new();
        for case in cases() {
            let hook = workflow(text(&case["name"]), false, &case["config"], &tree(&case));
            server.add(&hook).await;
            set(&server, &hook, "type", &format!("'{}'", text(&case["type"]))).await;
            insert(&server, &hook, &[(next_id(), case["context"].clone())]).await;
            queued.push((case, hook));
        }
        for (case, hook) in queued {
            let name = text(&case["name"]);
            let execution = server.settled(hook.id, 1, TIMEOUT).await.remove(0);
            assert_eq!(execution["status"], case["status"], "{name}");
            assert_eq!(plain(&execution["output"]), case["output"], "{name}");
            assert_eq!(execution["context"], case["context"], "{name}");
            let expected = case["jobs"].as_array().expect("jobs");
            assert_eq!(jobs(&server, &execution).await, *expected, "{name}");
        }
        server.stop().await;
    })
    .await;
}

#[test]
fn the_cases_are_of_four_types_of_triggers() {
    let types: std::collections::BTreeSet<String> =
        cases().iter().map(|case| text(&case["type"]).to_owned()).collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["action", "collection", "custom-action", "schedule"]);
    assert!(cases().len() >= 12);
}
