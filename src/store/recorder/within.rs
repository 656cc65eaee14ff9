//! Records that are written within a transaction that nodes have begun.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait};

use super::failure::Failure;
use super::{Recorder, Writer};
use crate::store::Transaction;
use crate::store::fault::{Fault, describe};
use crate::store::record::{Record, RecordError, Written};

impl Recorder {
    /// Begins a transaction for writes that belong to a record, when it is its turn: it goes in with
    /// [`Recorder::write_within`]. Where somebody takes this instance's number over before that, none of it is committed.
    pub async fn begin(&self, isolation: Option<IsolationLevel>) -> Result<Transaction, RecordError> {
        let Writer { store, owner, .. } = &*self.writer;
        let begun = async {
            let tx = store.begin_in_turn(isolation).await?;
            match store.fences_late() || store.fence(&tx, *owner).await? {
                true => Ok(tx),
                false => Err(Failure::Fenced),
            }
        };
        begun.await.map_err(Failure::into_error)
    }

    /// Writes a record in a transaction and commits it. What the database refuses is not there, a lost race
    /// included; after any other error nothing may be assumed: where the answer to COMMIT got lost, all of it is.
    pub async fn write_within(&self, tx: Transaction, record: &Record) -> Result<Written, RecordError> {
        let Writer { store, owner, now, .. } = &*self.writer;
        let written = async {
            if store.fences_late() && !store.fence(&tx, *owner).await? {
                return Err(Failure::Fenced);
            }
            let written = match self.writer.gather_within(&tx, record).await? {
                Some(written) => written,
                None => {
                    let written = store.write_records(&tx, &[record], *owner, now()).await?;
                    self.writer.log_within(&tx, record).await?;
                    written.first().copied().unwrap_or(Written::Committed)
                }
            };
            tx.commit().await?;
            Ok(written)
        };
        written.await.map_err(|failure| match failure {
            Failure::Database(err) if Fault::of(&err) == Fault::Race => RecordError::Refused(describe(&err)),
            failure => failure.into_error(),
        })
    }
}

/// Where a transaction goes back to when a record could not be written at once.
const SAVEPOINT: &str = "sidehook_record";

impl Writer {
    /// Writes a record with all that goes with it in as few statements as there can be, on PostgreSQL. `None` where it has
    /// to be written one statement after the other: something in it needs that, or the request log may have failed, which
    /// the others need not fail for.
    async fn gather_within(
        &self,
        tx: &DatabaseTransaction,
        record: &Record,
    ) -> Result<Option<Written>, DbErr> {
        if !self.store.may_gather(&[record]) {
            return Ok(None);
        }
        if record.logs() {
            tx.execute_unprepared(&format!("SAVEPOINT {SAVEPOINT}")).await?;
        }
        match self.store.write_gathered_within(tx, record, self.owner, (self.now)()).await {
            Err(_) if record.logs() => {
                tx.execute_unprepared(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
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
                self.unlogged.left_out(&[record], &err, &self.metrics);
                savepoint.rollback().await
            }
        }
    }
}
