//! Records an execution that goes on where another has failed, to be taken over by whoever comes to it: as if somebody
//! had been interrupted just before the failure.

use std::sync::Arc;

use super::dispatcher::{Event, new_row};
use super::run::failure::{Failure, GoingOn};
use super::shared::Shared;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// See [`super::Engine::go_on`].
pub(crate) async fn go_on(shared: &Arc<Shared>, event: Event, failure: Failure) -> Result<i64, RecordError> {
    let mut row = new_row(shared, &event).await?;
    let (id, workflow) = (row.id, event.workflow);
    row.queue();
    row.output.clone_from(&failure.output);
    let new_id = || shared.ids.job_id().map_err(|err| RecordError::Unavailable(err.to_string()));
    let GoingOn { jobs, timers, position } =
        failure.going_on(&workflow.graph, id, shared.shows_delays(), new_id)?;
    let lease = Lease { workflow_id: workflow.id, position: Some(position.text()), due_at: 0 };
    let record = Record {
        execution_id: id,
        create: Some(row),
        new_jobs: jobs,
        timers,
        lease: LeaseChange::Wait(lease),
        ..Record::default()
    };
    shared.recorder.write_event(record).await?;
    shared.add_to_backlog(workflow.id);
    Ok(id)
}
