//! Takes an event and decides how its execution begins.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use entity::status::execution::STARTED;
use sea_orm::DbErr;

use super::execution::{Caller, Execution, Hold};
use super::processor;
use super::run::Ended;
use super::run::restore::Start;
use super::run::workflow::Workflow;
use super::shared::Shared;
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
    /// Kept until the run ends or leaves memory, and dropped then.
    pub hold: Option<Hold>,
}

/// See [`super::Engine::run`].
pub async fn run(shared: &Arc<Shared>, event: Event) -> Result<(i64, Ended), RecordError> {
    let row = new_row(shared, &event).await?;
    let (id, workflow) = (row.id, event.workflow.clone());
    let caller = Caller::default();
    let execution = Execution {
        id,
        workflow: event.workflow,
        context: event.context,
        expires_at: row.expires_at,
        unrecorded: Some(row),
        start: Start::Fresh,
        caller: Some(caller.absence()),
        hold: event.hold,
    };
    let registration = shared.running.register(id, false);
    let engine = shared.clone();
    let task =
        shared.tasks.spawn(async move { processor::run(&engine, execution, None, registration).await });
    let ended = task.await.map_err(|err| RecordError::Refused(format!("the run broke off: {err}")))??;
    if ended.status == STARTED {
        return Ok((id, follow(shared, id, &workflow).await));
    }
    Ok((id, ended))
}

/// Follows an execution that goes on without this run, for a caller who waits as long as callers do: by
/// NocoBase, or when a time has come.
async fn follow(shared: &Shared, id: i64, workflow: &Workflow) -> Ended {
    loop {
        tokio::select! {
            () = shared.callers_let_go() => return Ended { is_left: true, ..Ended::default() },
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
        // What cannot be found out now is asked again.
        if let Ok(Some(ended)) = shared.limited(end_of(shared, id, workflow)).await {
            return ended;
        }
    }
}

/// How an execution has ended that ran elsewhere; nothing while it goes on.
async fn end_of(shared: &Shared, id: i64, workflow: &Workflow) -> Result<Option<Ended>, DbErr> {
    // The whole row, with its context, is read only once.
    if shared.store.ended_among(&[id]).await?.is_empty() {
        return Ok(None);
    }
    let rows = shared.store.find_executions(&[id]).await?;
    // One that is gone has been removed by its workflow's options, or by hand: nothing is known of it.
    let Some(row) = rows.first() else { return Ok(Some(Ended::default())) };
    let Some(status) = row.status.filter(|status| *status != STARTED) else { return Ok(None) };
    let jobs = shared.store.newest_jobs(id).await?;
    let answers = |node_id: Option<i64>| {
        let node = node_id.and_then(|id| workflow.graph.find_id(id));
        node.is_some_and(|node| workflow.graph.node(node).answers)
    };
    let reply = jobs.iter().rev().find(|job| answers(job.row.node_id));
    let text = reply.and_then(|job| job.row.result.as_ref());
    let reply = text.and_then(|text| json::parse(text.0.as_bytes()).ok());
    Ok(Some(Ended { status, reply, ..Ended::default() }))
}

/// See [`super::Engine::enqueue`].
pub async fn enqueue(shared: &Arc<Shared>, event: Event) -> Result<i64, RecordError> {
    let row = new_row(shared, &event).await?;
    let engine = shared.clone();
    let task = shared.tasks.spawn(async move { record_and_start(&engine, row, event).await });
    task.await.map_err(|err| RecordError::Unavailable(err.to_string()))?
}

async fn record_and_start(
    shared: &Arc<Shared>,
    mut row: NewExecution,
    event: Event,
) -> Result<i64, RecordError> {
    let id = row.id;
    let worker = match shared.has_backlog.load(Ordering::Acquire) {
        true => None,
        false => shared.workers.try_enter(event.workflow.id),
    };
    let lease = Lease { workflow_id: event.workflow.id, ..Lease::default() };
    let lease = if worker.is_some() { LeaseChange::Take(lease) } else { LeaseChange::Wait(lease) };
    if worker.is_none() {
        (row.status, row.started_at, row.expires_at) = (None, None, None);
    }
    let expires_at = row.expires_at;
    let record = Record { execution_id: id, create: Some(row), lease, ..Record::default() };
    if let Err(err) = shared.recorder.write_event(record).await {
        // The database may have taken it, with only its answer lost.
        if matches!(err, RecordError::Unavailable(_)) {
            shared.strand(vec![id]);
        }
        return Err(err);
    }
    match worker {
        Some(worker) => {
            let execution = Execution {
                id,
                workflow: event.workflow,
                context: event.context,
                expires_at,
                unrecorded: None,
                start: Start::Fresh,
                caller: None,
                hold: event.hold,
            };
            processor::spawn(shared, execution, shared.running.register(id, true), Some(worker));
        }
        None => {
            shared.has_backlog.store(true, Ordering::Release);
            shared.backlog_grew.notify_one();
        }
    }
    Ok(id)
}

/// A context as it is recorded. A long one is written where nobody has to wait for it.
async fn written(context: &Value) -> Result<String, RecordError> {
    if !context.is_heavy() {
        return Ok(json::stringify_or_null(context));
    }
    let context = context.clone();
    let writing = tokio::task::spawn_blocking(move || json::stringify_or_null(&context)).await;
    writing.map_err(|err| RecordError::Refused(err.to_string()))
}

async fn new_row(shared: &Shared, event: &Event) -> Result<NewExecution, RecordError> {
    let id = shared.ids.execution_id().map_err(|err| RecordError::Unavailable(err.to_string()))?;
    let now = shared.ids.now();
    let workflow = &event.workflow;
    Ok(NewExecution {
        id,
        workflow_id: workflow.id,
        key: workflow.key.clone(),
        event_key: event.event_key.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        context: written(&event.context).await?,
        status: Some(STARTED),
        reason: None,
        output: None,
        created_at: now,
        updated_at: now,
        started_at: Some(now),
        expires_at: workflow.expires_at(now),
    })
}
