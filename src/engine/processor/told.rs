//! What metrics, traces and callers are told of executions and their nodes. The span of a node lasts until it is known
//! what came of it, in the background too.

use std::sync::Arc;
use std::time::Duration;

use entity::status::execution::STARTED;
use entity::status::job::ERROR;

use crate::engine::execution::Execution;
use crate::engine::run::Ended;
use crate::engine::run::event::How;
use crate::engine::run::workflow::Workflow;
use crate::engine::shared::Shared;
use crate::engine::subflow;
use crate::expr::Thrown;
use crate::metrics::ExecutionEnded;
use crate::node::{NodeIndex, Outcome};
use crate::trace::{ExecutionBegun, Span};

/// What the types are called that sidehook does not know.
const UNKNOWN_NODE: &str = "unknown";

/// Ends the span of an execution.
pub(super) fn ended(span: &mut Span, ended: Ended) -> Ended {
    span.execution_ended(ended.status);
    ended
}

/// The span of a node that is run. One that goes on after it has waited has had its own.
pub(super) fn node_begun(execution: &Span, workflow: &Workflow, node: NodeIndex, how: How) -> Span {
    match how {
        How::Resume => Span::default(),
        _ => execution.node(type_name(workflow, node), &workflow.graph.node(node).key),
    }
}

/// What the type of a node is called.
pub(super) fn type_name(workflow: &Workflow, node: NodeIndex) -> &str {
    let node = workflow.graph.node(node);
    if node.is_known { &node.type_name } else { UNKNOWN_NODE }
}

/// The span of an execution that begins or goes on.
pub(super) fn execution_begun(shared: &Shared, execution: &Execution) -> Span {
    let (workflow, is_sync) = (&*execution.workflow.key, execution.caller.is_some());
    shared.tracer.execution(ExecutionBegun { id: execution.id, workflow, is_sync }, &execution.cause)
}

/// Counts an execution, unless it only waits, and wakes the one that has called it.
pub(super) fn execution_ended(
    shared: &Arc<Shared>,
    id: i64,
    workflow: &Workflow,
    status: i32,
    took: Duration,
) {
    if status != STARTED {
        let is_sync = workflow.is_sync;
        shared.metrics.execution_ended(ExecutionEnded { workflow: &workflow.key, is_sync, status, took });
        if workflow.is_called {
            let engine = shared.clone();
            shared.errands.spawn(async move { subflow::wake_caller(&engine, id).await });
        }
    }
}

/// Ends the span of a node with its outcome; that of work goes with the work. One that was cut off says no status.
pub(super) fn node_ran(
    mut span: Span,
    outcome: Option<Result<Outcome, Thrown>>,
) -> Option<Result<Outcome, Thrown>> {
    if !span.is_open() {
        return outcome;
    }
    match outcome {
        Some(Ok(Outcome::Background(mut work))) => {
            let done = work.done;
            work.done = Box::pin(async move {
                let settled = done.await;
                span.node_ended(settled.status);
                settled
            });
            return Some(Ok(Outcome::Background(work)));
        }
        Some(Ok(Outcome::Finished(ref draft))) => span.node_ended(draft.status),
        Some(Err(_)) => span.node_ended(ERROR),
        _ => {}
    }
    outcome
}
