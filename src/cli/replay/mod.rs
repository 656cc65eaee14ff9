//! `sidehook replay`: sends recorded requests once more, in this process or to a server.

mod progress;
mod recorded;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use entity::request;
use futures_util::{StreamExt, stream};
use url::Url;

use self::progress::Progress;
pub(super) use self::recorded::{HEADER, Recorded};

use super::in_process::InProcess;
use super::outgoing::{Outgoing, base, header};
use super::requests::{Selection, UNREAD};
use super::{Settings, output};
use crate::app::{UNOPENED, connect};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, MAIN};
use crate::http::{Replayer, Told};
use crate::store::Store;
use crate::store::request::RequestFilter;

/// So many requests are in memory at a time.
const PAGE: usize = 100;

/// Sends requests of the log once more, oldest first, with the header x-sidehook-replay.
#[derive(Args)]
#[command(after_help = "\
Without --to they are handled in this process, as a server of this database would: through the newest version of their
workflow, into its executions. Addresses, rates, credentials and signatures are not checked again; requests that were
not let in when they came are left out. With --to a server makes all of its checks; what was withheld from the log can
be given with --header. Requests whose body is not in the log as a whole are left out: keep it with
SIDEHOOK_REQUESTS=bodies.

Examples:
  sidehook replay 4834329452544 --env-file .env
  sidehook replay --workflow orders --status 5xx --since 1h --dry-run --env-file .env
  sidehook replay --since 1d --to http://127.0.0.1:13080 --header x-api-key:123 --env-file .env")]
pub(super) struct Replay {
    /// The ids of requests, from `sidehook requests`
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    #[command(flatten)]
    selection: Selection,
    /// A server to send them to
    #[arg(long, value_name = "URL", value_parser = base)]
    to: Option<Url>,
    /// A header to send with each, in the place of one that was withheld
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, requires = "to")]
    header: Vec<(String, String)>,
    /// Run events again that have been run: their delivery ids do not count
    #[arg(long, conflicts_with = "to")]
    again: bool,
    /// Say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// So many at a time; they overtake each other then
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), value_name = "NUMBER")]
    parallel: u16,
    #[command(flatten)]
    settings: Settings,
}

/// Where requests are sent.
enum Way {
    Here(InProcess, Replayer),
    Server(Box<Outgoing>),
    /// Nowhere.
    Dry,
}

impl Replay {
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        ensure!(
            !self.ids.is_empty() || !self.selection.is_empty(),
            "say which requests: their ids, or for example --workflow orders --status 5xx --since 1h"
        );
        ensure!(
            self.ids.is_empty() || self.selection.is_empty(),
            "say either ids or what the requests have in common"
        );
        let (config, _log) = self.settings.clone().load_quietly().await?;
        if config.app != MAIN {
            // A server is told whose request it is; here it is handled in that application.
            self.header.push(("x-app".to_owned(), config.app.clone()));
        }
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = match self.ids.is_empty() {
            true => self.selection.filter(SystemClock.now()),
            false => RequestFilter { ids: Some(self.ids.clone()), ..RequestFilter::default() },
        };
        let ids = store.request_ids(&filter).await.context(UNREAD)?;
        if let Some(missing) = self.ids.iter().find(|id| !ids.contains(id)) {
            bail!("no request has the id {missing}");
        }
        let way = self.way(config).await?;
        let outcome = self.send_all(&store, &ids, &way).await;
        if let Way::Here(here, _) = way {
            here.end().await?;
        }
        outcome
    }

    async fn way(&self, config: Config) -> anyhow::Result<Way> {
        if self.dry_run {
            return Ok(Way::Dry);
        }
        if let Some(to) = &self.to {
            return Ok(Way::Server(Box::new(Outgoing::new(
                config.requests.extra_certificates.as_deref(),
                to.clone(),
            )?)));
        }
        let here = InProcess::start(config).await?;
        eprintln!("Addresses, rates, credentials and signatures are not checked again.");
        let replayer = Replayer::new(&here.app);
        Ok(Way::Here(here, replayer))
    }

    async fn send_all(&self, store: &Store, ids: &[i64], way: &Way) -> anyhow::Result<()> {
        let mut progress = Progress::new(ids.len());
        let (mut told, mut left): (BTreeMap<u16, usize>, usize) = (BTreeMap::new(), 0);
        let mut failed = 0;
        for page in ids.chunks(PAGE) {
            let filter = RequestFilter { ids: Some(page.to_vec()), ..RequestFilter::default() };
            let mut rows = store.find_requests(&filter, PAGE as u64).await.context(UNREAD)?;
            rows.reverse();
            let sending = stream::iter(&rows).map(async |row| (row, self.send(row, way).await));
            let mut sending = sending.buffered(self.parallel.into());
            while let Some((row, outcome)) = sending.next().await {
                progress.step();
                match outcome {
                    Outcome::Told(answer) => {
                        failed += usize::from(answer.status >= 400);
                        *told.entry(answer.status).or_default() += 1;
                        tell(&mut progress, row, &answer)?;
                    }
                    Outcome::Left(reason) => {
                        left += 1;
                        progress.line(format!("{:<19}  left out: {reason}", row.id))?;
                    }
                    Outcome::Unanswered(reason) => {
                        failed += 1;
                        progress.line(format!(
                            "{:<19}  no answer: {}",
                            row.id,
                            output::printable(&reason)
                        ))?;
                    }
                    Outcome::Dry(target) => progress.line(format!("{:<19}  {target}", row.id))?,
                }
            }
        }
        progress.end();
        let counts = told.iter().map(|(status, count)| format!(", {count} answered with {status}"));
        let sent = if self.dry_run { "would be sent" } else { "sent" };
        let summary = format!("{} {sent}, {left} left out", ids.len() - left);
        output::line(summary + &counts.collect::<String>())?;
        ensure!(failed == 0, "{failed} were not taken");
        Ok(())
    }

    async fn send(&self, row: &request::Model, way: &Way) -> Outcome {
        let is_here = self.to.is_none();
        // A selection is about what senders have sent.
        let recorded = Recorded::of(row, is_here, !self.ids.is_empty());
        let recorded = match recorded {
            Ok(recorded) => recorded,
            Err(reason) => return Outcome::Left(reason),
        };
        let outcome = match way {
            Way::Dry => {
                return Outcome::Dry(output::printable(&format!(
                    "{} {}",
                    recorded.sent.method, recorded.sent.target
                )));
            }
            Way::Here(here, replayer) => {
                let (sent, replay) = recorded.in_process(self.again);
                replayer.send(&here.app, sent, replay).await
            }
            Way::Server(outgoing) => outgoing.send(recorded.over_a_connection(&self.header)).await,
        };
        outcome.map_or_else(Outcome::Unanswered, Outcome::Told)
    }
}

/// What came of one request.
enum Outcome {
    Told(Told),
    Left(&'static str),
    Unanswered(String),
    /// What would be sent.
    Dry(String),
}

/// Says what is worth a line.
fn tell(progress: &mut Progress, row: &request::Model, answer: &Told) -> anyhow::Result<()> {
    let before = row.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    if let Some(first) = &answer.duplicate_of {
        let text = format!("a duplicate of execution {}, not run again", output::printable(first));
        return progress.line(format!("{:<19}  {before} -> {}  {text}", row.id, answer.status));
    }
    if answer.status >= 400 || row.status != Some(answer.status.into()) {
        return progress.line(format!("{:<19}  {before} -> {}", row.id, answer.status));
    }
    Ok(())
}
