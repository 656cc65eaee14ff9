//! What waits in sidehook's own part of the database, as far as this instance knows, and taking what comes next of it.
//! Where it has to be looked for before it is taken, the ids of many are read at a time, because each read passes what
//! others have just taken; where not, each goes on after the last that it took.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::engine::shared::Shared;
use crate::store::claim::{Found, Mark, Wanted};

/// So many executions of a workflow are read at a time.
const PAGE: usize = 1_024;
/// What is known is read again after that time: others, who are due earlier, may have come.
const FRESH: Duration = Duration::from_millis(250);

/// What is known, by workflow.
#[derive(Default)]
pub(super) struct Backlog {
    pages: HashMap<i64, Known>,
    marks: HashMap<i64, (Mark, Instant)>,
}

struct Known {
    ids: VecDeque<i64>,
    has_more: bool,
    read_at: Instant,
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
        if shared.store.claims_next() {
            return self.claim_next(shared, workflow_id, limit).await;
        }
        let (ids, has_more) = self.look(shared, workflow_id, limit).await?;
        let claiming = shared.store.claim_waiting(shared.owner, &ids, shared.ids.now());
        let claimed = claimed(shared, claiming, &ids).await?;
        let is_contended = claimed.is_empty() && !ids.is_empty();
        Ok(Next { claimed, has_more, is_contended })
    }

    async fn claim_next(&mut self, shared: &Shared, workflow_id: i64, limit: usize) -> Result<Next, DbErr> {
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

    /// The ids of the next executions of a workflow, which are no longer known here, and whether others come after them.
    async fn look(
        &mut self,
        shared: &Shared,
        workflow_id: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, bool), DbErr> {
        self.pages.retain(|_, known| known.read_at.elapsed() < FRESH && !known.ids.is_empty());
        let known = match self.pages.entry(workflow_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let read = shared.store.waiting_executions(workflow_id, PAGE as u64, shared.ids.now());
                let ids: VecDeque<i64> = shared.limited(read).await?.into();
                place.insert(Known { has_more: ids.len() == PAGE, ids, read_at: Instant::now() })
            }
        };
        let ids = known.ids.drain(..limit.min(known.ids.len())).collect();
        Ok((ids, known.has_more || !known.ids.is_empty()))
    }
}

/// Those of some executions that have been claimed.
pub(super) async fn claimed(
    shared: &Shared,
    claiming: impl Future<Output = Result<Vec<i64>, DbErr>>,
    executions: &[i64],
) -> Result<Vec<i64>, DbErr> {
    let claimed = shared.limited(claiming).await;
    if claimed.is_err() {
        // They may be ours all the same: the answer to COMMIT gets lost with the connection.
        shared.strand(executions.to_vec());
    }
    claimed
}
