//! What a run writes, and when: everything at its end or when it waits, and everything so far, with the place
//! where it stands, before and after work with outside effects and in long runs.

use std::sync::Arc;

use entity::status::execution::{ABORTED, STARTED};
use entity::status::job::ERROR;

use super::Processor;
use super::cut_off::wait_for_database;
use crate::engine::run::journal::Extent;
use crate::engine::run::position::Position;
use crate::engine::run::step::Step;
use crate::expr::{Value, json};
use crate::store::execution::ExecutionUpdate;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record, RecordError, Written};

impl Processor {
    /// Writes all jobs as they are and where the run stands, so that another instance could go on with `next`.
    pub async fn record_position(&mut self, next: Step) -> Result<(), RecordError> {
        let lease = LeaseChange::Take(self.lease(Some(next), 0));
        let record = self.next_record(Extent::Everything, lease);
        self.write(record).await
    }

    /// Writes the end of a segment: the execution has ended or waits.
    pub async fn record_segment(&mut self) -> Result<(), RecordError> {
        if self.is_ended_elsewhere {
            return self.let_go().await;
        }
        let is_new = self.execution.unrecorded.is_some();
        let lease = match self.ended {
            Some(_) if is_new => LeaseChange::Keep,
            Some(_) => LeaseChange::Release,
            None if self.waits.is_handing_over() => {
                self.waits.is_resident = false;
                LeaseChange::Release
            }
            None if self.stays() => {
                self.waits.is_resident = true;
                LeaseChange::Take(self.lease(None, 0))
            }
            None => {
                self.waits.is_resident = false;
                let due_at = self.due_at();
                self.engine.wake_at(due_at);
                LeaseChange::Wait(self.lease(None, due_at))
            }
        };
        if self.ended.is_some() {
            self.waits.clear();
            self.journal.show_hidden();
        }
        let mut record = self.next_record(Extent::Flushed, lease);
        let handovers = match self.ended {
            None if self.waits.is_handing_over() => self.handovers(),
            _ => Vec::new(),
        };
        record.handovers.clone_from(&handovers);
        self.write(record).await?;
        if !self.is_ended_elsewhere {
            self.engine.tell_nocobase(handovers);
        }
        if self.is_ended_elsewhere && self.ended.is_none() {
            return self.let_go().await;
        }
        Ok(())
    }

    /// Hands a waiting execution to whoever is there when its time comes.
    pub async fn record_leaving(&mut self) -> Result<(), RecordError> {
        if !self.waits.is_resident {
            return Ok(());
        }
        let due_at = self.due_at();
        self.engine.wake_at(due_at);
        let lease = LeaseChange::Wait(self.lease(None, due_at));
        let record = Record { execution_id: self.execution.id, lease, ..Record::default() };
        self.write(record).await
    }

    /// Gives up an execution that was ended by somebody else.
    async fn let_go(&mut self) -> Result<(), RecordError> {
        self.waits.clear();
        self.journal.show_hidden();
        self.ended.get_or_insert(ABORTED);
        let mut record = self.next_record(Extent::Everything, LeaseChange::Release);
        record.update = Some(ExecutionUpdate::default());
        self.write(record).await
    }

    /// When a waiting execution has something to do: a timer or its own expiry.
    fn due_at(&self) -> i64 {
        let expires_at = self.execution.expires_at.map(|time| time.timestamp_millis());
        self.waits.first_due().into_iter().chain(expires_at).min().unwrap_or_default()
    }

    pub fn lease(&self, next: Option<Step>, due_at: i64) -> Lease {
        let workflow = &self.execution.workflow;
        let position = Position::new(&workflow.graph, next, &self.calls);
        Lease { workflow_id: workflow.id, position: Some(position.text()), due_at }
    }

    /// Writes a record, however long the database is away, and notes what became of it.
    pub async fn write(&mut self, record: Record) -> Result<(), RecordError> {
        let is_new = record.create.is_some();
        let record = Arc::new(record);
        loop {
            let written = match is_new {
                true => self.engine.recorder.write_event(record.clone()).await,
                false => self.engine.recorder.write(record.clone()).await,
            };
            match written {
                // The execution was acknowledged: it stays ours until the database is back.
                Err(RecordError::Unavailable(reason)) if !is_new && !self.engine.is_stopping() => {
                    wait_for_database(self.execution.id, &reason).await;
                }
                Err(RecordError::Refused(reason)) if !is_new => {
                    tracing::error!(
                        execution.id = self.execution.id,
                        reason,
                        "jobs were refused by the database"
                    );
                    self.ended = Some(ERROR);
                    self.waits.clear();
                    let failure = self.failure_record(&record.ended_timers);
                    self.engine.recorder.write(failure).await?;
                    self.is_ended_elsewhere = true;
                    return Ok(());
                }
                Ok(written) => {
                    self.note(written);
                    return Ok(());
                }
                Err(err) => return Err(err),
            }
        }
    }

    /// Notes what became of a record.
    pub fn note(&mut self, written: Written) {
        self.engine.running.recorded(self.execution.id);
        self.is_ended_elsewhere |= written == Written::EndedElsewhere;
    }

    pub fn next_record(&mut self, extent: Extent, lease: LeaseChange) -> Record {
        let timers = self.new_timers();
        let (new_jobs, job_updates) = self.journal.take_rows(self.execution.id, extent);
        let output = self.output.take().map(|output| output_text(&output));
        let options = &self.execution.workflow.options;
        let mut record = Record {
            execution_id: self.execution.id,
            replaces_jobs: std::mem::take(&mut self.replaces_jobs),
            new_jobs,
            job_updates,
            timers,
            ended_timers: self.waits.take_over().into_iter().map(|job| job.0).collect(),
            lease,
            deletes: self.ended.is_some_and(|status| options.delete_execution_on_status.contains(&status)),
            ..Record::default()
        };
        let reason = self.reason.map(str::to_owned);
        match self.execution.unrecorded.take() {
            Some(mut row) => {
                row.status = Some(self.ended.unwrap_or(STARTED));
                row.reason = reason;
                row.output = output.flatten();
                row.updated_at = self.engine.ids.now();
                record.create = Some(row);
            }
            None => record.update = Some(ExecutionUpdate { output, status: self.ended, reason }),
        }
        record
    }

    /// What is left to say when the database refuses the jobs of an execution. `ended` are the timers that the
    /// refused record was to remove.
    fn failure_record(&mut self, ended: &[i64]) -> Record {
        let open = self.waits.take_over().into_iter().map(|job| job.0);
        let update = ExecutionUpdate { status: self.ended, ..ExecutionUpdate::default() };
        Record {
            execution_id: self.execution.id,
            update: Some(update),
            ended_timers: open.chain(ended.iter().copied()).collect(),
            lease: LeaseChange::Release,
            ..Record::default()
        }
    }
}

/// `executions.output`: null and undefined are SQL NULL.
fn output_text(output: &Value) -> Option<String> {
    if output.is_nullish() { None } else { json::stringify(output) }
}
