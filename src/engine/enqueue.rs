//! Takes an event for which nobody waits: it is recorded, then run here where a worker will soon be free, or by whoever
//! comes to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::claim::{Claim, record_first};
use super::dispatcher::{Event, new_row};
use super::execution::Execution;
use super::run::restore::Start;
use super::shared::Shared;
use super::spawn::spawn;
use crate::store::execution::NewExecution;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// An event that is recorded, to be run by whoever comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    pub id: i64,
    /// Whether that is the execution of an earlier delivery.
    pub is_duplicate: bool,
}

/// See [`super::Engine::enqueue`].
pub(super) async fn enqueue(shared: &Arc<Shared>, event: Event) -> Result<Enqueued, RecordError> {
    let row = new_row(shared, &event).await?;
    let engine = shared.clone();
    let task = shared.tasks.spawn(async move { record_and_start(&engine, row, event).await });
    task.await.map_err(|err| RecordError::Unavailable(err.to_string()))?
}

async fn record_and_start(
    shared: &Arc<Shared>,
    mut row: NewExecution,
    event: Event,
) -> Result<Enqueued, RecordError> {
    let id = row.id;
    let place = match shared.has_backlog.load(Ordering::Acquire) {
        true => None,
        false => shared.workers.try_occupy(event.workflow.id),
    };
    let workflow_id = event.workflow.id;
    let lease = Lease { workflow_id, ..Lease::default() };
    let lease = if place.is_some() { LeaseChange::Take(lease) } else { LeaseChange::Wait(lease) };
    if place.is_none() {
        row.queue();
    }
    let expires_at = row.expires_at;
    let request = event.request.as_ref().and_then(|request| request.begin(id));
    let record = Record { execution_id: id, create: Some(row), lease, request, ..Record::default() };
    if let Claim::Taken(first) = record_first(shared, event.delivery.as_ref(), record).await? {
        return Ok(Enqueued { id: first.id, is_duplicate: true });
    }
    match place {
        Some(place) => {
            let execution = Execution {
                id,
                workflow: event.workflow,
                context: event.context,
                expires_at,
                unrecorded: None,
                start: Start::Fresh,
                caller: None,
                request: None,
                cause: event.cause,
                hold: event.hold,
            };
            spawn(shared, execution, shared.running.register(id, true), place);
        }
        None => shared.add_to_backlog(workflow_id),
    }
    Ok(Enqueued { id, is_duplicate: false })
}
