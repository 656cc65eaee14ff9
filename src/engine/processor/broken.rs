//! Runs that have broken off because something could not be recorded.

use std::sync::Arc;

use crate::engine::shared::Shared;
use crate::store::recorder::RecordError;

/// Logs why a run has broken off, and has its execution run again where the database knows it.
pub(super) fn tell(shared: &Arc<Shared>, id: i64, has_row: bool, err: &RecordError) {
    match err {
        RecordError::Fenced => {
            tracing::warn!(execution.id = id, "another instance runs this execution now");
        }
        err if has_row => {
            tracing::warn!(execution.id = id, reason = %err, "execution is going to be run again");
            shared.strand(vec![id]);
        }
        err => {
            tracing::warn!(execution.id = id, reason = %err, "execution could not be recorded");
            // Unless the database took it and only its answer got lost.
            if matches!(err, RecordError::Unavailable(_)) {
                shared.strand(vec![id]);
            }
        }
    }
}
