//! Takes an event and decides how its execution begins.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use entity::status::execution::STARTED;

use super::Engine;
use super::run::{Ended, Execution, Start, Workflow};
use crate::expr::{Value, json};
use crate::store::execution::NewExecution;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// How often an execution is looked at that goes on elsewhere while its caller waits.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

/// Something happened that a workflow is to run for.
pub struct Event {
    pub workflow: Arc<Workflow>,
    /// The execution's context.
    pub context: Value,
    /// `executions.eventKey`, which is unique; a random one when there is none.
    pub event_key: Option<String>,
}

impl Engine {
    /// Runs an event for a caller who waits. The run is a task of its own: it goes on when the caller is
    /// gone. It has been recorded when this returns.
    pub async fn run(self: &Arc<Self>, event: Event) -> Result<(i64, Ended), RecordError> {
        let row = self.new_row(&event)?;
        let (id, workflow) = (row.id, event.workflow.clone());
        let execution = Execution {
            id,
            workflow: event.workflow,
            context: event.context,
            expires_at: row.expires_at,
            unrecorded: Some(row),
            start: Start::Fresh,
            is_awaited: true,
        };
        let registration = self.running.register(id, false);
        let engine = self.clone();
        let task =
            self.tasks.spawn(async move { engine.run_registered(execution, None, registration).await });
        let ended = task.await.map_err(|err| RecordError::Refused(format!("the run broke off: {err}")))??;
        if ended.status == STARTED {
            return Ok((id, self.end_elsewhere(id, &workflow).await));
        }
        Ok((id, ended))
    }

    /// Follows an execution that goes on without this run, for a caller who waits as long as callers do: by
    /// NocoBase, or when a time has come.
    async fn end_elsewhere(&self, id: i64, workflow: &Workflow) -> Ended {
        let mut ended = Ended { status: STARTED, is_timeout: false, reply: None };
        while self.stopping.run_until_cancelled(tokio::time::sleep(FOLLOW_INTERVAL)).await.is_some() {
            // The whole row, with its context, is read only once.
            let has_ended = self.store.ended_among(&[id]).await.is_ok_and(|ended| !ended.is_empty());
            if !has_ended {
                continue;
            }
            let Ok(rows) = self.store.find_executions(&[id]).await else { continue };
            // One that is gone has been removed by its workflow's options, or by hand: nothing is known of it.
            let Some(status) = rows.first().map(|row| row.status) else { break };
            let Some(status) = status.filter(|status| *status != STARTED) else { continue };
            ended.status = status;
            let jobs = self.store.newest_jobs(id).await.unwrap_or_default();
            let is_reply = |node_id: Option<i64>| {
                let node = node_id.and_then(|id| workflow.graph.find_id(id));
                node.is_some_and(|node| workflow.graph.node(node).type_name == "response")
            };
            let reply = jobs.iter().rev().find(|job| is_reply(job.row.node_id));
            let text = reply.and_then(|job| job.row.result.as_ref());
            ended.reply = text.and_then(|text| json::parse(text.0.as_bytes()).ok());
            break;
        }
        ended
    }

    /// Records an event for later and returns the execution's id; a worker that is free starts at once. A task
    /// of its own as well: what has been recorded is run, whether or not the caller is still there.
    pub async fn enqueue(self: &Arc<Self>, event: Event) -> Result<i64, RecordError> {
        let row = self.new_row(&event)?;
        let engine = self.clone();
        let task = self.tasks.spawn(async move { engine.record_and_start(row, event).await });
        task.await.map_err(|err| RecordError::Unavailable(err.to_string()))?
    }

    async fn record_and_start(
        self: Arc<Self>,
        mut row: NewExecution,
        event: Event,
    ) -> Result<i64, RecordError> {
        let id = row.id;
        let worker = match self.has_backlog.load(Ordering::Acquire) {
            true => None,
            false => self.workers.try_enter(event.workflow.id),
        };
        let lease = Lease { workflow_id: event.workflow.id, ..Lease::default() };
        let lease = if worker.is_some() { LeaseChange::Take(lease) } else { LeaseChange::Wait(lease) };
        if worker.is_none() {
            (row.status, row.started_at, row.expires_at) = (None, None, None);
        }
        let expires_at = row.expires_at;
        let record = Record { execution_id: id, create: Some(row), lease, ..Record::default() };
        if let Err(err) = self.recorder.write_event(record).await {
            // The database may have taken it, with only its answer lost.
            if matches!(err, RecordError::Unavailable(_)) {
                self.strand(vec![id]);
            }
            return Err(err);
        }
        match worker {
            Some(worker) => {
                let (workflow, context) = (event.workflow, event.context);
                let (start, is_awaited) = (Start::Fresh, false);
                let execution =
                    Execution { id, workflow, context, expires_at, unrecorded: None, start, is_awaited };
                let registration = self.running.register(id, true);
                self.spawn_run(execution, registration, Some(worker));
            }
            None => {
                self.has_backlog.store(true, Ordering::Release);
                self.backlog_grew.notify_one();
            }
        }
        Ok(id)
    }

    fn new_row(&self, event: &Event) -> Result<NewExecution, RecordError> {
        let id = self.ids.execution_id().map_err(|err| RecordError::Unavailable(err.to_string()))?;
        let now = self.ids.now();
        let workflow = &event.workflow;
        Ok(NewExecution {
            id,
            workflow_id: workflow.id,
            key: workflow.key.clone(),
            event_key: event.event_key.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            context: json::stringify_or_null(&event.context),
            status: Some(STARTED),
            reason: None,
            output: None,
            created_at: now,
            updated_at: now,
            started_at: Some(now),
            expires_at: self.expires_at(workflow),
        })
    }

    /// When an execution of this workflow that starts now has to be over.
    pub fn expires_at(&self, workflow: &Workflow) -> Option<chrono::DateTime<chrono::Utc>> {
        let timeout = TimeDelta::try_milliseconds(workflow.options.timeout_ms?)?;
        self.ids.now().checked_add_signed(timeout)
    }
}
