//! `sidehook status`: who is alive, what waits and what has failed lately, from the database. No server has to run for it.

use std::io::IsTerminal;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use entity::status::execution::{ERROR, FAILED};

use super::{Settings, executions, output};
use crate::app::{UNOPENED, connect};
use crate::apps::of_app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, MAIN};
use crate::expr::{Value, json};
use crate::ids::second_of;
use crate::store::Store;
use crate::store::history::{ExecutionFilter, Past};
use crate::store::standing::Standing;

/// How far failures are looked back for.
const LATELY: TimeDelta = TimeDelta::days(1);
/// At most so many are told.
const FAILURES: u64 = 5;

/// Says how a deployment is doing. It fails where no instance is alive.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook status --env-file .env
  sidehook status --json --env-file .env")]
pub(super) struct Status {
    /// Print it as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Status {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (config, _log) = self.settings.load_quietly().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let now = SystemClock.now();
        let standing = store.standing(now).await;
        let standing =
            standing.context("sidehook's tables cannot be read; has it served this database before?")?;
        let filter = ExecutionFilter {
            statuses: Some(vec![Some(FAILED), Some(ERROR)]),
            created_from: Some(now - LATELY),
            ..ExecutionFilter::default()
        };
        let failures = store.past_executions(&filter, FAILURES).await;
        let failures = failures.context("the executions cannot be read; is this NocoBase's database?")?;
        if self.json {
            output::line(as_json(&standing, &failures, now))?;
        } else {
            let is_coloured = std::io::stdout().is_terminal();
            lines(&standing, &failures, now, is_coloured).into_iter().try_for_each(output::line)?;
        }
        apps(&config, &store, now, self.json).await?;
        if standing.instances.is_empty() {
            bail!("no sidehook serves this database: start one with `sidehook serve`");
        }
        Ok(())
    }
}

/// Says how the sub-applications are doing that are served: a line for each.
async fn apps(config: &Config, store: &Store, now: DateTime<Utc>, is_json: bool) -> anyhow::Result<()> {
    if config.app != MAIN || !config.apps.serves_others() {
        return Ok(());
    }
    let rows = store.applications().await.context("the applications cannot be read")?;
    for row in rows.iter().filter(|row| config.apps.serves(&row.name)) {
        let told = match Box::pin(standing_of(config, store, &row.name, now)).await {
            Ok(standing) if is_json => as_json(&standing, &[], now),
            Ok(standing) => {
                let waiting = counted(standing.waiting, "execution");
                let alive = counted(standing.instances.len() as u64, "instance");
                format!("{alive} alive, {waiting} waiting for a worker")
            }
            Err(err) if is_json => json::stringify_or_null(&Value::from(format!("{err:#}"))),
            Err(err) => format!("not served: {err:#}"),
        };
        let name = output::printable(&row.name);
        output::line(match is_json {
            true => format!("{{\"app\":{},\"told\":{told}}}", json::stringify_or_null(&Value::from(name))),
            false => format!("application {name}: {}", output::printable(&told)),
        })?;
    }
    Ok(())
}

async fn standing_of(
    config: &Config,
    store: &Store,
    name: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Standing> {
    let config = of_app(config, store, name).await?;
    let store = connect(&config).await.context(UNOPENED)?;
    let standing = store.standing(now).await;
    let _ = store.db.close().await;
    standing.context("sidehook's tables cannot be read; has it served this application before?")
}

fn lines(standing: &Standing, failures: &[Past], now: DateTime<Utc>, is_coloured: bool) -> Vec<String> {
    let mut lines = vec![format!("sidehook {}", env!("CARGO_PKG_VERSION"))];
    lines.push(format!("{} alive", counted(standing.instances.len() as u64, "instance")));
    lines.extend(standing.instances.iter().map(|alive| {
        let silence = alive.silent_ms as f64 / 1000.0;
        format!("  number {}, generation {}, heard {silence:.1} s ago", alive.number, alive.generation)
    }));
    let oldest = oldest_wait(standing, now).map(|seconds| format!(", the oldest for {seconds} s"));
    let waiting = counted(standing.waiting, "execution");
    lines.push(format!("{waiting} waiting for a worker{}", oldest.unwrap_or_default()));
    lines.push(format!("{} running or paused", counted(standing.leased, "execution")));
    match failures.is_empty() {
        true => lines.push("no execution has failed within a day".to_owned()),
        false => {
            lines.push("the latest executions that have failed within a day:".to_owned());
            lines.extend(failures.iter().map(|past| format!("  {}", executions::line(past, is_coloured))));
        }
    }
    lines
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn oldest_wait(standing: &Standing, now: DateTime<Utc>) -> Option<i64> {
    standing.oldest.map(|id| (now.timestamp() - second_of(id)).max(0))
}

fn as_json(standing: &Standing, failures: &[Past], now: DateTime<Utc>) -> String {
    let number = |number: f64| Value::Number(number);
    let instances = standing.instances.iter().map(|alive| {
        Value::object([
            ("number", number(alive.number.into())),
            ("generation", number(alive.generation as f64)),
            ("silentMs", number(alive.silent_ms as f64)),
        ])
    });
    json::stringify_or_null(&Value::object([
        ("version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("instances", Value::array(instances.collect())),
        ("waiting", number(standing.waiting as f64)),
        ("oldestWaitSeconds", oldest_wait(standing, now).map_or(Value::Null, |wait| number(wait as f64))),
        ("leased", number(standing.leased as f64)),
        ("failures", Value::array(failures.iter().map(|past| Value::from(past.id.to_string())).collect())),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::standing::Alive;

    #[test]
    fn it_says_what_there_is_in_words() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let oldest = (1_700_000_000 - 42 - 1_605_024_000) << 21;
        let alive = Alive { number: 3, generation: 2, silent_ms: 400 };
        let standing = Standing { waiting: 1, oldest: Some(oldest), leased: 2, instances: vec![alive] };
        assert_eq!(
            lines(&standing, &[], now, false)[1..],
            [
                "1 instance alive",
                "  number 3, generation 2, heard 0.4 s ago",
                "1 execution waiting for a worker, the oldest for 42 s",
                "2 executions running or paused",
                "no execution has failed within a day",
            ]
        );
        let told = as_json(&Standing::default(), &[], now);
        assert!(told.contains(r#""instances":[],"waiting":0,"oldestWaitSeconds":null"#), "{told}");
    }
}
