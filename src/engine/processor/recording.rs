//! Writes the records of executions that the database has a row of.

use std::sync::Arc;

use entity::status::job::ERROR;
use entity::status::reason;

use super::Processor;
use super::cut_off::wait_for_database;
use crate::engine::run::Run;
use crate::engine::run::waiting;
use crate::engine::subflow;
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record, RecordError};

impl Processor {
    /// Writes a record of an execution that has a row, however long the database is away, and notes what became of
    /// it. Of one whose jobs the database refuses it is written that it has failed.
    pub(super) async fn write_known(&mut self, run: &mut Run, record: Record) -> Result<(), RecordError> {
        let shared = &self.shared;
        if run.reason == Some(reason::TIMEOUT) && run.ended.is_some() && run.workflow.graph.calls() {
            subflow::abort_called(shared, run.id).await;
        }
        let record = Arc::new(record);
        loop {
            match shared.recorder.write(record.clone()).await {
                Ok(written) => {
                    self.note(run, written);
                    return Ok(());
                }
                // The execution was acknowledged: it stays ours until the database is back.
                Err(RecordError::Unavailable(reason)) if !shared.is_stopping() => {
                    wait_for_database(run.id, &reason).await;
                }
                Err(RecordError::Refused(reason)) => {
                    tracing::error!(execution.id = run.id, reason, "jobs were refused by the database");
                    run.ended = Some(ERROR);
                    run.waits.clear();
                    let mut last = failure(run, &record);
                    if let Some(request) = &run.request {
                        request.note(Some(&run.outcome()), true, shared.ids.now(), &mut last);
                    }
                    shared.recorder.write(last).await?;
                    run.is_ended_elsewhere = true;
                    return Ok(());
                }
                Err(err) => return Err(err),
            }
        }
    }
}

/// What is left to say when the database refuses the jobs of an execution: of the refused record the timers that it was
/// to remove, and that the execution counts.
fn failure(run: &mut Run, refused: &Record) -> Record {
    let lease = LeaseChange::Release;
    let counts = waiting::counts(run, &lease).or_else(|| refused.counts.clone());
    let open = run.waits.take_ended_timers();
    let update = ExecutionUpdate { status: run.ended, ..ExecutionUpdate::default() };
    Record {
        execution_id: run.id,
        update: Some(update),
        counts,
        ended_timers: open.into_iter().chain(refused.ended_timers.iter().copied()).collect(),
        lease,
        ..Record::default()
    }
}
