//! Runs asynchronous executions, at most a number of them at a time. What finds no free worker waits in the database and is
//! taken from there, and so is what NocoBase has queued, where that is run here: workflow by workflow in turn, of each the
//! oldest first.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::pickup::{Versions, pick_up};
use super::queue::{LOOK_INTERVAL, Queue};
use crate::engine::shared::Shared;

/// How often the database is asked for the work of other workflows while there is some.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// And when there is none: events that another instance has put there, or that one has left.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);

/// At most so many waiting executions are fetched at a time.
const BATCH: usize = 256;

/// How long those are left alone that somebody else has locked, when there are no others.
const PAUSE: Duration = Duration::from_millis(20);

/// What is known of the work that waits.
#[derive(Default)]
struct Waiting {
    turns: Turns,
    backlog: Backlog,
    queue: Queue,
    versions: Versions,
}

/// Whose turn it is: the workflows of which executions wait.
#[derive(Default)]
struct Turns {
    workflows: VecDeque<i64>,
    /// When the database was asked for them.
    asked_at: Option<Instant>,
}

impl Turns {
    /// Whether workflows may have waiting executions that are not in here.
    fn is_outdated(&self) -> bool {
        self.workflows.is_empty() || self.asked_at.is_none_or(|asked_at| asked_at.elapsed() > POLL_INTERVAL)
    }

    /// Takes over which workflows have waiting executions.
    fn update(&mut self, workflows: &[i64]) {
        let waiting: HashSet<i64> = workflows.iter().copied().collect();
        self.workflows.retain(|known| waiting.contains(known));
        self.add(workflows.iter().copied());
        self.asked_at = Some(Instant::now());
    }

    /// Adds workflows that have waiting executions; those that are new come first.
    fn add(&mut self, workflows: impl IntoIterator<Item = i64>) {
        let mut known: HashSet<i64> = self.workflows.iter().copied().collect();
        for workflow in workflows {
            if known.insert(workflow) {
                self.workflows.push_front(workflow);
            }
        }
    }
}

/// Gives waiting executions to workers as those become free and as their times come.
pub(crate) async fn feed(shared: Arc<Shared>) {
    let mut waiting = Waiting::default();
    while !shared.is_stopping() {
        match take_waiting(&shared, &mut waiting).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(err) => {
                shared.has_backlog.store(true, Ordering::Release);
                tracing::warn!(reason = %err, "waiting executions could not be fetched");
            }
        }
        let has_backlog = shared.has_backlog.load(Ordering::Acquire);
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(until_next_wake(&shared)) => {}
            () = shared.backlog_grew.notified() => {}
            () = shared.workers.freed(), if has_backlog => {}
        }
    }
}

/// Takes waiting executions of the workflow whose turn it is, at most as many as the workers will soon come to; `false`
/// when nothing more can be taken now.
async fn take_waiting(shared: &Arc<Shared>, waiting: &mut Waiting) -> Result<bool, DbErr> {
    let Waiting { turns, backlog, queue, versions } = waiting;
    let now = shared.ids.now();
    let backlogged = shared.take_backlogged();
    shared.has_backlog.fetch_or(!backlogged.is_empty(), Ordering::AcqRel);
    turns.add(backlogged);
    if queue.is_outdated() {
        queue.look(shared).await?;
        turns.add(queue.workflows());
        shared.has_backlog.fetch_or(!turns.workflows.is_empty(), Ordering::AcqRel);
    }
    if turns.is_outdated() {
        shared.has_backlog.store(false, Ordering::Release);
        let mut workflows = shared.limited(shared.store.workflows_with_backlog(now)).await?;
        workflows.extend(queue.workflows());
        turns.update(&workflows);
        // What was told meanwhile stays told.
        shared.has_backlog.fetch_or(!turns.workflows.is_empty(), Ordering::AcqRel);
    }
    let turn = &mut turns.workflows;
    let rooms = turn.iter().map(|workflow| shared.workers.room(*workflow));
    let Some((place, room)) = rooms.enumerate().find(|(_, room)| *room > 0) else {
        // Each of them has as much in memory as it may: some of that has to end first.
        return Ok(false);
    };
    let Some(memory) = shared.settings.fetched.try_room() else { return Ok(false) };
    let Some(workflow_id) = turn.remove(place) else { return Ok(false) };
    let limit = room.div_ceil(turn.len() + 1).min(BATCH).min(shared.settings.fetched.fitting());
    let next = backlog.claim(shared, workflow_id, limit).await?;
    let mut claimed = next.claimed;
    if claimed.len() < limit {
        match take_queued(shared, queue, workflow_id, limit - claimed.len()).await {
            Ok(queued) => claimed.extend(queued),
            Err(err) => {
                shared.strand(claimed);
                return Err(err);
            }
        }
    }
    if next.has_more || queue.has(workflow_id) {
        turn.push_back(workflow_id);
    } else if claimed.is_empty() && next.is_contended {
        tokio::time::sleep(PAUSE).await;
    }
    for id in &claimed {
        shared.metrics.execution_waited(shared.ids.since_second_of(*id));
    }
    match pick_up(shared, &claimed, true, versions, memory).await {
        Ok(others) => shared.strand(others),
        Err(err) => {
            shared.strand(claimed);
            return Err(err);
        }
    }
    Ok(true)
}

/// Takes executions of a workflow that NocoBase has queued, at most so many.
async fn take_queued(
    shared: &Shared,
    queue: &mut Queue,
    workflow_id: i64,
    limit: usize,
) -> Result<Vec<i64>, DbErr> {
    let queued = queue.take(shared, workflow_id, limit).await?;
    let claiming = shared.store.claim_queued(shared.owner, workflow_id, &queued, shared.ids.now());
    let claimed = shared.limited(claiming).await;
    if claimed.is_err() {
        // They may be ours all the same: the answer to COMMIT gets lost with the connection.
        shared.strand(queued);
    }
    claimed
}

/// How long the feeder may sleep.
fn until_next_wake(shared: &Shared) -> Duration {
    let now = shared.ids.now().timestamp_millis();
    let interval = if shared.queued.load().is_empty() { IDLE_INTERVAL } else { LOOK_INTERVAL };
    let mut wakes = shared.wakes.lock().unwrap_or_else(PoisonError::into_inner);
    *wakes = wakes.split_off(&(now + 1));
    let until = wakes.first().map(|due_at| Duration::from_millis((due_at - now) as u64));
    until.map_or(interval, |until| until.min(interval))
}
