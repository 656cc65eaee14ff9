//! Taking what comes next of what waits in sidehook's own part of the database: each time goes on after the last that was
//! taken, because what is before that would be read and passed again.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::engine::shared::Shared;
use crate::store::claim::{Found, Mark, Wanted};

/// It is looked from the beginning again after that time: others, who are due earlier, may have come.
const FRESH: Duration = Duration::from_millis(250);

/// Up to where executions have been taken, by workflow.
#[derive(Default)]
pub(super) struct Backlog {
    marks: HashMap<i64, (Mark, Instant)>,
}

/// Executions whose turn it is.
#[derive(Default)]
pub(super) struct Next {
    pub claimed: Vec<i64>,
    /// Whether others of the same workflow wait after these.
    pub has_more: bool,
    /// Whether there were others that somebody else has locked.
    pub is_contended: bool,
}

impl Backlog {
    /// Claims the next executions of a workflow, at most `limit`. After an error those that may have been claimed are
    /// stranded.
    pub(super) async fn claim(
        &mut self,
        shared: &Shared,
        workflow_id: i64,
        limit: usize,
    ) -> Result<Next, DbErr> {
        self.marks.retain(|_, (_, made_at)| made_at.elapsed() < FRESH);
        let after = self.marks.get(&workflow_id).map(|(mark, _)| *mark);
        let wanted = Wanted { workflow_id, after, limit };
        let mut claimed = Vec::new();
        let claiming = shared.store.claim_next(shared.owner, wanted, shared.ids.now(), &mut claimed);
        let Found { last, has_more } = match shared.limited(claiming).await {
            Ok(found) => found,
            Err(err) => {
                // They may be ours all the same: the answer to COMMIT gets lost with the connection.
                shared.strand(claimed);
                return Err(err);
            }
        };
        let made_at = self.marks.remove(&workflow_id).map_or_else(Instant::now, |(_, made_at)| made_at);
        if let Some(mark) = last.filter(|_| has_more) {
            self.marks.insert(workflow_id, (mark, made_at));
        }
        // What is before the mark may have come back.
        let has_more = has_more || after.is_some();
        let is_contended = claimed.is_empty();
        Ok(Next { claimed, has_more, is_contended })
    }
}
