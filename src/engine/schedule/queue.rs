//! What NocoBase has queued, as far as this instance knows: the ids of the oldest executions of each workflow. A row of a
//! backlog is read a few times at most, however long it is and however many workflows take turns.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::engine::shared::Shared;
use crate::store::queued::Queued;

/// How often it is looked for more, and never more than a part of the time: see [`RATION_OF_NEW`].
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// So many rows are read at a time.
const PAGE: u64 = 2_000;
/// At most so many reads are made before the workers are fed again.
const PAGES: usize = 5;
/// So many executions of a workflow are known at most; further ones are read when these have been taken.
const MOST: usize = 4_000;
/// The next look at everything comes when so many times as long has passed as the last one took, and the next one at what
/// is new no sooner than when a part of that has.
const RATION: u32 = 50;
const RATION_OF_NEW: u32 = 20;
/// What is new is looked for from so long before the newest that is known: rows become visible later than their ids say,
/// and clocks differ.
const OVERLAP_SECONDS: i64 = 10;
/// A second in the ids of executions.
const SECOND_OF_IDS: i64 = 1 << 21;

/// The executions that are known.
#[derive(Debug, Default)]
pub(super) struct Queue {
    workflows: BTreeMap<i64, Waiting>,
    /// The workflows that are run here, as they were at the last look.
    chosen: Arc<HashSet<i64>>,
    /// The newest row that was seen.
    newest: i64,
    looked_at: Option<Instant>,
    /// How long the database took for the last look.
    took: Duration,
    /// The look that is going on.
    look: Option<Look>,
    /// When the next look is at everything.
    all_due_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Waiting {
    ids: BTreeSet<i64>,
    /// Whether the database has more after the last of these.
    has_more: bool,
    /// The last one that was known or taken.
    last: i64,
}

#[derive(Debug)]
struct Look {
    after: i64,
    is_at_all: bool,
    took: Duration,
}

impl Queue {
    /// The workflows that have executions here.
    pub(super) fn workflows(&self) -> impl Iterator<Item = i64> {
        self.workflows.keys().copied()
    }

    /// Whether a workflow has executions here.
    pub(super) fn has(&self, workflow_id: i64) -> bool {
        self.workflows.contains_key(&workflow_id)
    }

    /// Whether it is time to look for more.
    pub(super) fn is_outdated(&self) -> bool {
        self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL.max(self.took * RATION_OF_NEW))
    }

    /// Looks for what is new, or goes on with a look that was too long to be made at once.
    pub(super) async fn look(&mut self, shared: &Shared) -> Result<(), DbErr> {
        self.looked_at = Some(Instant::now());
        self.choose(shared.queued.load_full());
        if self.chosen.is_empty() {
            return Ok(());
        }
        self.took = Duration::ZERO;
        for _ in 0..PAGES {
            let after = self.begin_look().after;
            let began = Instant::now();
            let rows = shared.limited(shared.store.queued_after(after, None, PAGE)).await?;
            let took = began.elapsed();
            self.took += took;
            if self.looked(&rows, took) {
                break;
            }
        }
        Ok(())
    }

    /// The oldest executions of a workflow, at most `limit`; they are no longer known here.
    pub(super) async fn take(
        &mut self,
        shared: &Shared,
        workflow_id: i64,
        limit: usize,
    ) -> Result<Vec<i64>, DbErr> {
        let Some(waiting) = self.workflows.get_mut(&workflow_id) else { return Ok(Vec::new()) };
        if waiting.ids.is_empty() && waiting.has_more {
            let read = shared.store.queued_after(waiting.last, Some(workflow_id), MOST as u64);
            let rows = shared.limited(read).await?;
            waiting.has_more = rows.len() == MOST;
            rows.iter().for_each(|row| waiting.know(row.id));
        }
        let taken = std::iter::from_fn(|| waiting.ids.pop_first()).take(limit).collect();
        if waiting.ids.is_empty() && !waiting.has_more {
            self.workflows.remove(&workflow_id);
        }
        Ok(taken)
    }

    /// Takes over which workflows are run here; where that has changed the next look is at everything.
    fn choose(&mut self, chosen: Arc<HashSet<i64>>) {
        if chosen != self.chosen {
            self.workflows.retain(|known, _| chosen.contains(known));
            (self.look, self.all_due_at) = (None, None);
            self.chosen = chosen;
        }
    }

    fn begin_look(&mut self) -> &Look {
        let is_at_all = self.all_due_at.is_none_or(|due_at| due_at <= Instant::now());
        let from = if is_at_all { 0 } else { self.newest - OVERLAP_SECONDS * SECOND_OF_IDS };
        self.look.get_or_insert(Look { after: from, is_at_all, took: Duration::ZERO })
    }

    /// Takes over a page of rows; `true` when it was the last one of the look.
    fn looked(&mut self, rows: &[Queued], took: Duration) -> bool {
        for row in rows {
            self.newest = self.newest.max(row.id);
            if self.chosen.contains(&row.workflow_id) {
                self.workflows.entry(row.workflow_id).or_default().add(row.id);
            }
        }
        let Some(mut look) = self.look.take() else { return true };
        look.took += took;
        if let (Some(last), true) = (rows.last(), rows.len() as u64 == PAGE) {
            look.after = last.id;
            self.look = Some(look);
            return false;
        }
        if look.is_at_all {
            self.all_due_at = Some(Instant::now() + look.took * RATION);
        }
        true
    }
}

impl Waiting {
    /// An execution that has been found; of too many the oldest are kept.
    fn add(&mut self, id: i64) {
        if self.has_more && id > self.last {
            return;
        }
        self.know(id);
        if self.ids.len() > MOST {
            self.ids.pop_last();
            self.has_more = true;
            self.last = self.ids.last().copied().unwrap_or_default();
        }
    }

    fn know(&mut self, id: i64) {
        self.ids.insert(id);
        self.last = self.last.max(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ids: impl IntoIterator<Item = i64>, workflow_id: i64) -> Vec<Queued> {
        ids.into_iter().map(|id| Queued { id, workflow_id }).collect()
    }

    fn queue(chosen: &[i64]) -> Queue {
        let mut queue = Queue::default();
        queue.choose(Arc::new(chosen.iter().copied().collect()));
        queue
    }

    fn look(queue: &mut Queue, rows: &[Queued], took: Duration) -> (i64, bool) {
        let after = queue.begin_look().after;
        (after, queue.looked(rows, took))
    }

    #[tokio::test]
    async fn only_workflows_that_are_run_here_are_known() {
        let mut queue = queue(&[1]);
        look(&mut queue, &[rows([5], 1), rows([6], 2)].concat(), Duration::ZERO);
        assert_eq!(queue.workflows().collect::<Vec<_>>(), [1]);
        queue.choose(Arc::new([2].into()));
        assert_eq!(queue.workflows().count(), 0);
        assert_eq!(look(&mut queue, &[], Duration::ZERO), (0, true), "everything is looked at again");
    }

    #[tokio::test]
    async fn a_long_look_goes_on_where_it_was_and_is_followed_by_short_ones() {
        let mut queue = queue(&[1]);
        let base = 1_000 * SECOND_OF_IDS;
        let page = rows(base..base + PAGE as i64, 1);
        assert_eq!(look(&mut queue, &page, Duration::from_secs(2)), (0, false));
        let last = base + PAGE as i64 - 1;
        assert_eq!(look(&mut queue, &rows([last + 1], 1), Duration::from_secs(2)), (last, true));
        let overlap = last + 1 - OVERLAP_SECONDS * SECOND_OF_IDS;
        assert_eq!(look(&mut queue, &[], Duration::ZERO), (overlap, true));
        assert!(
            queue.all_due_at > Some(Instant::now() + Duration::from_secs(100)),
            "fifty times as long as it took"
        );
        queue.all_due_at = Some(Instant::now());
        assert_eq!(look(&mut queue, &[], Duration::ZERO), (0, true));
    }

    #[tokio::test]
    async fn of_too_many_the_oldest_are_known() {
        let mut queue = queue(&[1]);
        let count = MOST as i64 + 10;
        queue.looked(&rows((1..=count).map(|id| id * 2), 1), Duration::ZERO);
        let waiting = &queue.workflows[&1];
        assert_eq!((waiting.ids.len(), waiting.has_more, waiting.last), (MOST, true, 2 * MOST as i64));
        // One that has become visible late pushes the newest out; one beyond waits in the database.
        queue.looked(&rows([3, 2 * count + 2], 1), Duration::ZERO);
        let waiting = &queue.workflows[&1];
        assert_eq!((waiting.ids.len(), waiting.last), (MOST, 2 * MOST as i64 - 2));
        assert!(waiting.ids.contains(&3));
    }
}
