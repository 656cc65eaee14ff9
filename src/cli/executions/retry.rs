//! `sidehook executions retry`: runs workflows once more with the contexts of recorded executions, from the start or from
//! where they have failed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use entity::status::execution::{RESOLVED, STARTED};
use tokio::time::Instant;

use super::from_failure::Continuation;
use super::status;
use crate::app::{App, UNOPENED, connect};
use crate::cli::in_process::InProcess;
use crate::cli::{Settings, output};
use crate::engine::{Event, Workflow};
use crate::expr::json;
use crate::measure::duration;
use crate::store::Store;
use crate::store::catalog::Definition;
use crate::store::history::{ExecutionFilter, Past};
use crate::trace::Cause;

/// How often an execution is looked at that is waited for.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs workflows once more, each with the context of an execution that has ended: from the start, or from where it has
/// failed. That leaves a new execution; the old one stays as it is.
#[derive(Args)]
#[command(after_help = "\
The newest enabled version of the workflow is run. Nobody gets its answer.

With --from-failure the version is the one that has failed, and what has run before is not run again: its jobs are taken
over, with their results. The failed node is run once more, and so is what was under way beside it.

Examples:
  sidehook executions retry 353920193101824 --env-file .env
  sidehook executions retry 353920193101824 --same-version --wait 5m --env-file .env
  sidehook executions retry 353920193101824 --from-failure --dry-run --env-file .env
  sidehook executions retry 353920193101824 --from-failure --env-file .env")]
pub(super) struct Retry {
    /// The ids of executions, from `sidehook executions`
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
    /// Run the version that the execution ran, enabled or not
    #[arg(long)]
    same_version: bool,
    /// Go on where it has failed, with the jobs recorded before, in the version that it ran
    #[arg(long, conflicts_with = "again")]
    from_failure: bool,
    /// Only say how many jobs would be kept and where it would go on
    #[arg(long, requires = "from_failure")]
    dry_run: bool,
    /// Run those again, too, that have resolved
    #[arg(long)]
    again: bool,
    /// How long to wait for the end of each
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = length)]
    wait: Duration,
    #[command(flatten)]
    settings: Settings,
}

fn length(text: &str) -> anyhow::Result<Duration> {
    duration(text).context("a length is written like 30s or 5m")
}

impl Retry {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (config, _log) = self.settings.clone().load_quietly().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let mut all = Vec::new();
        for id in &self.ids {
            all.push(self.past(&store, *id).await?);
        }
        let mut continued = Vec::new();
        for past in all.iter().filter(|_| self.from_failure) {
            let continuation = Continuation::find(&store, past).await?;
            output::line(continuation.told())?;
            continued.push(continuation);
        }
        if self.dry_run {
            return Ok(());
        }
        let here = InProcess::start(config).await?;
        let outcome = match self.from_failure {
            true => self.go_on_all(&here.app, continued).await,
            false => self.run_all(&here.app, &all).await,
        };
        here.end().await?;
        outcome
    }

    /// An execution that may be run again.
    async fn past(&self, store: &Store, id: i64) -> anyhow::Result<Past> {
        let filter = ExecutionFilter { id: Some(id), ..ExecutionFilter::default() };
        let found = store.past_executions(&filter, 1).await.context("the executions cannot be read")?.pop();
        let past = found.with_context(|| format!("no execution has the id {id}"))?;
        match past.status {
            None | Some(STARTED) => bail!("execution {id} has not ended"),
            Some(RESOLVED) if self.from_failure => {
                bail!("execution {id} has resolved: there is no failure to go on from")
            }
            Some(RESOLVED) if !self.again => {
                bail!("execution {id} has resolved; --again runs it all the same")
            }
            Some(_) => Ok(past),
        }
    }

    async fn run_all(&self, app: &App, all: &[Past]) -> anyhow::Result<()> {
        let mut failed = 0;
        for past in all {
            let workflow = self.workflow(app, past).await?;
            let (context, _) = app.store.context_and_output(past.id).await?.unwrap_or_default();
            let context = context.map_or_else(|| "null".to_owned(), |text| text.0);
            let context = json::parse(context.as_bytes()).unwrap_or_default();
            let event = Event {
                workflow,
                context,
                delivery: None,
                request: None,
                cause: Cause::default(),
                hold: None,
            };
            let id = app.engine.enqueue(event).await.context("the execution cannot be recorded")?.id;
            failed += usize::from(!self.follow(app, past.id, id).await?);
        }
        ensure!(failed == 0, "{failed} have not resolved");
        Ok(())
    }

    async fn go_on_all(&self, app: &App, all: Vec<Continuation>) -> anyhow::Result<()> {
        let mut failed = 0;
        for continuation in all {
            let past = continuation.id;
            let id = continuation.begin(app).await?;
            failed += usize::from(!self.follow(app, past, id).await?);
        }
        ensure!(failed == 0, "{failed} have not resolved");
        Ok(())
    }

    /// Waits for the end of a new execution and tells it; `false` where it has not resolved.
    async fn follow(&self, app: &App, past: i64, id: i64) -> anyhow::Result<bool> {
        let ended = ended(&app.store, id, self.wait).await?;
        let said = ended.map_or("goes on", |status| status::name(Some(status)));
        output::line(format!("{past} -> {id}  {said}"))?;
        Ok(ended.is_none_or(|status| status == RESOLVED))
    }

    async fn workflow(&self, app: &App, past: &Past) -> anyhow::Result<Arc<Workflow>> {
        let (id, key) = (past.id, past.key.as_deref().unwrap_or_default());
        let called = app.hooks.find(key).await;
        if !self.same_version {
            let called = called.map_err(|_| {
                anyhow!("execution {id} has no enabled webhook workflow; enable it, or use --same-version")
            })?;
            return Ok(called.hook.workflow.clone());
        }
        let version = past.workflow_id.unwrap_or_default();
        let definition = app.store.find_definition(version).await?;
        let is_webhook = |found: &Definition| found.workflow.r#type.as_deref() == Some("webhook");
        let definition = definition.filter(is_webhook);
        let definition = definition
            .with_context(|| format!("execution {id} has run no webhook workflow that is still there"))?;
        Ok(Arc::new(Workflow::build(&definition)))
    }
}

/// The final status of an execution; none while it goes on for longer than `wait`.
async fn ended(store: &Store, id: i64, wait: Duration) -> anyhow::Result<Option<i32>> {
    let started = Instant::now();
    loop {
        // One that is gone was removed by the options of its workflow.
        let Some(found) = store.find_states(&[id]).await?.pop() else { return Ok(Some(RESOLVED)) };
        let status = found.status.filter(|status| *status != STARTED);
        if status.is_some() || started.elapsed() >= wait {
            return Ok(status);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
