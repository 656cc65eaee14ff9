//! Runs asynchronous executions, so many at a time. What finds no free worker waits in the database and is
//! taken from there, oldest first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::execution;
use entity::status::execution::{ERROR, STARTED};
use sea_orm::DbErr;
use tokio::sync::OwnedSemaphorePermit;

use super::processor::{Ended, Execution, Processor};
use super::running::Registration;
use super::{Engine, Workflow};
use crate::expr::json;
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// How often the database is asked for work when nobody has announced any; another instance that stopped
/// may have left some.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// At most so many waiting executions are fetched at a time.
const BATCH: usize = 64;

impl Engine {
    pub(super) fn spawn_run(self: &Arc<Self>, execution: Execution, worker: OwnedSemaphorePermit) {
        let registration = self.running.register(execution.id, true);
        let engine = self.clone();
        self.tasks.spawn(async move {
            // Errors have been logged and dealt with.
            let _ = engine.run_registered(execution, registration).await;
            drop(worker);
        });
    }

    /// Runs an execution. One that has been recorded and whose run could not be is run again later.
    pub(super) async fn run_registered(
        self: &Arc<Self>,
        execution: Execution,
        registration: Registration,
    ) -> Result<Ended, RecordError> {
        let id = execution.id;
        let outcome = Processor::new(self.clone(), execution, registration.aborted.clone()).run().await;
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
            Err(err) => tracing::warn!(execution.id = id, reason = %err, "execution could not be recorded"),
        }
        outcome
    }

    /// Gives waiting executions to workers as those become free.
    pub(super) async fn feed_workers(self: Arc<Self>) {
        while !self.is_stopping() {
            match self.take_waiting().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(err) => {
                    self.has_backlog.store(true, Ordering::Release);
                    tracing::warn!(reason = %err, "waiting executions could not be fetched");
                }
            }
            let grew = tokio::time::timeout(POLL_INTERVAL, self.backlog_grew.notified());
            let _ = self.stopping.run_until_cancelled(grew).await;
        }
    }

    /// Takes as many waiting executions as there are free workers; `false` when no more are waiting.
    async fn take_waiting(self: &Arc<Self>) -> Result<bool, DbErr> {
        let first = self.stopping.run_until_cancelled(self.workers.clone().acquire_owned()).await;
        let Some(Ok(first)) = first else { return Ok(false) };
        let others = std::iter::repeat_with(|| self.workers.clone().try_acquire_owned().ok());
        let workers: Vec<OwnedSemaphorePermit> =
            std::iter::once(first).chain(others.take(BATCH - 1).map_while(|worker| worker)).collect();
        self.has_backlog.store(false, Ordering::Release);
        let claimed = self.store.claim_waiting(self.owner, workers.len() as u64, self.ids.now()).await?;
        if claimed.has_more {
            self.has_backlog.store(true, Ordering::Release);
        }
        if let Err(err) = self.pick_up(&claimed.executions, workers, false).await {
            self.strand(claimed.executions);
            return Err(err);
        }
        Ok(claimed.has_more)
    }

    /// Runs executions whose leases are ours, each from its start. `starts_over` says that earlier runs may
    /// have recorded jobs, which these runs replace. Needs a worker for each of them. After an error none of
    /// them has been started.
    pub(super) async fn pick_up(
        self: &Arc<Self>,
        ids: &[i64],
        workers: Vec<OwnedSemaphorePermit>,
        starts_over: bool,
    ) -> Result<(), DbErr> {
        let rows = self.store.find_executions(ids).await?;
        let mut workflows: HashMap<i64, Option<Arc<Workflow>>> = HashMap::new();
        let mut runnable = Vec::new();
        for row in rows.into_iter().filter(|row| row.status == Some(STARTED)) {
            let workflow_id = row.workflow_id.unwrap_or_default();
            let workflow = match workflows.get(&workflow_id) {
                Some(known) => known.clone(),
                None => self.workflow(workflow_id).await?,
            };
            workflows.insert(workflow_id, workflow.clone());
            match workflow {
                Some(workflow) => runnable.push((row, workflow)),
                None => self.give_up(row.id).await,
            }
        }
        let runs = |id: &i64| runnable.iter().any(|(row, _)| row.id == *id);
        let idle: Vec<i64> = ids.iter().copied().filter(|id| !runs(id)).collect();
        self.store.drop_leases(&idle).await?;
        let mut expiries = Vec::with_capacity(runnable.len());
        for (row, workflow) in &runnable {
            expiries.push(self.expiry_of(row, workflow).await?);
        }
        for (((row, workflow), expires_at), worker) in runnable.into_iter().zip(expiries).zip(workers) {
            let context = row.context.as_ref().map_or("null", |text| &text.0);
            let context = json::parse(context.as_bytes()).unwrap_or_default();
            let execution =
                Execution { id: row.id, workflow, context, expires_at, unrecorded: None, starts_over };
            self.spawn_run(execution, worker);
        }
        Ok(())
    }

    /// Ends an execution whose workflow has been deleted.
    async fn give_up(&self, id: i64) {
        let update = ExecutionUpdate { status: Some(ERROR), ..ExecutionUpdate::default() };
        let lease = LeaseChange::Release;
        let record = Record { execution_id: id, update: Some(update), lease, ..Record::default() };
        if let Err(err) = self.recorder.write(record).await {
            tracing::warn!(execution.id = id, reason = %err, "an execution without a workflow could not be ended");
        }
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
