//! Runs asynchronous executions, so many at a time. What finds no free worker waits in the database and is
//! taken from there, oldest first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use entity::status::execution::STARTED;
use sea_orm::DbErr;
use tokio::sync::OwnedSemaphorePermit;

use super::processor::{Execution, Processor};
use super::{Engine, Workflow};
use crate::expr::json;

/// How often the database is asked for work when nobody has announced any; another instance that stopped
/// may have left some.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// At most so many waiting executions are fetched at a time.
const BATCH: u64 = 64;

impl Engine {
    pub(super) fn spawn_run(self: &Arc<Self>, execution: Execution, worker: OwnedSemaphorePermit) {
        let registration = self.running.register(execution.id);
        let id = execution.id;
        let processor = Processor::new(self.clone(), execution, registration.aborted.clone());
        self.tasks.spawn(async move {
            match processor.run().await {
                Ok(ended) => {
                    tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run")
                }
                Err(err) => {
                    tracing::error!(execution.id = id, reason = %err, "execution could not be recorded")
                }
            }
            drop((registration, worker));
        });
    }

    /// Gives waiting executions to workers as those become free.
    pub(super) async fn feed_workers(self: Arc<Self>) {
        while !self.is_stopping() {
            self.has_backlog.store(false, Ordering::Release);
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

    /// Takes a batch of waiting executions; `false` when there were none.
    async fn take_waiting(self: &Arc<Self>) -> Result<bool, DbErr> {
        let waiting = self.store.waiting_executions(BATCH).await?;
        if waiting.is_empty() {
            return Ok(false);
        }
        self.has_backlog.store(true, Ordering::Release);
        for id in waiting {
            let worker = self.stopping.run_until_cancelled(self.workers.clone().acquire_owned()).await;
            let Some(Ok(worker)) = worker else { return Ok(false) };
            if self.store.claim_lease(id, self.owner).await? {
                self.pick_up(id, worker).await?;
            }
        }
        Ok(true)
    }

    /// Runs an execution whose lease is ours: from its start, in place of whatever an earlier run recorded.
    pub(super) async fn pick_up(
        self: &Arc<Self>,
        id: i64,
        worker: OwnedSemaphorePermit,
    ) -> Result<(), DbErr> {
        let row = self.store.find_execution(id).await?;
        let row = row.filter(|row| row.status.is_none_or(|status| status == STARTED));
        let Some(row) = row else { return self.store.drop_lease_unless_open(id).await };
        let definition = match row.workflow_id {
            Some(workflow) => self.store.find_definition(workflow).await?,
            None => None,
        };
        let Some(definition) = definition else {
            tracing::warn!(execution.id = id, "the workflow of a waiting execution has been deleted");
            return self.store.drop_lease_unless_open(id).await;
        };
        let workflow = Arc::new(Workflow::build(&definition));
        let is_started = row.status == Some(STARTED);
        let expires_at = match is_started {
            true => row.expires_at.map(|time| self.store.codec.read_time(time)),
            false => self.expires_at(&workflow),
        };
        if !is_started && !self.store.start_execution(id, self.ids.now(), expires_at).await? {
            return self.store.drop_lease_unless_open(id).await;
        }
        let context = row.context.as_ref().map_or("null", |text| &text.0);
        let context = json::parse(context.as_bytes()).unwrap_or_default();
        let execution =
            Execution { id, workflow, context, expires_at, unrecorded: None, starts_over: is_started };
        self.spawn_run(execution, worker);
        Ok(())
    }
}
