//! Writes the records of a run, and notes what became of them.

use std::sync::Arc;

use entity::status::job::ERROR;

use super::cut_off::wait_for_database;
use crate::engine::run::Run;
use crate::engine::shared::Shared;
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record, RecordError, Written};

/// Writes a record, however long the database is away, and notes what became of it.
pub async fn write(shared: &Shared, run: &mut Run, record: Record) -> Result<(), RecordError> {
    let is_new = record.create.is_some();
    let record = Arc::new(record);
    loop {
        let written = match is_new {
            true => shared.recorder.write_event(record.clone()).await,
            false => shared.recorder.write(record.clone()).await,
        };
        match written {
            // The execution was acknowledged: it stays ours until the database is back.
            Err(RecordError::Unavailable(reason)) if !is_new && !shared.is_stopping() => {
                wait_for_database(run.id, &reason).await;
            }
            Err(RecordError::Refused(reason)) if !is_new => {
                tracing::error!(execution.id = run.id, reason, "jobs were refused by the database");
                run.ended = Some(ERROR);
                run.waits.clear();
                let mut last = failure(run, &record.ended_timers);
                if let Some(request) = &run.request {
                    request.note(Some(&run.outcome()), true, shared.ids.now(), &mut last);
                }
                shared.recorder.write(last).await?;
                run.is_ended_elsewhere = true;
                return Ok(());
            }
            Ok(written) => {
                note(shared, run, written);
                return Ok(());
            }
            Err(err) => return Err(err),
        }
    }
}

/// Notes what became of a record.
pub fn note(shared: &Shared, run: &mut Run, written: Written) {
    shared.running.recorded(run.id);
    run.is_ended_elsewhere |= written == Written::EndedElsewhere;
}

/// What is left to say when the database refuses the jobs of an execution. `ended` are the timers that the
/// refused record was to remove.
fn failure(run: &mut Run, ended: &[i64]) -> Record {
    let open = run.waits.take_ended_timers();
    let update = ExecutionUpdate { status: run.ended, ..ExecutionUpdate::default() };
    Record {
        execution_id: run.id,
        update: Some(update),
        ended_timers: open.into_iter().chain(ended.iter().copied()).collect(),
        lease: LeaseChange::Release,
        ..Record::default()
    }
}
