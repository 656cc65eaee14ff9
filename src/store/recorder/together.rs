//! A transaction of few statements: what most of them are, on PostgreSQL.

use super::Writer;
use super::failure::Failure;
use crate::store::record::{Record, Written};

impl Writer {
    /// Writes records with all that goes with them, and commits them. `None` where they have to be written one statement
    /// after the other: there is something among them that needs that, or it has failed and is to be found out why.
    pub(super) async fn write_together(&self, records: &[&Record]) -> Result<Option<Vec<Written>>, Failure> {
        if !self.store.may_gather(records) {
            return Ok(None);
        }
        let tx = self.store.begin().await?;
        match self.store.write_gathered(&tx, records, self.owner, (self.now)()).await {
            Ok(Some(written)) => {
                tx.commit().await?;
                Ok(Some(written))
            }
            Ok(None) | Err(_) => {
                // A connection that cannot even do that is not used again.
                let _ = tx.rollback().await;
                Ok(None)
            }
        }
    }
}
