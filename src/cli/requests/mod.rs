//! `sidehook requests`: what senders have sent and what became of it, from the request log. No server has to run for it.

mod body;
mod follow;
pub(super) mod line;
mod selection;
mod show;

use std::io::IsTerminal;

use anyhow::Context as _;
use clap::{Args, Subcommand};

pub(super) use self::body::Body;
pub(super) use self::follow::follow;
pub(super) use self::selection::{Selection, UNREAD};
pub(super) use self::show::{OF_THE_CONNECTION, headers};

use super::{Settings, output};
use crate::app::{UNOPENED, connect};
use crate::clock::{Clock, SystemClock};

/// Lists requests, newest first.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  sidehook requests --env-file .env
  sidehook requests --status 4xx,5xx --since 1d --env-file .env
  sidehook requests --workflow orders --follow --env-file .env
  sidehook requests show 4834329452544 --env-file .env"
)]
pub(super) struct Requests {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    selection: Selection,
    /// The most to list
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: u64,
    /// Go on with those that arrive, oldest first, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Print each as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Print one request as an HTTP message and as a line of curl
    Show(show::Show),
}

impl Requests {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if let Some(Command::Show(show)) = self.command {
            return show.run().await;
        }
        let (config, _log) = self.settings.load().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = self.selection.filter(SystemClock.now());
        let found = store.find_requests(&filter, self.limit).await.context(UNREAD)?;
        let print: fn(&_) -> _ = if self.json {
            |row| output::line(line::as_json(row))
        } else if std::io::stdout().is_terminal() {
            |row| output::line(line::line(row, true))
        } else {
            |row| output::line(line::line(row, false))
        };
        if !self.json {
            output::line(line::HEAD)?;
        }
        if self.follow {
            return follow(&store, filter, found, print).await;
        }
        found.iter().try_for_each(print)
    }
}
