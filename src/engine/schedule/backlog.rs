//! What waits in sidehook's own part of the database, as far as this instance knows: the ids of the executions whose turn
//! comes next. They are read many at a time, because each read passes what others have just taken.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::engine::shared::Shared;

/// So many executions of a workflow are read at a time.
const PAGE: usize = 1_024;
/// What is known is read again after that time: others, who are due earlier, may have come.
const FRESH: Duration = Duration::from_millis(250);

/// The executions that are known, by workflow.
#[derive(Default)]
pub(super) struct Backlog(HashMap<i64, Known>);

struct Known {
    ids: VecDeque<i64>,
    has_more: bool,
    read_at: Instant,
}

/// Executions whose turn it is.
pub(super) struct Next {
    pub ids: Vec<i64>,
    /// Whether others of the same workflow wait after these.
    pub has_more: bool,
}

impl Backlog {
    /// The next executions of a workflow, at most `limit`; they are no longer known here.
    pub(super) async fn take(
        &mut self,
        shared: &Shared,
        workflow_id: i64,
        limit: usize,
    ) -> Result<Next, DbErr> {
        self.0.retain(|_, known| known.read_at.elapsed() < FRESH && !known.ids.is_empty());
        let known = match self.0.entry(workflow_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let read = shared.store.waiting_executions(workflow_id, PAGE as u64, shared.ids.now());
                let ids: VecDeque<i64> = shared.limited(read).await?.into();
                place.insert(Known { has_more: ids.len() == PAGE, ids, read_at: Instant::now() })
            }
        };
        let ids = known.ids.drain(..limit.min(known.ids.len())).collect();
        Ok(Next { ids, has_more: known.has_more || !known.ids.is_empty() })
    }
}
