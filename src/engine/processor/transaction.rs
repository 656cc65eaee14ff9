//! Commits what a node has written together with its job, all jobs so far and the place where the run stands: after a
//! crash the write is there with its job, or neither is.

use entity::status::job::ERROR;

use super::Processor;
use crate::engine::run::Run;
use crate::engine::run::event::{Event, What};
use crate::engine::run::record::record_of;
use crate::engine::run::waiting::taken;
use crate::expr::Thrown;
use crate::node::{JobId, MAIN, NodeIndex};
use crate::store::recorder::{Record, RecordError};

impl Processor {
    /// Records everything so far in the transaction that ends with this job, and commits it. What the database
    /// refuses becomes an error of the job. When the database is gone this run is over: it is taken up again
    /// from what the database says.
    pub(super) async fn commit(
        &mut self,
        run: &mut Run,
        node: NodeIndex,
        job: JobId,
    ) -> Result<Event, RecordError> {
        let Some(open) = self.transactions.take_to_commit() else { return Ok(Event::Done) };
        let is_main = &*open.source == MAIN;
        if !is_main || self.transactions.has_scope() {
            // A savepoint: the outermost transaction records and commits. What another data source has committed is
            // recorded by itself, as soon as that is possible.
            if let Err(err) = open.transaction.commit().await {
                run.fail_job(node, job, &Thrown::error(err.to_string()));
            }
            if !self.transactions.has_scope() {
                let record = record_of(run, What::Position, &self.terms(run));
                self.write(run, record).await?;
            }
            return Ok(Event::Done);
        }
        // All executions of a workflow would wait for each other's commits if they were counted here.
        let counts_later = run.unrecorded.is_some();
        run.waits.is_uncounted |= counts_later;
        let record = Record { counts_later, ..record_of(run, What::Position, &self.terms(run)) };
        match self.shared.recorder.write_within(open.transaction, &record).await {
            Ok(written) => self.note(run, written),
            Err(RecordError::Refused(reason)) => {
                let result = run.fail_committed(node, job, &reason);
                let record = with_failed(record, job, &result);
                let record = Record { lease: taken(run), ..record };
                self.write(run, record).await?;
            }
            Err(err) => return Err(err),
        }
        Ok(Event::Done)
    }
}

/// A record with one of its jobs as an error.
fn with_failed(mut record: Record, job: JobId, result: &str) -> Record {
    for row in record.new_jobs.iter_mut().filter(|row| row.id == job.0) {
        (row.status, row.result) = (ERROR, Some(result.into()));
    }
    for row in record.job_updates.iter_mut().filter(|row| row.id == job.0) {
        (row.status, row.result) = (ERROR, Some(result.into()));
    }
    record
}
