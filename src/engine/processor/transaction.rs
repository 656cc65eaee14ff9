//! Transactions in which jobs are recorded with what their nodes write: that of a single node, so that the
//! write and the knowledge of it are committed together, and those of transaction nodes, which span a branch.
//! Within the latter nothing is recorded until they end.

use entity::status::job::ERROR;
use sea_orm::{DatabaseTransaction, IsolationLevel, TransactionTrait};

use super::Processor;
use super::cut_off::wait_for_database;
use crate::engine::run::journal::Extent;
use crate::engine::run::step::{self, Step};
use crate::expr::Thrown;
use crate::node::{JobId, NodeIndex};
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// `Processor.ts` of NocoBase words it so.
const PENDING_INSIDE: &str = "Pending jobs are not allowed inside an open transaction scope";

impl Processor {
    /// The open transaction, begun now if there is none.
    pub async fn open_transaction(&mut self) -> Result<&DatabaseTransaction, Thrown> {
        if self.transactions.current().is_none() {
            self.transactions.own = Some(self.begin_transaction(None).await?);
        }
        self.transactions.current().ok_or_else(|| Thrown::error("the transaction is gone"))
    }

    /// Begins the transaction of a transaction node.
    pub async fn open_scope(&mut self, isolation: Option<IsolationLevel>) -> Result<(), Thrown> {
        let scope = match self.transactions.scopes.last() {
            Some(outer) => outer.begin().await.map_err(|err| Thrown::error(err.to_string()))?,
            None => self.begin_transaction(isolation).await?,
        };
        self.transactions.scopes.push(scope);
        Ok(())
    }

    /// Takes back what the branch of the innermost transaction node has written.
    pub async fn roll_back_scope(&mut self) {
        if let Some(scope) = self.transactions.scopes.pop() {
            take_back(scope).await;
        }
    }

    /// Has the innermost transaction node's transaction committed with the job that is saved next.
    pub fn commit_scope(&mut self) {
        self.transactions.commits = true;
    }

    /// Begins a transaction, however long the database is away. The caller of an event that is not recorded
    /// yet is told instead.
    async fn begin_transaction(
        &mut self,
        isolation: Option<IsolationLevel>,
    ) -> Result<DatabaseTransaction, Thrown> {
        loop {
            match self.engine.recorder.begin(isolation).await {
                Ok(transaction) => return Ok(transaction),
                Err(RecordError::Unavailable(reason))
                    if self.execution.unrecorded.is_none() && !self.engine.is_stopping() =>
                {
                    wait_for_database(self.execution.id, &reason).await;
                }
                Err(err) => {
                    let thrown = Thrown::error(err.to_string());
                    self.broken = Some(err);
                    return Err(thrown);
                }
            }
        }
    }

    /// Whether the job that has just been saved for a node ends a transaction that is to be committed.
    pub fn is_to_commit(&self) -> bool {
        self.transactions.own.is_some() || self.transactions.commits
    }

    /// Records everything so far in the transaction that ends with this job, and commits it. What the database
    /// refuses becomes an error of the job. When the database is gone this run is over: it is taken up again
    /// from what the database says.
    pub async fn commit(&mut self, node: NodeIndex, job: JobId) -> Result<Step, RecordError> {
        let is_scope = std::mem::take(&mut self.transactions.commits);
        let open = if is_scope { self.transactions.scopes.pop() } else { self.transactions.own.take() };
        let status = self.journal.job(job).status;
        let next = step::after(&self.execution.workflow.graph, node, job, status);
        let Some(open) = open else { return Ok(next) };
        if self.transactions.has_scope() {
            // A savepoint: the outermost transaction records and commits.
            if let Err(err) = open.commit().await {
                return Ok(self.fail_job(node, job, &Thrown::error(err.to_string())));
            }
            return Ok(next);
        }
        let lease = LeaseChange::Take(self.lease(Some(next), 0));
        let record = self.next_record(Extent::Everything, lease);
        match self.engine.recorder.write_within(open, &record).await {
            Ok(written) => {
                self.note(written);
                Ok(next)
            }
            Err(RecordError::Refused(reason)) => self.record_refusal(node, job, record, &reason).await,
            Err(err) => Err(err),
        }
    }

    /// Records what was to be committed without what the nodes have written, with the job as an error.
    async fn record_refusal(
        &mut self,
        node: NodeIndex,
        job: JobId,
        mut record: Record,
        reason: &str,
    ) -> Result<Step, RecordError> {
        let text = self.journal.fail_written(job, &Thrown::error(reason).to_result());
        let next = step::after(&self.execution.workflow.graph, node, job, ERROR);
        record.lease = LeaseChange::Take(self.lease(Some(next), 0));
        for row in record.new_jobs.iter_mut().filter(|row| row.id == job.0) {
            (row.status, row.result) = (ERROR, Some(text.clone()));
        }
        for row in record.job_updates.iter_mut().filter(|row| row.id == job.0) {
            (row.status, row.result) = (ERROR, Some(text.clone()));
        }
        self.log_job(node, ERROR);
        self.write(record).await?;
        Ok(next)
    }

    /// Takes back what the node that runs has written. Within a transaction node that is done at its end.
    pub async fn roll_back(&mut self) {
        if let Some(own) = self.transactions.own.take() {
            take_back(own).await;
        }
    }

    /// Ends what transaction nodes have left open at the end of a segment. Nothing may wait inside of them, and
    /// what ends the execution from within them takes their writes back, as in NocoBase.
    pub async fn close_scopes(&mut self) {
        if !self.transactions.has_scope() {
            return;
        }
        while let Some(scope) = self.transactions.scopes.pop() {
            take_back(scope).await;
        }
        if self.ended.is_some() {
            return;
        }
        self.waits.clear();
        for (job, _) in self.journal.pending() {
            self.journal.set_status(job, ERROR);
            self.journal.set_result(job, Thrown::error(PENDING_INSIDE).to_result());
            self.journal.save_again(job);
        }
        self.journal.flush();
        self.ended = Some(ERROR);
    }
}

async fn take_back(transaction: DatabaseTransaction) {
    if let Err(err) = transaction.rollback().await {
        // The connection is gone, and the transaction with it.
        tracing::debug!(reason = %err, "a transaction could not be rolled back");
    }
}
