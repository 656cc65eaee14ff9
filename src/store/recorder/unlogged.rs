//! Executions that are recorded without their requests, because the request log cannot be written.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::store::fault::describe;
use crate::store::record::Record;

/// They are told so often at most.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Those that have not been told yet, and when some were.
#[derive(Default)]
pub(super) struct Unlogged(Mutex<(usize, Option<Instant>)>);

impl Unlogged {
    /// Counts the requests that some records are written without for this reason, and tells of them now and then.
    pub(super) fn left_out(&self, records: &[&Record], reason: &DbErr, metrics: &Metrics) {
        let requests = records.iter().filter(|record| record.logs()).count();
        metrics.requests_unlogged(requests);
        if let Some(requests) = self.due(requests, Instant::now()) {
            let reason = describe(reason);
            tracing::warn!(requests, reason, "executions are recorded without their requests");
        }
    }

    /// How many are to be told now.
    fn due(&self, requests: usize, now: Instant) -> Option<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (untold, told) = &mut *state;
        *untold += requests;
        if told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY) {
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_told_once_a_minute() {
        let (unlogged, start) = (Unlogged::default(), Instant::now());
        assert_eq!(unlogged.due(2, start), Some(2));
        assert_eq!((unlogged.due(3, start), unlogged.due(1, start)), (None, None));
        assert_eq!(unlogged.due(1, start + TOLD_EVERY), Some(5));
    }
}
