//! Executions that go on where others have failed.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

use crate::app::App;
use crate::cli::output;
use crate::engine::{Event, Failure, PastJob, Workflow};
use crate::expr::{Value, json};
use crate::store::Store;
use crate::store::catalog::Definition;
use crate::store::history::Past;
use crate::trace::Cause;

/// At most so many jobs are taken over: they are written in one transaction.
const JOBS: u64 = 20_000;

/// An execution that can go on where another has failed.
pub(super) struct Continuation {
    /// That other one.
    pub(super) id: i64,
    workflow: Arc<Workflow>,
    context: Value,
    failure: Failure,
    /// The title of the node that is run next.
    title: String,
}

impl Continuation {
    /// Finds out where an execution has failed; an error that says why that cannot be gone on from.
    pub(super) async fn find(store: &Store, past: &Past) -> anyhow::Result<Self> {
        let id = past.id;
        let from_start = format!(
            "execution {id} cannot go on where it has failed; without --from-failure it is run from the start"
        );
        let found = Self::look(store, past).await;
        found.context(from_start)
    }

    async fn look(store: &Store, past: &Past) -> anyhow::Result<Self> {
        let definition = store.find_definition(past.workflow_id.unwrap_or_default()).await?;
        let is_webhook = |found: &Definition| found.workflow.r#type.as_deref() == Some("webhook");
        let definition = definition.filter(is_webhook);
        let definition = definition.context("it has run no webhook workflow that is still there")?;
        let (context, _) = store.context_and_output(past.id).await?.unwrap_or_default();
        let Some(context) = context.and_then(|text| json::parse(text.0.as_bytes()).ok()) else {
            bail!("its context is gone");
        };
        let rows = store.jobs_as_rows(past.id, JOBS + 1).await?;
        ensure!(rows.len() as u64 <= JOBS, "it has more than {JOBS} jobs");
        let jobs = rows.into_iter().map(|(row, ended_at)| PastJob { row, ended_at }).collect();
        let workflow = Arc::new(Workflow::build(&definition));
        let failure = Failure::find(&workflow, past.status.unwrap_or_default(), jobs)?;
        let node = workflow.graph.node(failure.node);
        let row = definition.nodes.iter().find(|row| row.id == node.id);
        let title = row.and_then(|row| row.title.clone()).unwrap_or_else(|| node.key.clone());
        Ok(Self { id: past.id, workflow, context, failure, title })
    }

    /// What is kept and where it goes on.
    pub(super) fn told(&self) -> String {
        let kept = self.failure.kept();
        let jobs = if kept == 1 { "job" } else { "jobs" };
        let type_name = &self.workflow.graph.node(self.failure.node).type_name;
        let (title, type_name) = (output::printable(&self.title), output::printable(type_name));
        format!("{}  keeps {kept} {jobs}, goes on at {title} ({type_name})", self.id)
    }

    /// Records the new execution. Returns its id.
    pub(super) async fn begin(self, app: &App) -> anyhow::Result<i64> {
        let event = Event {
            workflow: self.workflow,
            context: self.context,
            delivery: None,
            request: None,
            cause: Cause::default(),
            hold: None,
        };
        app.engine.go_on(event, self.failure).await.context("the execution cannot be recorded")
    }
}
