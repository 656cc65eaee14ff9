//! Takes an event and begins its execution for a caller who waits.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use tokio::task::JoinHandle;

use super::claim::{Delivery, record_and_begin};
use super::execution::{Absence, Caller, Execution, Hold};
use super::follow::{First, follow};
use super::run::Ended;
use super::run::request::Request;
use super::run::restore::Start;
use super::run::workflow::Workflow;
use super::shared::Shared;
use super::spawn::spawn_called;
use crate::expr::{Value, json};
use crate::store::execution::NewExecution;
use crate::store::recorder::RecordError;
use crate::trace::Cause;

/// Something happened that a workflow is to run for.
pub struct Event {
    pub workflow: Arc<Workflow>,
    /// The execution's context.
    pub context: Value,
    /// Set when several deliveries of it are one event.
    pub delivery: Option<Delivery>,
    /// What the request log is to say of the request that has brought it.
    pub request: Option<Arc<Request>>,
    /// The request that has brought it, as traces tell it.
    pub cause: Cause,
    /// Kept until the run ends or leaves memory, and dropped then.
    pub hold: Option<Hold>,
}

/// What was made of an event whose caller waits.
pub enum Taken {
    New(Begun),
    /// An earlier delivery is, or was, run.
    Duplicate(First),
}

/// An execution that runs for a caller, who is gone when this is dropped.
pub struct Begun {
    shared: Arc<Shared>,
    id: i64,
    workflow: Arc<Workflow>,
    _caller: Caller,
    task: JoinHandle<Result<Ended, RecordError>>,
}

/// See [`super::Engine::take`].
pub(super) async fn take(shared: &Arc<Shared>, event: Event) -> Result<Taken, RecordError> {
    let (row, caller) = (new_row(shared, &event).await?, Caller::default());
    let (id, expires_at, workflow) = (row.id, row.expires_at, event.workflow.clone());
    let task = match event.delivery.clone() {
        // It has no row until it needs one.
        None => start(shared, id, event, (Some(row), expires_at), caller.absence()),
        Some(delivery) => {
            let (engine, absence, request) = (shared.clone(), caller.absence(), event.request.clone());
            let begin = move || start(&engine, id, event, (None, expires_at), absence);
            let recording = record_and_begin(shared.clone(), delivery, row, request, begin);
            match shared.tasks.spawn(recording).await.map_err(|err| broken(&err))?? {
                Ok(task) => task,
                Err(earlier) => return Ok(Taken::Duplicate(First::new(shared, workflow, earlier))),
            }
        }
    };
    Ok(Taken::New(Begun { shared: shared.clone(), id, workflow, _caller: caller, task }))
}

/// Runs an execution in a task of its own, for a caller. `row` has yet to be inserted.
fn start(
    shared: &Arc<Shared>,
    id: i64,
    event: Event,
    (unrecorded, expires_at): (Option<NewExecution>, Option<DateTime<Utc>>),
    caller: Absence,
) -> JoinHandle<Result<Ended, RecordError>> {
    let registration = shared.running.register(id, unrecorded.is_none());
    let execution = Execution {
        id,
        workflow: event.workflow,
        context: event.context,
        expires_at,
        unrecorded,
        start: Start::Fresh,
        caller: Some(caller),
        request: event.request,
        cause: event.cause,
        hold: event.hold,
    };
    spawn_called(shared, execution, registration)
}

impl Begun {
    /// The end of the execution; it has been recorded when this returns.
    pub async fn ended(self) -> Result<(i64, Ended), RecordError> {
        let ended = self.task.await.map_err(|err| broken(&err))??;
        if ended.status == STARTED {
            return Ok((self.id, follow(&self.shared, self.id, &self.workflow).await));
        }
        Ok((self.id, ended))
    }
}

fn broken(err: &tokio::task::JoinError) -> RecordError {
    RecordError::Refused(format!("the run broke off: {err}"))
}

/// A context as it is recorded. A long one is written where nobody has to wait for it.
pub(crate) async fn written(context: &Value) -> Result<String, RecordError> {
    if !context.is_heavy() {
        return Ok(json::stringify_or_null(context));
    }
    let context = context.clone();
    let writing = tokio::task::spawn_blocking(move || json::stringify_or_null(&context)).await;
    writing.map_err(|err| RecordError::Refused(err.to_string()))
}

/// The first row of an execution.
pub(super) async fn new_row(shared: &Shared, event: &Event) -> Result<NewExecution, RecordError> {
    let id = shared.ids.execution_id().map_err(|err| RecordError::Unavailable(err.to_string()))?;
    let now = shared.ids.now();
    let workflow = &event.workflow;
    Ok(NewExecution {
        id,
        workflow_id: workflow.id,
        key: workflow.key.clone(),
        event_key: match &event.delivery {
            Some(delivery) => delivery.event_key.clone(),
            None => shared.ids.event_key(),
        },
        context: written(&event.context).await?,
        status: Some(STARTED),
        created_at: now,
        updated_at: now,
        started_at: Some(now),
        expires_at: workflow.expires_at(now),
        ..NewExecution::default()
    })
}
