//! Runs executions that have been recorded: from where they stand, as far as this instance owns them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::execution::{ERROR, STARTED};
use entity::{execution, lease};
use sea_orm::DbErr;

use super::running::Registration;
use super::workers::Worker;
use crate::engine::Engine;
use crate::engine::processor::Processor;
use crate::engine::run::{Ended, Execution, Left, Start, Workflow};
use crate::expr::json;
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record, RecordError};

impl Engine {
    pub fn spawn_run(
        self: &Arc<Self>,
        execution: Execution,
        registration: Registration,
        worker: Option<Worker>,
    ) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let worker = match worker {
                Some(worker) => Some(worker),
                None => engine.workers.enter(execution.workflow.id).await,
            };
            // Errors have been logged and dealt with.
            let _ = engine.run_registered(execution, worker, registration).await;
        });
    }

    /// Runs an execution. One that has been recorded and whose run could not be is run again later.
    pub async fn run_registered(
        self: &Arc<Self>,
        execution: Execution,
        worker: Option<Worker>,
        registration: Registration,
    ) -> Result<Ended, RecordError> {
        let id = execution.id;
        let processor = Processor::new(self.clone(), execution, worker, registration.aborted.clone());
        let outcome = processor.run().await;
        match &outcome {
            Ok(ended) => {
                tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
            }
            Err(RecordError::Fenced) => {
                tracing::warn!(execution.id = id, "another instance runs this execution now");
            }
            Err(err) if registration.has_row() => {
                tracing::warn!(execution.id = id, reason = %err, "execution is going to be run again");
                self.strand(vec![id]);
            }
            Err(err) => {
                tracing::warn!(execution.id = id, reason = %err, "execution could not be recorded");
                // Unless the database took it and only its answer got lost.
                if matches!(err, RecordError::Unavailable(_)) {
                    self.strand(vec![id]);
                }
            }
        }
        outcome
    }

    /// Runs those of the executions whose leases are this instance's and which it does not run yet, from where
    /// they stand. `is_first_run` says that those without a place to go on from have not left any jobs. After an
    /// error none of them has been started.
    pub async fn pick_up(self: &Arc<Self>, ids: &[i64], is_first_run: bool) -> Result<(), DbErr> {
        let register = |id: &i64| Some((*id, self.running.try_register(*id)?));
        let mut registrations: HashMap<i64, Registration> = ids.iter().filter_map(register).collect();
        // The run that has given one of them away may be about to end.
        let is_busy = |id: &i64| !registrations.contains_key(id);
        self.strand(ids.iter().copied().filter(is_busy).collect());
        let mut leases = self.own_leases(&registrations.keys().copied().collect::<Vec<_>>()).await?;
        let mut idle: HashSet<i64> = leases.keys().copied().collect();
        let mut workflows: HashMap<i64, Option<Arc<Workflow>>> = HashMap::new();
        let mut runnable = Vec::new();
        let mut over = Vec::new();
        for row in self.store.find_executions(&idle.iter().copied().collect::<Vec<_>>()).await? {
            if row.status != Some(STARTED) {
                over.push(row.id);
                continue;
            }
            let workflow_id = row.workflow_id.unwrap_or_default();
            let workflow = match workflows.get(&workflow_id) {
                Some(known) => known.clone(),
                None => self.workflow(workflow_id).await?,
            };
            workflows.insert(workflow_id, workflow.clone());
            let Some(workflow) = workflow else {
                if !self.give_up(row.id).await {
                    idle.remove(&row.id);
                    self.strand(vec![row.id]);
                }
                continue;
            };
            let start = match leases.remove(&row.id).and_then(|lease| lease.position) {
                Some(position) => Start::At(self.left_of(row.id, position).await?),
                None if is_first_run => Start::Fresh,
                None => Start::Over,
            };
            let expires_at = self.expiry_of(&row, &workflow).await?;
            idle.remove(&row.id);
            runnable.push((row, workflow, start, expires_at));
        }
        self.store.end_waits(&idle.into_iter().collect::<Vec<_>>(), &over).await?;
        for (row, workflow, start, expires_at) in runnable {
            let Some(registration) = registrations.remove(&row.id) else { continue };
            let context = row.context.as_ref().map_or("null", |text| &text.0);
            let context = json::parse(context.as_bytes()).unwrap_or_default();
            let (id, is_awaited) = (row.id, false);
            let worker = self.workers.try_enter(workflow.id);
            let execution =
                Execution { id, workflow, context, expires_at, unrecorded: None, start, is_awaited };
            self.spawn_run(execution, registration, worker);
        }
        Ok(())
    }

    /// Those leases of some executions that belong to this instance, by execution.
    async fn own_leases(&self, executions: &[i64]) -> Result<HashMap<i64, lease::Model>, DbErr> {
        let leases = self.store.find_leases(executions).await?;
        let is_own = |lease: &lease::Model| {
            (lease.instance_id, lease.generation) == (Some(self.owner.number), Some(self.owner.generation))
        };
        Ok(leases.into_iter().filter(is_own).map(|lease| (lease.execution_id, lease)).collect())
    }

    async fn left_of(&self, execution_id: i64, position: String) -> Result<Left, DbErr> {
        let jobs = self.store.newest_jobs(execution_id).await?;
        Ok(Left { position, jobs, timers: self.store.find_timers(execution_id).await? })
    }

    /// Ends an execution whose workflow has been deleted; `false` when that could not be recorded.
    async fn give_up(&self, id: i64) -> bool {
        let update = ExecutionUpdate { status: Some(ERROR), ..ExecutionUpdate::default() };
        let lease = LeaseChange::Release;
        let record = Record { execution_id: id, update: Some(update), lease, ..Record::default() };
        let written = self.recorder.write(record).await;
        if let Err(err) = &written {
            tracing::warn!(execution.id = id, reason = %err, "an execution without a workflow could not be ended");
        }
        written.is_ok()
    }

    async fn workflow(&self, id: i64) -> Result<Option<Arc<Workflow>>, DbErr> {
        let definition = self.store.find_definition(id).await?;
        if definition.is_none() {
            tracing::warn!(workflow.id = id, "the workflow of waiting executions has been deleted");
        }
        Ok(definition.map(|definition| Arc::new(Workflow::build(&definition))))
    }

    /// When an execution has to be over; recorded now, where it has only just been started.
    async fn expiry_of(
        &self,
        row: &execution::Model,
        workflow: &Workflow,
    ) -> Result<Option<DateTime<Utc>>, DbErr> {
        if let Some(recorded) = row.expires_at {
            return Ok(Some(self.store.codec.read_time(recorded)));
        }
        let Some(expires_at) = self.expires_at(workflow) else { return Ok(None) };
        self.store.set_expiry(row.id, expires_at).await?;
        Ok(Some(expires_at))
    }
}
