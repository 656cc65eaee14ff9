//! Runs executions for which nobody waits.

use std::sync::Arc;

use super::execution::Execution;
use super::processor::run;
use super::schedule::running::Registration;
use super::schedule::workers::Place;
use super::shared::Shared;

/// Runs an execution in a task of its own, as soon as a worker is free.
pub(super) fn spawn(shared: &Arc<Shared>, execution: Execution, registration: Registration, place: Place) {
    let engine = shared.clone();
    shared.tasks.spawn(async move {
        let worker = engine.workers.enter(execution.workflow.id).await;
        // Errors have been logged and dealt with.
        let _ = run(&engine, execution, worker.map(|worker| (place, worker)), registration).await;
    });
}
