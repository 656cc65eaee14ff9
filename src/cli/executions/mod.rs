//! `sidehook executions`: what has run and what came of it, from the database. No server has to run for it.

mod from_failure;
mod retry;
mod selection;
mod show;
mod status;

use std::io::IsTerminal;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

pub(super) use self::selection::Selection;

use super::moment::local;
use super::{Settings, output};
use crate::app::{UNOPENED, connect};
use crate::clock::{Clock, SystemClock};
use crate::expr::{Value, json};
use crate::store::history::Past;

/// Lists executions, newest first.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  sidehook executions --env-file .env
  sidehook executions --status failed,error --since 1d --env-file .env
  sidehook executions show 353920193101824 --env-file .env
  sidehook executions retry 353920193101824 --env-file .env
  sidehook executions retry 353920193101824 --from-failure --env-file .env"
)]
pub(super) struct Executions {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    selection: Selection,
    /// The most to list
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: u64,
    /// Print each as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Print one execution with its jobs and their results
    Show(show::Show),
    /// Run workflows once more with the contexts of executions
    Retry(retry::Retry),
}

impl Executions {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Some(Command::Show(show)) => return show.run().await,
            Some(Command::Retry(retry)) => return Box::pin(retry.run()).await,
            None => {}
        }
        let (config, _log) = self.settings.load().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = self.selection.filter(SystemClock.now());
        let found = store.past_executions(&filter, self.limit).await;
        let found = found.context("the executions cannot be read; is this NocoBase's database?")?;
        if self.json {
            return found.iter().try_for_each(|past| output::line(as_json(past)));
        }
        let is_coloured = std::io::stdout().is_terminal();
        output::line(format!(
            "{:<19}  {:<17}  {:<12}  {:>9}  {}",
            "CREATED", "ID", "STATUS", "SECONDS", "WORKFLOW"
        ))?;
        found.iter().try_for_each(|past| output::line(line(past, is_coloured)))
    }
}

/// One of the list.
pub(super) fn line(past: &Past, is_coloured: bool) -> String {
    let status = status::coloured(past.status, 12, is_coloured);
    let seconds = seconds(past).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3}"));
    let title = past.title.as_deref().or(past.key.as_deref()).unwrap_or("(deleted)");
    let title = output::printable(title);
    let reason = past.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}  {:<17}  {status}  {seconds:>9}  {title}{reason}", local(past.created_at), past.id)
}

/// How long it ran; none while it does.
fn seconds(past: &Past) -> Option<f64> {
    let (started, ended) = (past.started_at.or(past.created_at)?, past.updated_at?);
    past.status.filter(|status| *status != 0)?;
    Some((ended - started).num_milliseconds() as f64 / 1000.0)
}

fn as_json(past: &Past) -> String {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let moment = |time: Option<DateTime<Utc>>| text(time.map(|time| time.to_rfc3339()));
    json::stringify_or_null(&Value::object([
        ("id", Value::from(past.id.to_string())),
        ("key", text(past.key.clone())),
        ("title", text(past.title.clone())),
        ("workflowId", text(past.workflow_id.map(|id| id.to_string()))),
        ("status", past.status.map_or(Value::Null, |status| Value::Number(status.into()))),
        ("reason", text(past.reason.clone())),
        ("createdAt", moment(past.created_at)),
        ("startedAt", moment(past.started_at)),
        ("updatedAt", moment(past.updated_at)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_status_length_and_workflow() {
        let at = |ms| DateTime::from_timestamp_millis(ms);
        let past = Past {
            id: 5,
            workflow_id: Some(1),
            key: Some("k".into()),
            title: Some("Orders\u{7}".into()),
            status: Some(-3),
            reason: Some("timeout".into()),
            created_at: at(0),
            updated_at: at(2500),
            started_at: at(1000),
        };
        let plain = line(&past, false);
        assert!(
            plain.contains("aborted") && plain.ends_with("    1.500  Orders\u{fffd} (timeout)"),
            "{plain}"
        );
        let running = line(&Past { status: Some(0), ..past }, false);
        assert!(running.contains("started") && running.contains("  -  "), "{running}");
    }
}
