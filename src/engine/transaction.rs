//! The transaction of a node that writes to the database itself: its job is recorded in it, so that the write
//! and the knowledge of it are committed together.

use sea_orm::DatabaseTransaction;

use super::journal::Extent;
use super::processor::Processor;
use super::recording::RETRY_DELAY;
use super::step::{self, Step};
use crate::expr::Thrown;
use crate::node::{Draft, NodeIndex, Run};
use crate::store::recorder::{LeaseChange, RecordError};

impl Processor {
    /// The open transaction, begun now if there is none.
    pub(super) async fn open_transaction(&mut self) -> Result<&DatabaseTransaction, Thrown> {
        if self.transaction.is_none() {
            match self.begin_transaction().await {
                Ok(transaction) => self.transaction = Some(transaction),
                Err(err) => {
                    let thrown = Thrown::error(err.to_string());
                    self.broken = Some(err);
                    return Err(thrown);
                }
            }
        }
        self.transaction.as_ref().ok_or_else(|| Thrown::error("the transaction is gone"))
    }

    /// Begins a transaction, however long the database is away. The caller of an event that is not recorded
    /// yet is told instead.
    async fn begin_transaction(&mut self) -> Result<DatabaseTransaction, RecordError> {
        loop {
            match self.engine.recorder.begin().await {
                Err(RecordError::Unavailable(reason))
                    if self.execution.unrecorded.is_none() && !self.engine.is_stopping() =>
                {
                    tracing::warn!(
                        execution.id = self.execution.id,
                        reason,
                        "execution waits for the database"
                    );
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                begun => return begun,
            }
        }
    }

    /// Records everything so far with the job of the node in its transaction, and commits it. After a failure
    /// this run is over: it is taken up again from what the database says.
    pub(super) async fn commit(
        &mut self,
        transaction: DatabaseTransaction,
        node: NodeIndex,
        draft: Draft,
    ) -> Result<Step, RecordError> {
        let status = draft.status;
        let job = self.save(node, draft);
        self.log_job(node, status);
        let next = step::after(&self.execution.workflow.graph, node, job, status);
        let lease = LeaseChange::Take(self.lease(Some(next), 0));
        let record = self.next_record(Extent::Everything, lease);
        let written = self.engine.recorder.write_within(transaction, &record).await?;
        self.note(written);
        Ok(next)
    }

    /// Takes back what a node has written.
    pub(super) async fn roll_back(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        if let Err(err) = transaction.rollback().await {
            // The connection is gone, and the transaction with it.
            tracing::debug!(execution.id = self.execution.id, reason = %err, "a transaction could not be rolled back");
        }
    }
}
