//! Transactions that have failed for a reason that passes: they are tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Writer;
use super::failure::Failure;
use crate::store::fault::{Fault, describe};
use crate::store::record::{Record, RecordError, Written};

/// Waits between the attempts at one transaction.
const RETRY_DELAYS: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// After so long a transaction is not tried again: its callers are told 503 while they still listen.
const RETRY_PATIENCE: Duration = Duration::from_secs(2);

impl Writer {
    /// Tries a transaction again that has failed like this, and without the request log where that is to blame.
    /// `started` is when it was first tried.
    pub(super) async fn try_again(
        &self,
        records: &[&Record],
        mut failure: Failure,
        started: Instant,
    ) -> Result<Vec<Written>, RecordError> {
        let mut delays = RETRY_DELAYS.into_iter();
        let mut logs = true;
        loop {
            let passing = match failure {
                Failure::Fenced => return Err(RecordError::Fenced),
                // No event is lost for the log's sake.
                Failure::Log(err) if !Fault::of(&err).is_passing() => {
                    self.unlogged.left_out(records, &err, &self.metrics);
                    logs = false;
                    None
                }
                Failure::Database(err) if !Fault::of(&err).is_passing() => {
                    return self.refused(records, err).await;
                }
                Failure::Log(err) | Failure::Database(err) => Some(err),
            };
            if let Some(err) = passing {
                match delays.next().filter(|_| started.elapsed() < RETRY_PATIENCE) {
                    Some(delay) => sleep(delay).await,
                    None => return Err(RecordError::Unavailable(describe(&err))),
                }
            }
            match self.attempt(records, logs).await {
                Ok(written) => return Ok(written),
                Err(again) => failure = again,
            }
        }
    }
}
