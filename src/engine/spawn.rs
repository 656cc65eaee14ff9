//! Runs executions in tasks of their own. What is run is large, and a task is moved several times before it begins and when it
//! ends: so it has a place of its own.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tracing::Instrument;

use super::execution::Execution;
use super::processor::run;
use super::run::Ended;
use super::schedule::running::Registration;
use super::schedule::workers::Place;
use super::shared::Shared;
use crate::store::recorder::RecordError;

/// Runs an execution whose caller waits: at once, and on when the caller hangs up.
pub(super) fn spawn_called(
    shared: &Arc<Shared>,
    execution: Execution,
    registration: Registration,
) -> JoinHandle<Result<Ended, RecordError>> {
    let engine = shared.clone();
    let running = Box::pin(async move { run(&engine, execution, None, registration).await });
    shared.tasks.spawn(running.instrument(shared.settings.span.clone()))
}

/// Runs an execution for which nobody waits, as soon as a worker is free.
pub(super) fn spawn(shared: &Arc<Shared>, execution: Execution, registration: Registration, place: Place) {
    let engine = shared.clone();
    let running = Box::pin(async move {
        let worker = engine.workers.enter(execution.workflow.id).await;
        // Errors have been logged and dealt with.
        let _ = run(&engine, execution, worker.map(|worker| (place, worker)), registration).await;
    });
    shared.tasks.spawn(running.instrument(shared.settings.span.clone()));
}
