//! Runs asynchronous executions, so many at a time. What finds no free worker waits in the database and is
//! taken from there: workflow by workflow in turn, of each the oldest first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::status::execution::{ERROR, STARTED};
use entity::{execution, lease};
use sea_orm::DbErr;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::processor::{Ended, Execution, Left, Processor, Start};
use super::running::Registration;
use super::{Engine, Workflow};
use crate::expr::json;
use crate::store::execution::ExecutionUpdate;
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// How often the database is asked for work when nobody has announced any; another instance that stopped
/// may have left some.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// At most so many waiting executions are fetched at a time.
const BATCH: usize = 64;

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

    /// Takes over which workflows have waiting executions; those that are new come first.
    fn update(&mut self, workflows: &[i64]) {
        self.workflows.retain(|known| workflows.contains(known));
        for workflow in workflows {
            if !self.workflows.contains(workflow) {
                self.workflows.push_front(*workflow);
            }
        }
        self.asked_at = Some(Instant::now());
    }
}

/// The workers: the right of asynchronous executions to run.
pub struct Workers {
    free: Arc<Semaphore>,
    /// How many workers each workflow uses.
    busy: Arc<Mutex<HashMap<i64, usize>>>,
    /// How many of them one workflow may use, so that another always finds one.
    share: usize,
    /// Told when a worker is free again.
    freed: Arc<Notify>,
}

/// One worker in use. It is free again when this is dropped.
pub struct Worker {
    _permit: OwnedSemaphorePermit,
    workflow_id: i64,
    busy: Arc<Mutex<HashMap<i64, usize>>>,
    freed: Arc<Notify>,
}

impl Workers {
    pub fn new(count: usize) -> Self {
        let count = count.max(1);
        let (busy, freed) = (Arc::default(), Arc::default());
        Self { free: Arc::new(Semaphore::new(count)), busy, share: count - count / 4, freed }
    }

    /// A worker for an execution that begins; `None` when none is free for its workflow.
    pub fn try_enter(&self, workflow_id: i64) -> Option<Worker> {
        (self.share_left(workflow_id) > 0)
            .then(|| self.free.clone().try_acquire_owned().ok())?
            .map(|permit| self.employ(permit, workflow_id))
    }

    /// A worker for an execution that goes on, as soon as one is free.
    pub async fn enter(&self, workflow_id: i64) -> Option<Worker> {
        let permit = self.free.clone().acquire_owned().await.ok()?;
        Some(self.employ(permit, workflow_id))
    }

    fn employ(&self, permit: OwnedSemaphorePermit, workflow_id: i64) -> Worker {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner).entry(workflow_id).or_default() += 1;
        Worker { _permit: permit, workflow_id, busy: self.busy.clone(), freed: self.freed.clone() }
    }

    /// How many more workers a workflow may use.
    fn share_left(&self, workflow_id: i64) -> usize {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        self.share.saturating_sub(busy.get(&workflow_id).copied().unwrap_or_default())
    }

    /// Waits until a worker is free; returns how many are.
    pub(super) async fn any_free(&self) -> usize {
        // The permit goes back at once: whose worker it becomes is decided by what is waiting.
        let permit = self.free.acquire().await;
        drop(permit);
        self.free.available_permits()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.workflow_id) {
            *count -= 1;
            if *count == 0 {
                busy.remove(&self.workflow_id);
            }
        }
        self.freed.notify_one();
    }
}

impl Engine {
    pub(super) fn spawn_run(
        self: &Arc<Self>,
        execution: Execution,
        registration: Registration,
        worker: Option<Worker>,
    ) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let worker = match worker {
                Some(worker) => Some(worker),
                None => engine.workers.enter(execution.workflow.id).await,
            };
            // Errors have been logged and dealt with.
            let _ = engine.run_registered(execution, worker, registration).await;
        });
    }

    /// Runs an execution. One that has been recorded and whose run could not be is run again later.
    pub(super) async fn run_registered(
        self: &Arc<Self>,
        execution: Execution,
        worker: Option<Worker>,
        registration: Registration,
    ) -> Result<Ended, RecordError> {
        let id = execution.id;
        let processor = Processor::new(self.clone(), execution, worker, registration.aborted.clone());
        let outcome = processor.run().await;
        match &outcome {
            Ok(ended) => {
                tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
            }
            Err(RecordError::Fenced) => {
                tracing::warn!(execution.id = id, "another instance runs this execution now");
            }
            Err(err) if registration.has_row() => {
                tracing::warn!(execution.id = id, reason = %err, "execution is going to be run again");
                self.strand(vec![id]);
            }
            Err(err) => {
                tracing::warn!(execution.id = id, reason = %err, "execution could not be recorded");
                // Unless the database took it and only its answer got lost.
                if matches!(err, RecordError::Unavailable(_)) {
                    self.strand(vec![id]);
                }
            }
        }
        outcome
    }

    /// Gives waiting executions to workers as those become free and as their times come.
    pub(super) async fn feed_workers(self: Arc<Self>) {
        let mut turns = Turns::default();
        while !self.is_stopping() {
            let free = self.stopping.run_until_cancelled(self.workers.any_free()).await;
            let Some(free) = free else { return };
            match self.take_waiting(&mut turns, free.min(BATCH)).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(err) => {
                    self.has_backlog.store(true, Ordering::Release);
                    tracing::warn!(reason = %err, "waiting executions could not be fetched");
                }
            }
            let has_backlog = self.has_backlog.load(Ordering::Acquire);
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = tokio::time::sleep(self.until_next_wake()) => {}
                () = self.backlog_grew.notified() => {}
                () = self.workers.freed.notified(), if has_backlog => {}
            }
        }
    }

    /// Takes waiting executions of the workflow whose turn it is, at most as many as there are free workers;
    /// `false` when nothing more can be taken now. `turns` has the workflows that have some.
    async fn take_waiting(self: &Arc<Self>, turns: &mut Turns, free: usize) -> Result<bool, DbErr> {
        let now = self.ids.now();
        if turns.is_outdated() {
            self.has_backlog.store(false, Ordering::Release);
            turns.update(&self.store.workflows_with_backlog(now).await?);
            self.has_backlog.store(!turns.workflows.is_empty(), Ordering::Release);
        }
        let turn = &mut turns.workflows;
        let Some(place) = turn.iter().position(|workflow| self.workers.share_left(*workflow) > 0) else {
            // Each of them uses all the workers that it may: one of those has to end first.
            turn.clear();
            return Ok(false);
        };
        let Some(workflow_id) = turn.remove(place) else { return Ok(false) };
        let limit = self.workers.share_left(workflow_id).min(free.div_ceil(turn.len() + 1));
        let waiting = self.store.waiting_executions(workflow_id, limit as u64, now).await?;
        let claimed = match self.store.claim_waiting(self.owner, &waiting, now).await {
            Ok(claimed) => claimed,
            Err(err) => {
                // They may be ours all the same: the answer to COMMIT gets lost with the connection.
                self.strand(waiting);
                return Err(err);
            }
        };
        if claimed.len() == limit {
            turn.push_back(workflow_id);
        }
        if let Err(err) = self.pick_up(&claimed, true).await {
            self.strand(claimed);
            return Err(err);
        }
        Ok(true)
    }

    /// How long the feeder may sleep.
    fn until_next_wake(&self) -> Duration {
        let now = self.ids.now().timestamp_millis();
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        *wakes = wakes.split_off(&(now + 1));
        let until = wakes.first().map(|due_at| Duration::from_millis((due_at - now) as u64));
        until.map_or(POLL_INTERVAL, |until| until.min(POLL_INTERVAL))
    }

    /// Sees to it that what is due then is not left to the next regular look.
    pub(super) fn wake_at(&self, due_at: i64) {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner).insert(due_at);
    }

    /// Runs those of the executions whose leases are this instance's and which it does not run yet, from where
    /// they stand. `is_first_run` says that those without a place to go on from have not left any jobs. After an
    /// error none of them has been started.
    pub(super) async fn pick_up(self: &Arc<Self>, ids: &[i64], is_first_run: bool) -> Result<(), DbErr> {
        let register = |id: &i64| Some((*id, self.running.try_register(*id)?));
        let mut registrations: HashMap<i64, Registration> = ids.iter().filter_map(register).collect();
        // The run that has given one of them away may be about to end.
        let is_busy = |id: &i64| !registrations.contains_key(id);
        self.strand(ids.iter().copied().filter(is_busy).collect());
        let mut leases = self.own_leases(&registrations.keys().copied().collect::<Vec<_>>()).await?;
        let mut idle: HashSet<i64> = leases.keys().copied().collect();
        let mut workflows: HashMap<i64, Option<Arc<Workflow>>> = HashMap::new();
        let mut runnable = Vec::new();
        let mut over = Vec::new();
        for row in self.store.find_executions(&idle.iter().copied().collect::<Vec<_>>()).await? {
            if row.status != Some(STARTED) {
                over.push(row.id);
                continue;
            }
            let workflow_id = row.workflow_id.unwrap_or_default();
            let workflow = match workflows.get(&workflow_id) {
                Some(known) => known.clone(),
                None => self.workflow(workflow_id).await?,
            };
            workflows.insert(workflow_id, workflow.clone());
            let Some(workflow) = workflow else {
                if !self.give_up(row.id).await {
                    idle.remove(&row.id);
                    self.strand(vec![row.id]);
                }
                continue;
            };
            let start = match leases.remove(&row.id).and_then(|lease| lease.position) {
                Some(position) => Start::At(self.left_of(row.id, position).await?),
                None if is_first_run => Start::Fresh,
                None => Start::Over,
            };
            let expires_at = self.expiry_of(&row, &workflow).await?;
            idle.remove(&row.id);
            runnable.push((row, workflow, start, expires_at));
        }
        self.store.end_waits(&idle.into_iter().collect::<Vec<_>>(), &over).await?;
        for (row, workflow, start, expires_at) in runnable {
            let Some(registration) = registrations.remove(&row.id) else { continue };
            let context = row.context.as_ref().map_or("null", |text| &text.0);
            let context = json::parse(context.as_bytes()).unwrap_or_default();
            let (id, is_awaited) = (row.id, false);
            let worker = self.workers.try_enter(workflow.id);
            let execution =
                Execution { id, workflow, context, expires_at, unrecorded: None, start, is_awaited };
            self.spawn_run(execution, registration, worker);
        }
        Ok(())
    }

    /// Those leases of some executions that belong to this instance, by execution.
    async fn own_leases(&self, executions: &[i64]) -> Result<HashMap<i64, lease::Model>, DbErr> {
        let leases = self.store.find_leases(executions).await?;
        let is_own = |lease: &lease::Model| {
            (lease.instance_id, lease.generation) == (Some(self.owner.number), Some(self.owner.generation))
        };
        Ok(leases.into_iter().filter(is_own).map(|lease| (lease.execution_id, lease)).collect())
    }

    async fn left_of(&self, execution_id: i64, position: String) -> Result<Left, DbErr> {
        let jobs = self.store.newest_jobs(execution_id).await?;
        Ok(Left { position, jobs, timers: self.store.find_timers(execution_id).await? })
    }

    /// Ends an execution whose workflow has been deleted; `false` when that could not be recorded.
    async fn give_up(&self, id: i64) -> bool {
        let update = ExecutionUpdate { status: Some(ERROR), ..ExecutionUpdate::default() };
        let lease = LeaseChange::Release;
        let record = Record { execution_id: id, update: Some(update), lease, ..Record::default() };
        let written = self.recorder.write(record).await;
        if let Err(err) = &written {
            tracing::warn!(execution.id = id, reason = %err, "an execution without a workflow could not be ended");
        }
        written.is_ok()
    }

    async fn workflow(&self, id: i64) -> Result<Option<Arc<Workflow>>, DbErr> {
        let definition = self.store.find_definition(id).await?;
        if definition.is_none() {
            tracing::warn!(workflow.id = id, "the workflow of waiting executions has been deleted");
        }
        Ok(definition.map(|definition| Arc::new(Workflow::build(&definition))))
    }

    /// When an execution has to be over; recorded now, where it has only just been started.
    async fn expiry_of(
        &self,
        row: &execution::Model,
        workflow: &Workflow,
    ) -> Result<Option<DateTime<Utc>>, DbErr> {
        if let Some(recorded) = row.expires_at {
            return Ok(Some(self.store.codec.read_time(recorded)));
        }
        let Some(expires_at) = self.expires_at(workflow) else { return Ok(None) };
        self.store.set_expiry(row.id, expires_at).await?;
        Ok(Some(expires_at))
    }
}
