//! `sidehook self-test`: runs the examples of all node types, on a server and a database that are there for it only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::import::{self, WorkflowFile};
use super::outgoing::{Outgoing, base};
use super::{output, serve};
use crate::app::{App, open_store};
use crate::apps::Apps;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Sources, sqlite_url};
use crate::control::Control;
use crate::http::{Sent, Server};
use crate::node::{Example, Kind, NODES};
use crate::store::history::ExecutionFilter;
use crate::telemetry;

/// So many connections are enough for one caller.
const CONNECTIONS: usize = 16;

/// Starts a server on a temporary SQLite database, runs every example of `sidehook nodes`, and compares what is recorded
/// with what they promise. Nothing outside of a temporary folder is touched, and no setting is read.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook self-test")]
pub(super) struct SelfTest {}

/// A server of its own.
struct Bench {
    app: Arc<App>,
    outgoing: Outgoing,
}

impl SelfTest {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let file = sqlite_url(&folder.path().join("self-test.sqlite"));
        let environment = [("SIDEHOOK_DATABASE_URL", file.as_str()), ("SIDEHOOK_LOG", "error")];
        let environment =
            environment.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let config = Config::load(&Sources { file: None, environment })?;
        let _log = telemetry::start(&config.log.filter, config.log.format)?;
        let store = open_store(&config).await?;
        migration::stand_alone(store.db.as_sea_orm(), &store.names).await?;
        store.db.close().await?;
        let control = Control::start().context("no thread can be started")?;
        let http = config.http.clone();
        let apps = Box::pin(Apps::start(config, control.handle())).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port of this machine is free")?;
        let url = base(&format!("http://{}", listener.local_addr()?))?;
        let server = Server::start(listener, http, CONNECTIONS, &control)?;
        server.open(apps.clone());
        let bench = Bench { app: apps.main().clone(), outgoing: Outgoing::new(None, url)? };
        let faults = bench.run_all(NODES).await;
        Box::pin(serve::serve(&apps, &server, async { Duration::ZERO })).await?;
        let faults = faults?;
        for fault in &faults {
            output::line(fault)?;
        }
        ensure!(faults.is_empty(), "{} examples did not do what they promise", faults.len());
        output::line("OK")
    }
}

impl Bench {
    /// Runs all examples; returns what did not come out as promised.
    async fn run_all(&self, kinds: &[Kind]) -> anyhow::Result<Vec<String>> {
        let mut faults = Vec::new();
        for kind in kinds {
            let examples = (kind.examples)();
            for (i, example) in examples.iter().enumerate() {
                if let Some(sample) = kind.sample {
                    let collection = serde_json::from_str(sample.collection)?;
                    self.app
                        .store
                        .replace_sample(&collection, &serde_json::from_str(sample.records)?)
                        .await?;
                    self.app.collections.refresh().await?;
                }
                let key = format!("{}-{i}", kind.type_name);
                let recorded = self.run(&key, kind.type_name, example).await;
                let recorded = recorded.with_context(|| format!("{}: {}", kind.type_name, example.about))?;
                faults.extend(fault(kind.type_name, example, &recorded)?);
            }
            output::line(format!("{:<24} {}", kind.type_name, examples.len()))?;
        }
        Ok(faults)
    }

    /// Runs a workflow of just this node; returns statuses and results of its jobs.
    async fn run(
        &self,
        key: &str,
        type_name: &str,
        example: &Example,
    ) -> anyhow::Result<Vec<(Option<i32>, Value)>> {
        let context: Map<String, Value> = serde_json::from_str(example.context)?;
        let body = context.get("body").cloned().unwrap_or_else(|| json!({}));
        let items: Vec<Value> =
            body.as_object().into_iter().flatten().map(|(name, _)| json!({"key": name})).collect();
        let config: Value = serde_json::from_str(example.config)?;
        let file = json!({
            "title": example.about,
            "key": key,
            "sync": true,
            "config": {"request": {"headers": [], "query": [], "body": items}},
            "nodes": [{"key": "n", "type": type_name, "config": config}],
        });
        let store = &self.app.store;
        let file = WorkflowFile::parse(&file.to_string())?;
        import::add(store, &file, key, true, SystemClock.now()).await?;
        self.app.hooks.refresh().await?;
        let sent = Sent {
            method: "POST".to_owned(),
            target: format!("/api/webhook:trigger/{key}"),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        };
        self.outgoing.send(sent).await.map_err(|reason| anyhow::anyhow!("there is no answer: {reason}"))?;
        let filter = ExecutionFilter { key: Some(key.to_owned()), ..ExecutionFilter::default() };
        let executions = store.past_executions(&filter, 1).await?;
        let id = executions.first().context("no execution was recorded")?.id;
        let jobs = store.past_jobs(id, 10).await?.into_iter().map(|(job, _)| {
            let result = job.result.map_or(Ok(Value::Null), |text| serde_json::from_str(&text.0));
            Ok((job.status, result?))
        });
        jobs.collect()
    }
}

/// What is wrong with what an example has recorded.
fn fault(
    type_name: &str,
    example: &Example,
    recorded: &[(Option<i32>, Value)],
) -> anyhow::Result<Option<String>> {
    let result = if example.result.is_empty() { "null" } else { example.result };
    let promised = [(Some(example.status), serde_json::from_str(result)?)];
    if recorded == promised {
        return Ok(None);
    }
    let told = |jobs: &[(Option<i32>, Value)]| {
        let jobs = jobs.iter().map(|(status, result)| {
            format!("status {}, result {result}", status.map_or_else(|| "none".to_owned(), |s| s.to_string()))
        });
        jobs.collect::<Vec<_>>().join("; ")
    };
    Ok(Some(format!(
        "{type_name}: {}\n  promised  {}\n  recorded  {}",
        example.about,
        told(&promised),
        told(recorded)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_with_both_sides() {
        let example = Example { about: "Adds", config: "{}", context: "{}", status: 1, result: "3" };
        let fault = |recorded: &[(Option<i32>, Value)]| fault("calculation", &example, recorded);
        assert!(fault(&[(Some(1), json!(3))]).is_ok_and(|fault| fault.is_none()));
        let told = fault(&[(Some(-2), json!("x"))]).ok().flatten();
        assert_eq!(
            told.as_deref(),
            Some("calculation: Adds\n  promised  status 1, result 3\n  recorded  status -2, result \"x\"")
        );
        assert!(fault(&[]).is_ok_and(|fault| fault.is_some()));
        assert!(fault(&[(Some(1), json!(3)), (Some(1), json!(3))]).is_ok_and(|fault| fault.is_some()));
    }
}
