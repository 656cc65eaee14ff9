//! `sidehook import`: a workflow from a file into the database, as a new one.

mod file;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use clap::Args;

pub(super) use self::file::WorkflowFile;

use super::reachable::reachable;
use super::{Settings, output};
use crate::app::open_store;
use crate::clock::{Clock, SystemClock};
use crate::expr::system::SNOWFLAKE_EPOCH_SECONDS;
use crate::node;
use crate::store::Store;

/// The server that the lines of files are written for.
const WRITTEN_FOR: &str = "http://127.0.0.1:13080/api/";

/// Adds a workflow from a file, switched off unless `--enable` is given. Workflows that are there stay as they are.
#[derive(Args)]
#[command(after_help = "\
The files of examples/ can be imported. NocoBase's screen shows the workflow at once, where it can be looked
through, changed and switched on.

Examples:
  sidehook import examples/demo-sync.json --env-file .env
  sidehook import examples/github-issues.json --key issues --enable --env-file .env
  sidehook import - --database sidehook.sqlite")]
pub(super) struct Import {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Another key, the last part of its URL, than the file says
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Let it take events at once
    #[arg(long)]
    enable: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let file = WorkflowFile::parse(&read(&self.file)?)
            .with_context(|| format!("{} cannot be imported", self.file.display()))?;
        let (config, _log) = self.settings.load().await?;
        let store = open_store(&config).await?;
        let key = self.key.as_deref().unwrap_or(&file.key);
        if store.has_workflow(key).await? {
            bail!("there is a workflow with the key {key} already: choose another one with --key");
        }
        add(&store, &file, key, self.enable, SystemClock.now()).await?;
        let count = file.types().len();
        let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        output::line(format!("Imported \"{}\" as the workflow {key}, with {nodes}.", file.title))?;
        tell_what_is_missing(&store, &file).await?;
        if !self.enable {
            output::line(
                "It is switched off: switch it on on NocoBase's screen, or import it with --enable.",
            )?;
        }
        let base = format!("http://{}{}", reachable(config.http.listen), config.http.api_base_path);
        for (i, attempt) in file.attempts.iter().enumerate() {
            if i == 0 {
                output::line("To try it:")?;
            }
            let line = attempt.run.replace(WRITTEN_FOR, &base);
            let [written, wanted] = [&*file.key, key].map(|key| format!("webhook:trigger/{key}"));
            output::line(format!("  # answered with {}", attempt.status))?;
            output::line(format!("  {}", line.replace(&written, &wanted)))?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// What the workflow counts on and does not find.
async fn tell_what_is_missing(store: &Store, file: &WorkflowFile) -> anyhow::Result<()> {
    let mut foreign: Vec<&str> = file.types().into_iter().filter(|name| node::find(name).is_none()).collect();
    foreign.sort_unstable();
    foreign.dedup();
    if !foreign.is_empty() {
        let list = foreign.join(", ");
        output::line(format!("sidehook leaves nodes of these types to NocoBase: {list}."))?;
    }
    if file.collections.is_empty() {
        return Ok(());
    }
    let known = store.metadata().await?.collections;
    for collection in &file.collections {
        let name = collection.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !known.iter().any(|row| row.name == name) {
            let fields = collection.get("fields").and_then(serde_json::Value::as_array);
            let fields = fields.into_iter().flatten().filter_map(|field| field.get("name")?.as_str());
            let fields = fields.collect::<Vec<_>>().join(", ");
            output::line(format!(
                "It needs the collection {name}, which is not there: create it in NocoBase, with the fields {fields}."
            ))?;
        }
    }
    Ok(())
}

/// Adds a workflow under ids of its own.
pub(super) async fn add(
    store: &Store,
    file: &WorkflowFile,
    key: &str,
    is_enabled: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let mut id = first_id(now);
    let workflow = file.rows(key, is_enabled, || {
        id += 1;
        id
    });
    store.insert_workflow(&workflow, now).await.with_context(|| format!("{key} cannot be written"))
}

/// In NocoBase's layout (`snowflakeId`), with sequences that NocoBase, which counts from 0 in each second, does not come to,
/// and in the order of time. What two commands of the same millisecond would have in common is refused by the database, and
/// nothing is written.
fn first_id(now: DateTime<Utc>) -> i64 {
    const WORKER: i64 = 31;
    const FIRST_SEQUENCE: i64 = 32_768;
    let sequence = FIRST_SEQUENCE + i64::from(now.timestamp_subsec_millis().min(999)) * 32;
    ((now.timestamp() - SNOWFLAKE_EPOCH_SECONDS) << 21) | (WORKER << 16) | sequence
}
