//! `sidehook demo`: an SQLite file with three workflows, served at once.

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;

use super::{Settings, output, serve};
use crate::app::open_store;
use crate::clock::{Clock, SystemClock};
use crate::store::Store;
use crate::store::workflow::{NewNode, NewWorkflow};

/// Serves three sample workflows. The file is created when it does not exist, and kept.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook demo
  sidehook demo --listen 127.0.0.1:8080 --database /tmp/demo.sqlite")]
pub(super) struct Demo {
    /// The address to serve on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:13080")]
    listen: SocketAddr,
    /// The SQLite file
    #[arg(long, value_name = "FILE", default_value = "sidehook-demo.sqlite")]
    database: PathBuf,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let file = self.database.display().to_string();
        let settings =
            Settings { listen: Some(self.listen), database: Some(file.clone()), ..Settings::default() };
        let (config, _log) = settings.load()?;
        let store = open_store(&config).await?;
        migration::stand_alone(store.db.as_sea_orm(), &store.names).await?;
        store.use_write_ahead_log().await?;
        add_missing(&store, SystemClock.now()).await?;
        store.db.close().await?;
        let api = config.http.api_base_path.clone();
        // Serving does not depend on whether anybody reads this.
        let tell = |address| drop(output::line(instructions(address, &api, &file)));
        serve::run_then(config, tell).await
    }
}

async fn add_missing(store: &Store, now: DateTime<Utc>) -> anyhow::Result<()> {
    for workflow in [sync(), asynchronous(), auth()] {
        if !store.has_workflow(&workflow.key).await? {
            store.insert_workflow(&workflow, now).await?;
        }
    }
    Ok(())
}

fn instructions(listen: SocketAddr, api: &str, file: &str) -> String {
    let url = format!("http://{listen}{api}webhook:trigger");
    let quoted = format!("'{}'", file.replace('\'', r"'\''"));
    format!(
        r#"sidehook serves three sample workflows from {file}. Paste a line into another terminal:

  # A synchronous workflow with a condition: 201 from 100 up, else 422
  curl -i {url}/demo-sync -H 'content-type: application/json' -d '{{"amount":150}}'
  curl -i {url}/demo-sync -H 'content-type: application/json' -d '{{"amount":50}}'

  # An asynchronous workflow: 202 at once, its nodes run afterwards
  curl -i {url}/demo-async -H 'content-type: application/json' -d '{{"name":"Ada"}}'

  # Basic authentication: 401 without
  curl -i -u demo:demo {url}/demo-auth -H 'content-type: application/json' -d '{{}}'

  # What was recorded
  sqlite3 {quoted} 'select id, key, status from executions; select nodeKey, status, result from jobs'
"#
    )
}

/// Sample workflows have ids below those of any NocoBase.
const FIRST_ID: i64 = 1_000;

fn workflow(
    number: i64,
    key: &str,
    title: &str,
    is_sync: bool,
    config: &str,
    nodes: Vec<NewNode>,
) -> NewWorkflow {
    NewWorkflow {
        id: FIRST_ID + number * 100,
        key: key.to_owned(),
        title: title.to_owned(),
        is_sync,
        config: config.to_owned(),
        options: r#"{"timeout":0}"#.to_owned(),
        nodes,
    }
}

/// A node on the line that follows `upstream`, or on one of its branches.
fn node(
    id: i64,
    key: &str,
    type_name: &str,
    config: &str,
    upstream: Option<i64>,
    branch: Option<i32>,
) -> NewNode {
    NewNode {
        id,
        key: key.to_owned(),
        title: key.to_owned(),
        type_name: type_name.to_owned(),
        config: config.to_owned(),
        upstream_id: upstream,
        branch_index: branch,
        downstream_id: None,
    }
}

fn sync() -> NewWorkflow {
    let enough = r#"{"engine":"basic","rejectOnFalse":false,"calculation":{"group":{"type":"and","calculations":[
        {"calculator":"gte","operands":["{{$context.body.amount}}",100]}]}}}"#;
    let accepted =
        r#"{"statusCode":201,"headers":[],"body":{"ok":true,"amount":"{{$context.body.amount}}"}}"#;
    let refused = r#"{"statusCode":422,"headers":[],"body":{"ok":false}}"#;
    workflow(
        0,
        "demo-sync",
        "Demo: condition and response",
        true,
        r#"{"basicAuthentication":false,"request":{"headers":[],"query":[],"body":[{"key":"amount"}]}}"#,
        vec![
            node(1_001, "enough", "condition", enough, None, None),
            node(1_002, "accepted", "response", accepted, Some(1_001), Some(1)),
            node(1_003, "refused", "response", refused, Some(1_001), Some(0)),
        ],
    )
}

fn asynchronous() -> NewWorkflow {
    let greeting = r#"{"value":"Hello {{$context.body.name:stranger}}"}"#;
    let facts = r#"{"value":{"greeting":"{{$jobsMapByNodeKey.greeting}}","at":"{{$system.now}}"}}"#;
    let mut nodes = vec![
        node(1_101, "greeting", "variable", greeting, None, None),
        node(1_102, "facts", "variable", facts, Some(1_101), None),
        node(1_103, "output", "output", r#"{"value":"{{$jobsMapByNodeKey.facts}}"}"#, Some(1_102), None),
    ];
    nodes[0].downstream_id = Some(1_102);
    nodes[1].downstream_id = Some(1_103);
    workflow(
        1,
        "demo-async",
        "Demo: accepted at once, run afterwards",
        false,
        r#"{"basicAuthentication":false,"request":{"headers":[],"query":[],"body":[{"key":"name"}]},
            "response":{"statusCode":202,"headers":[],"body":{"accepted":true}}}"#,
        nodes,
    )
}

fn auth() -> NewWorkflow {
    workflow(
        2,
        "demo-auth",
        "Demo: basic authentication",
        true,
        r#"{"basicAuthentication":{"username":"demo","password":"demo"},
            "request":{"headers":[],"query":[],"body":[]}}"#,
        vec![node(
            1_201,
            "welcome",
            "response",
            r#"{"statusCode":200,"headers":[],"body":"welcome"}"#,
            None,
            None,
        )],
    )
}
