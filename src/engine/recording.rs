//! What a run writes, and when: everything at its end, or in parts when it is long.

use std::sync::Arc;
use std::time::Duration;

use entity::status::execution::{ABORTED, STARTED};
use entity::status::job::ERROR;

use super::processor::{Ended, Processor};
use crate::expr::{Value, json};
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record, RecordError, Written};

/// How long to wait before a database that was away is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Processor {
    /// Writes what can change no more. Returns how the execution has ended, if that turns out.
    pub(super) async fn record_so_far(&mut self) -> Result<Option<Ended>, RecordError> {
        self.journal.flush_settled();
        if self.record().await? == Written::EndedElsewhere {
            let lease = LeaseChange::Release;
            let record = Record { execution_id: self.execution.id, lease, ..Record::default() };
            self.engine.recorder.write(record).await?;
            self.ended = Some(ABORTED);
        }
        Ok(self.ended.map(|status| Ended { status, is_timeout: false, reply: None }))
    }

    /// Writes what has been flushed, and the end of the execution if it has ended.
    pub(super) async fn record(&mut self) -> Result<Written, RecordError> {
        let is_new = self.execution.unrecorded.is_some();
        let record = Arc::new(self.next_record());
        loop {
            let written = match is_new {
                true => self.engine.recorder.write_event(record.clone()).await,
                false => self.engine.recorder.write(record.clone()).await,
            };
            match written {
                // The execution was acknowledged: it stays ours until the database is back.
                Err(RecordError::Unavailable(reason)) if !is_new && !self.engine.is_stopping() => {
                    tracing::warn!(
                        execution.id = self.execution.id,
                        reason,
                        "execution waits for the database"
                    );
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(RecordError::Refused(reason)) if !is_new => {
                    tracing::error!(
                        execution.id = self.execution.id,
                        reason,
                        "jobs were refused by the database"
                    );
                    self.ended = Some(ERROR);
                    return self.engine.recorder.write(self.failure_record()).await;
                }
                Ok(written) => {
                    self.engine.running.recorded(self.execution.id);
                    return Ok(written);
                }
                err => return err,
            }
        }
    }

    fn next_record(&mut self) -> Record {
        let (new_jobs, job_updates) = self.journal.take_rows(self.execution.id);
        let output = self.output.take().map(|output| output_text(&output));
        let options = &self.execution.workflow.options;
        let mut record = Record {
            execution_id: self.execution.id,
            replaces_jobs: std::mem::take(&mut self.execution.starts_over),
            new_jobs,
            job_updates,
            deletes: self.ended.is_some_and(|status| options.delete_execution_on_status.contains(&status)),
            ..Record::default()
        };
        let is_new = self.execution.unrecorded.is_some();
        match self.execution.unrecorded.take() {
            Some(mut row) => {
                row.status = Some(self.ended.unwrap_or(STARTED));
                row.reason = self.reason.map(str::to_owned);
                row.output = output.flatten();
                row.updated_at = self.engine.ids.now();
                record.create = Some(row);
            }
            None => {
                let reason = self.reason.map(str::to_owned);
                record.update = Some(ExecutionUpdate { output, status: self.ended, reason });
            }
        }
        record.lease = match (is_new, self.ended.is_some()) {
            (true, false) => LeaseChange::Take,
            (false, true) => LeaseChange::Release,
            _ => LeaseChange::Keep,
        };
        record
    }

    /// What is left to say when the database refuses the jobs of an execution.
    fn failure_record(&self) -> Record {
        let update = ExecutionUpdate { status: self.ended, ..ExecutionUpdate::default() };
        Record {
            execution_id: self.execution.id,
            update: Some(update),
            lease: LeaseChange::Release,
            ..Record::default()
        }
    }
}

/// `executions.output`: null and undefined are SQL NULL.
fn output_text(output: &Value) -> Option<String> {
    if output.is_nullish() { None } else { json::stringify(output) }
}
