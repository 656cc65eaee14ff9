//! `sidehook queue`: what is in the queue in front of the database. No server has to run for it, and no database.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::DateTime;
use clap::{Args, Subcommand};
use tokio::time::{Instant, sleep};

use super::moment::local;
use super::{Settings, output};
use crate::app::certificates;
use crate::config::Config;
use crate::queue::{self, Dead, Depth, Event, Fault};
use crate::telemetry::Log;

/// How long it may take until the queue answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events that were put aside are read in parts of so many, which may be of 8 MB each.
const PART: usize = 8;

/// Says how much waits and how much was put aside.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  sidehook queue --env-file .env
  sidehook queue dead --env-file .env
  sidehook queue replay 17 --env-file .env
  sidehook queue replay --all --env-file .env"
)]
pub(super) struct Queue {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// List events that could not become executions, and why
    Dead(List),
    /// Put events that were put aside back into the queue
    Replay(Replay),
}

#[derive(Args)]
struct List {
    /// The most to list
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
struct Replay {
    /// Their places, as `sidehook queue dead` lists them
    #[arg(value_name = "PLACE", required_unless_present = "all")]
    places: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "places")]
    all: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Queue {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Some(Command::Dead(list)) => list.run().await,
            Some(Command::Replay(replay)) => replay.run().await,
            None => {
                let (queue, _log) = open(self.settings).await?;
                let Depth { events, bytes, dead } = queue.depth().await?;
                output::line(format!("{events} events wait ({bytes} bytes), {dead} were put aside"))
            }
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let (queue, _log) = open(self.settings).await?;
        output::line(format!("{:<20}  {:<19}  {:<24}  {}", "PLACE", "LET IN", "WORKFLOW", "REASON"))?;
        let found = queue.dead(self.limit).await?;
        found.iter().try_for_each(|dead| output::line(line(dead)))
    }
}

impl Replay {
    async fn run(self) -> anyhow::Result<()> {
        let (queue, _log) = open(self.settings).await?;
        let (mut count, mut missing) = (0, None);
        if self.all {
            count = replay_all(&*queue).await?;
        }
        for place in self.places {
            match queue.dead_at(&place).await? {
                Some(dead) => {
                    replay(&*queue, &dead).await?;
                    count += 1;
                }
                None => missing = missing.or(Some(place)),
            }
        }
        output::line(format!("{count} events are in the queue again"))?;
        match missing {
            Some(place) => bail!("no event has the place {place}; `sidehook queue dead` lists them"),
            None => Ok(()),
        }
    }
}

/// Puts back as many events as there are now, oldest first. What comes meanwhile is behind them: those that are put aside
/// once more would be put back for ever.
async fn replay_all(queue: &dyn queue::Queue) -> anyhow::Result<usize> {
    let there = usize::try_from(queue.depth().await?.dead)?;
    let mut count = 0;
    while count < there {
        let found = queue.dead(PART.min(there - count)).await?;
        if found.is_empty() {
            break;
        }
        for dead in &found {
            replay(queue, dead).await?;
            count += 1;
        }
    }
    Ok(count)
}

async fn replay(queue: &dyn queue::Queue, dead: &Dead) -> anyhow::Result<()> {
    // Where the settings of the queue take it for the same event, it would not be stored.
    let id = format!("replayed:{}:{}", dead.place, uuid::Uuid::new_v4());
    queue::revive(queue, dead, &id).await.context("the event was left where it is")
}

fn line(dead: &Dead) -> String {
    let event = Event::decode(&dead.payload).ok();
    let at = event.as_ref().and_then(|event| DateTime::from_timestamp_millis(event.at));
    let workflow = event.map_or_else(|| "-".to_owned(), |event| event.workflow);
    let (workflow, reason) = (output::printable(&workflow), output::printable(&dead.reason));
    format!("{:<20}  {:<19}  {workflow:<24}  {reason}", dead.place, local(at))
}

/// The queue of the settings, with the log that lasts as long as the command. What the connection is doing is not of
/// interest.
async fn open(settings: Settings) -> anyhow::Result<(Arc<dyn queue::Queue>, Log)> {
    let (config, log) = settings.load_quietly().await?;
    Ok((reach(&config).await?, log))
}

/// The queue of a configuration, once it answers.
pub(super) async fn reach(config: &Config) -> anyhow::Result<Arc<dyn queue::Queue>> {
    let opened = queue::open(&config.queue, &config.app, &certificates(config)).await?;
    let queue =
        opened.context("there is no queue in front of the database: SIDEHOOK_QUEUE_URL is not set")?;
    let begun = Instant::now();
    loop {
        match queue.set_up().await {
            Ok(()) => return Ok(queue),
            Err(Fault::Unavailable(_)) if begun.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(200)).await
            }
            Err(fault) => return Err(fault).context("the queue cannot be used; check SIDEHOOK_QUEUE_URL"),
        }
    }
}
