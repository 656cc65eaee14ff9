//! `sidehook prune`: removes executions of the past, in small steps beside whatever runs.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::time::Instant;

use super::executions::Selection;
use super::{Settings, output};
use crate::app::{UNOPENED, connect};
use crate::clock::{Clock, SystemClock};
use crate::node;
use crate::store::removal::{Removable, Removal};

/// Of the database's time at most about one part in so many is taken.
const SHARE: u32 = 4;
/// The shortest wait between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// Removes executions of webhook workflows that are over, with their jobs, as NocoBase does when they are deleted on its
/// screen.
#[derive(Args)]
#[command(after_help = "\
Without --yes it only says what it would remove. Workflows with nodes that NocoBase runs are left out: such nodes have
rows of their own, which only NocoBase removes.

Examples:
  sidehook prune --until 30d --env-file .env
  sidehook prune --until 7d --status resolved --workflow orders --yes --env-file .env")]
pub(super) struct Prune {
    #[command(flatten)]
    selection: Selection,
    /// Remove them
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Prune {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.selection.until.is_some(),
            "say how old an execution has to be, such as --until 30d; --until 0s removes all that are over"
        );
        let (config, _log) = self.settings.load().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = self.selection.filter(SystemClock.now());
        let found = store.removable(&filter).await.context("the executions cannot be read")?;
        let (own, others): (Vec<Removable>, Vec<Removable>) = found.into_iter().partition(is_own);
        for workflow in &others {
            output::line(format!(
                "{:>9}  left: {} has nodes that NocoBase runs",
                workflow.executions,
                told(workflow)
            ))?;
        }
        for workflow in &own {
            output::line(format!("{:>9}  {}", workflow.executions, told(workflow)))?;
        }
        let total: i64 = own.iter().map(|workflow| workflow.executions).sum();
        if !self.yes {
            return output::line(format!("{total:>9}  in all; run it again with --yes to remove them"));
        }
        let mut removed = 0;
        let mut removal = Removal::new(&own, filter);
        let mut started = Instant::now();
        while let Some(count) = removal.step(&store).await? {
            removed += count;
            eprintln!("{removed:>9} of {total} removed");
            tokio::time::sleep((started.elapsed() * (SHARE - 1)).max(PAUSE)).await;
            started = Instant::now();
        }
        output::line(format!("{removed:>9}  removed"))
    }
}

/// Whether sidehook runs all nodes of a workflow itself.
fn is_own(workflow: &Removable) -> bool {
    workflow.node_types.iter().all(|name| node::find(name).is_some())
}

fn told(workflow: &Removable) -> String {
    format!("{} ({})", output::printable(&workflow.title), workflow.key)
}
