//! Records that are written within a transaction that nodes have begun.

use sea_orm::{DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait};

use super::{Failure, Writer};
use crate::store::fault::{Fault, describe};
use crate::store::record::{Record, RecordError, Written};

impl Writer {
    /// See [`Recorder::begin`](crate::store::recorder::Recorder::begin).
    pub(in crate::store) async fn begin(
        &self,
        isolation: Option<IsolationLevel>,
    ) -> Result<DatabaseTransaction, RecordError> {
        let begun = async {
            let tx = self.store.begin_isolated(isolation).await?;
            match self.store.fences_late() || self.store.fence(&tx, self.owner).await? {
                true => Ok(tx),
                false => Err(Failure::Fenced),
            }
        };
        begun.await.map_err(Failure::into_error)
    }

    /// See [`Recorder::write_within`](crate::store::recorder::Recorder::write_within).
    pub(in crate::store) async fn write_within(
        &self,
        tx: DatabaseTransaction,
        record: &Record,
    ) -> Result<Written, RecordError> {
        let written = async {
            if self.store.fences_late() && !self.store.fence(&tx, self.owner).await? {
                return Err(Failure::Fenced);
            }
            let written = self.store.write_records(&tx, &[record], self.owner, (self.now)()).await?;
            self.log_within(&tx, record).await?;
            tx.commit().await?;
            Ok(written.first().copied().unwrap_or(Written::Committed))
        };
        written.await.map_err(|failure| match failure {
            Failure::Database(err) if Fault::of(&err) == Fault::Race => RecordError::Refused(describe(&err)),
            failure => failure.into_error(),
        })
    }

    /// Logs a request so that the transaction can go on where that fails.
    async fn log_within(&self, tx: &DatabaseTransaction, record: &Record) -> Result<(), DbErr> {
        if !record.logs() {
            return Ok(());
        }
        let savepoint = tx.begin().await?;
        match self.store.log_requests(&savepoint, &[record]).await {
            Ok(()) => savepoint.commit().await,
            Err(err) => {
                self.left_out(&[record], &err);
                savepoint.rollback().await
            }
        }
    }
}
