//! The workers: the right of asynchronous executions to run, at most a number of them at a time, and of these a share
//! for one workflow. Executions that have none yet wait for one in memory, as far as they will not have to for long, and
//! in the database beyond that, where other instances see them.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// In memory are at most as many executions as the workers run within that time.
const AHEAD: Duration = Duration::from_millis(250);
/// How long a run keeps its worker, as long as nobody knows: most take no longer.
const UNKNOWN: Duration = Duration::from_millis(5);
/// However short their runs are, in memory are at most so many of those that have just been acknowledged: their size counts
/// as that of requests does.
const MOST: usize = 4_000;
/// And at most so many that were fetched.
const MOST_FETCHED: usize = 1_000;

/// The workers, and who waits for one.
pub struct Workers(Arc<Crew>);

struct Crew {
    count: usize,
    state: Mutex<State>,
    /// Told when there is more room.
    freed: Notify,
    /// Told when a worker has nothing to do.
    idle: Notify,
}

#[derive(Default)]
struct State {
    busy: usize,
    present: usize,
    /// Those of them that were fetched.
    fetched: usize,
    workflows: HashMap<i64, Workflow>,
    /// Those of which executions wait, in turn.
    turns: VecDeque<i64>,
    /// How long the runs of a workflow have kept their workers of late.
    spans: HashMap<i64, Duration>,
}

/// What a workflow has in memory.
#[derive(Default)]
struct Workflow {
    busy: usize,
    present: usize,
    fetched: usize,
    waiting: VecDeque<oneshot::Sender<Worker>>,
}

/// A place in memory for an execution, with a worker or on the way to one. Somebody else gets it when this is dropped.
pub struct Place {
    crew: Arc<Crew>,
    workflow_id: i64,
    is_fetched: bool,
}

/// One worker in use. It is free again when this is dropped.
pub struct Worker {
    crew: Arc<Crew>,
    workflow_id: i64,
    since: Instant,
}

impl Workers {
    pub fn new(count: usize) -> Self {
        let (freed, idle) = (Notify::new(), Notify::new());
        Self(Arc::new(Crew { count: count.max(1), state: Mutex::default(), freed, idle }))
    }

    /// A place for an execution that begins, if it will not have to wait long for a worker.
    pub fn try_occupy(&self, workflow_id: i64) -> Option<Place> {
        let mut state = self.0.state();
        let own = state.workflows.get(&workflow_id).map_or(0, |workflow| workflow.present);
        let places = left(MOST, state.present, own);
        (state.room(self.0.count, workflow_id, places) > 0)
            .then(|| self.place(&mut state, workflow_id, false))
    }

    /// A place for an execution that has been fetched.
    pub fn occupy(&self, workflow_id: i64) -> Place {
        self.place(&mut self.0.state(), workflow_id, true)
    }

    fn place(&self, state: &mut State, workflow_id: i64, is_fetched: bool) -> Place {
        let workflow = state.workflows.entry(workflow_id).or_default();
        workflow.present += 1;
        workflow.fetched += usize::from(is_fetched);
        state.present += 1;
        state.fetched += usize::from(is_fetched);
        Place { crew: self.0.clone(), workflow_id, is_fetched }
    }

    /// How many more executions of a workflow may be fetched; none while those that are there, without keeping a worker
    /// busy, are more than that: many are fetched for what a few cost.
    pub fn room(&self, workflow_id: i64) -> usize {
        let state = self.0.state();
        let own = state.workflows.get(&workflow_id);
        let places = left(MOST_FETCHED, state.fetched, own.map_or(0, |own| own.fetched));
        let room = state.room(self.0.count, workflow_id, places);
        let ready = own.map_or(0, |own| own.present.saturating_sub(own.busy));
        if ready > room { 0 } else { room }
    }

    /// A worker, as soon as one is free for the workflow; workflows get them in turn. `None` where nobody gives any
    /// back any more.
    pub async fn enter(&self, workflow_id: i64) -> Option<Worker> {
        let waiting = {
            let mut state = self.0.state();
            if state.employ(self.0.count, workflow_id) {
                return Some(self.0.worker(workflow_id));
            }
            state.queue(workflow_id)
        };
        waiting.await.ok()
    }

    /// How many workers run something, and how many are free.
    pub fn busy_and_free(&self) -> (usize, usize) {
        let busy = self.0.state().busy;
        (busy, self.0.count.saturating_sub(busy))
    }

    /// Waits until a worker is free, and of what has been fetched not more is in memory than may.
    pub async fn any_free(&self) {
        loop {
            let mut idle = pin!(self.0.idle.notified());
            idle.as_mut().enable();
            if self.0.has_free() {
                return;
            }
            idle.await;
        }
    }

    /// Waits until there is more room than before.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Crew {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_free(&self) -> bool {
        let state = self.state();
        state.busy < self.count && state.fetched < MOST_FETCHED
    }

    fn worker(self: &Arc<Self>, workflow_id: i64) -> Worker {
        Worker { crew: self.clone(), workflow_id, since: Instant::now() }
    }
}

/// How many of some workers or places one workflow may use, so that another always finds one.
fn share(count: usize) -> usize {
    count - count / 4
}

/// How many of some places a workflow may still have, when so many have been taken and so many of them are its own.
fn left(most: usize, taken: usize, own: usize) -> usize {
    most.saturating_sub(taken).min(share(most).saturating_sub(own))
}

impl State {
    /// How many more executions of a workflow may be in memory: as many as the workers get done in a time that does not
    /// matter, and at least one for each worker. One that has nothing there gets in whatever others have: its turn comes
    /// next. `places` bounds that.
    fn room(&self, count: usize, workflow_id: i64, places: usize) -> usize {
        let own = self.workflows.get(&workflow_id).map_or(0, |workflow| workflow.present);
        let span = self.span(workflow_id);
        let all: f64 = self.workflows.iter().map(|(id, one)| self.span(*id) * one.present as f64).sum();
        let left = |count: usize, taken: f64| ((count as f64 - taken) / span) as usize;
        let own_part = (count - share(count)).max(1).saturating_sub(own);
        left(count, all).min(left(share(count), span * own as f64)).max(own_part).min(places)
    }

    /// For which part of the time that counts a run of a workflow keeps its worker, above 0 and at most 1.
    fn span(&self, workflow_id: i64) -> f64 {
        let span = self.spans.get(&workflow_id).copied().unwrap_or(UNKNOWN);
        span.as_secs_f64().clamp(1e-6, AHEAD.as_secs_f64()) / AHEAD.as_secs_f64()
    }

    /// Gives a worker to a workflow, if one is free for it and nobody waits for that.
    fn employ(&mut self, count: usize, workflow_id: i64) -> bool {
        let workflow = self.workflows.entry(workflow_id).or_default();
        let is_free = self.busy < count && workflow.busy < share(count) && workflow.waiting.is_empty();
        if is_free {
            workflow.busy += 1;
            self.busy += 1;
        }
        is_free
    }

    fn queue(&mut self, workflow_id: i64) -> oneshot::Receiver<Worker> {
        let (sender, waiting) = oneshot::channel();
        let workflow = self.workflows.entry(workflow_id).or_default();
        workflow.waiting.push_back(sender);
        if workflow.waiting.len() == 1 {
            self.turns.push_back(workflow_id);
        }
        waiting
    }

    /// Gives a worker that is free to whoever waits for it, of the workflow whose turn it is.
    fn next(&mut self, count: usize) -> Option<(i64, oneshot::Sender<Worker>)> {
        for _ in 0..self.turns.len() {
            let id = self.turns.pop_front()?;
            let Some(workflow) = self.workflows.get_mut(&id) else { continue };
            let next = match workflow.busy < share(count) {
                true => std::iter::from_fn(|| workflow.waiting.pop_front()).find(|next| !next.is_closed()),
                false => None,
            };
            if !workflow.waiting.is_empty() {
                self.turns.push_back(id);
            }
            if let Some(next) = next {
                workflow.busy += 1;
                self.busy += 1;
                return Some((id, next));
            }
            self.forget_idle(id);
        }
        None
    }

    fn forget_idle(&mut self, workflow_id: i64) {
        let is_idle = |one: &Workflow| one.busy == 0 && one.present == 0 && one.waiting.is_empty();
        if self.workflows.get(&workflow_id).is_some_and(is_idle) {
            self.workflows.remove(&workflow_id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.crew.state();
        state.present -= 1;
        state.fetched -= usize::from(self.is_fetched);
        if let Some(workflow) = state.workflows.get_mut(&self.workflow_id) {
            workflow.present -= 1;
            workflow.fetched -= usize::from(self.is_fetched);
        }
        state.forget_idle(self.workflow_id);
        drop(state);
        self.crew.freed.notify_one();
        self.crew.idle.notify_waiters();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut state = self.crew.state();
        let took = self.since.elapsed();
        // The latest runs count most.
        let span = state.spans.entry(self.workflow_id).or_insert(took);
        *span = (*span * 7 + took) / 8;
        state.busy -= 1;
        if let Some(workflow) = state.workflows.get_mut(&self.workflow_id) {
            workflow.busy -= 1;
        }
        let next = state.next(self.crew.count);
        state.forget_idle(self.workflow_id);
        drop(state);
        match next {
            // Whoever has gone meanwhile gives it back.
            Some((workflow_id, waiting)) => drop(waiting.send(self.crew.worker(workflow_id))),
            None => {
                self.crew.freed.notify_one();
                self.crew.idle.notify_waiters();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Lets the runs of a workflow take so long, as far as is known.
    fn taking(workers: &Workers, workflow_id: i64, span: Duration) {
        workers.0.state().spans.insert(workflow_id, span);
    }

    #[tokio::test]
    async fn one_workflow_leaves_a_worker_to_others() {
        let workers = Workers::new(4);
        let mut busy = Vec::new();
        for _ in 0..3 {
            busy.push(workers.enter(1).now_or_never().flatten().expect("a worker"));
        }
        let mut fourth = pin!(workers.enter(1));
        assert!(fourth.as_mut().now_or_never().is_none());
        let other = workers.enter(2).now_or_never().flatten().expect("a worker for another one");
        assert_eq!(workers.busy_and_free(), (4, 0));
        drop(other);
        assert!(fourth.as_mut().now_or_never().is_none(), "its share is used up");
        busy.pop();
        assert!(fourth.now_or_never().flatten().is_some());
        drop(busy);
        assert_eq!(workers.busy_and_free(), (0, 4));
        assert!(workers.0.state().workflows.is_empty());
    }

    #[tokio::test]
    async fn workflows_get_workers_in_turn() {
        let workers = Workers::new(1);
        let first = workers.enter(1).await.expect("a worker");
        let mut waiting: Vec<_> =
            [1, 1, 1, 2, 3].map(|id| (id, Box::pin(workers.enter(id)))).into_iter().collect();
        for (_, one) in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        // Somebody who has gone is passed over.
        drop(waiting.remove(0));
        let (mut order, mut worker) = (Vec::new(), Some(first));
        while worker.take().is_some() {
            for place in 0..waiting.len() {
                if let Some(next) = waiting[place].1.as_mut().now_or_never() {
                    order.push(waiting.remove(place).0);
                    worker = next;
                    break;
                }
            }
        }
        assert_eq!(order, [1, 2, 3, 1]);
        assert_eq!(workers.busy_and_free(), (0, 1));
    }

    #[tokio::test]
    async fn in_memory_is_what_the_workers_get_done_soon() {
        let workers = Workers::new(4);
        assert_eq!(workers.room(1), 150);
        taking(&workers, 1, Duration::from_secs(9));
        assert_eq!(workers.room(1), 3, "one for each worker of its share");
        taking(&workers, 1, AHEAD / 10);
        assert_eq!(workers.room(1), 30);
        taking(&workers, 1, Duration::from_micros(1));
        assert_eq!(workers.room(1), 750, "not more than fit into memory");
        let new: Vec<Place> = (0..9_000).map_while(|_| workers.try_occupy(1)).collect();
        assert_eq!((new.len(), workers.room(1)), (3_000, 0), "there is enough to do");
        assert_eq!(workers.room(2), 150, "they are done soon");
        drop(new);
        let fetched: Vec<Place> = (0..750).map(|_| workers.occupy(1)).collect();
        assert_eq!(workers.room(1), 0);
        assert_eq!(workers.room(2), 150, "they are done soon");
        taking(&workers, 1, AHEAD);
        assert_eq!(workers.room(2), 1, "they are not, but the next turn is its own");
        drop(fetched);
        assert_eq!(workers.room(2), 150);
    }

    #[tokio::test]
    async fn many_are_fetched_at_a_time() {
        let workers = Workers::new(4);
        let mut places: Vec<Place> = (0..76).map(|_| workers.occupy(1)).collect();
        assert_eq!(workers.room(1), 0, "more than half of them are there");
        places.pop();
        assert_eq!(workers.room(1), 75);
        drop(places);
        assert!(workers.0.state().workflows.is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_for_a_free_worker_is_told() {
        let workers = Workers::new(1);
        workers.any_free().await;
        let worker = workers.enter(1).await;
        let mut free = pin!(workers.any_free());
        assert!(free.as_mut().now_or_never().is_none());
        drop(worker);
        free.await;
    }
}
