//! What an execution waits for: work in the background and times. Waiting uses no worker, and an execution
//! that waits for a time alone does not stay in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use entity::status::execution::ABORTED;
use entity::status::reason;
use entity::timer;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::processor::{Processor, sleep_or_never, until_cut_off};
use super::step::{self, Step};
use super::transaction::keep_open;
use crate::expr::{Thrown, Value};
use crate::node::{Draft, JobId, NodeIndex, Run, Settled, Work};
use crate::store::recorder::RecordError;

/// The pending jobs that something is going to settle.
#[derive(Default)]
pub struct Waits {
    works: JoinSet<(JobId, Settled)>,
    /// Work that begins when all that is known so far is recorded.
    unstarted: Vec<(JobId, BoxFuture<'static, Settled>)>,
    timers: BTreeMap<JobId, Timer>,
    /// Pending jobs that NocoBase is to run when nothing else waits here.
    to_hand_over: Vec<JobId>,
    /// Timers that are over and still have their rows.
    over: Vec<JobId>,
    /// Whether the execution was to stay in memory when it was last recorded.
    pub is_resident: bool,
    /// One of the places for executions that wait for work without a worker.
    place: Option<OwnedSemaphorePermit>,
}

struct Timer {
    /// In milliseconds since 1970.
    due_at: i64,
    is_recorded: bool,
}

/// What a waiting execution goes on with.
pub enum Awakened {
    /// Work has settled a job.
    Settled(JobId, Settled),
    /// The time of a job has come.
    Due(JobId),
    /// The execution was aborted, or its time is over.
    CutOff,
    /// There is nothing to stay in memory for.
    Left,
}

impl Waits {
    pub fn is_empty(&self) -> bool {
        !self.has_work() && self.timers.is_empty() && self.to_hand_over.is_empty()
    }

    /// Whether all that is left is NocoBase's.
    pub fn is_handing_over(&self) -> bool {
        !self.has_work() && self.timers.is_empty() && !self.to_hand_over.is_empty()
    }

    pub fn hand_over(&mut self, job: JobId) {
        self.to_hand_over.push(job);
    }

    pub fn to_hand_over(&self) -> &[JobId] {
        &self.to_hand_over
    }

    fn has_work(&self) -> bool {
        !self.works.is_empty() || !self.unstarted.is_empty()
    }

    pub fn add_work(&mut self, job: JobId, done: BoxFuture<'static, Settled>) {
        self.unstarted.push((job, done));
    }

    pub fn add_timer(&mut self, job: JobId, due_at: i64, is_recorded: bool) {
        self.timers.insert(job, Timer { due_at, is_recorded });
    }

    pub fn has_timer(&self, job: JobId) -> bool {
        self.timers.contains_key(&job)
    }

    /// The timer that is due first.
    fn first(&self) -> Option<(JobId, i64)> {
        let first = self.timers.iter().min_by_key(|(job, timer)| (timer.due_at, **job))?;
        Some((*first.0, first.1.due_at))
    }

    /// When the first timer is due, in milliseconds since 1970.
    pub fn first_due(&self) -> Option<i64> {
        self.first().map(|(_, due_at)| due_at)
    }

    /// Starts what has been recorded.
    pub fn start_works(&mut self) {
        for (job, done) in self.unstarted.drain(..) {
            self.works.spawn(async move {
                let settled = std::panic::AssertUnwindSafe(done).catch_unwind().await;
                let settled = settled.unwrap_or_else(|panic| super::processor::panicked(&*panic).into());
                (job, settled)
            });
        }
    }

    /// The jobs of timers that have yet to be recorded.
    pub fn take_new_timers(&mut self) -> Vec<(JobId, i64)> {
        let new = self.timers.iter_mut().filter(|(_, timer)| !timer.is_recorded);
        new.map(|(job, timer)| {
            timer.is_recorded = true;
            (*job, timer.due_at)
        })
        .collect()
    }

    /// The jobs whose recorded timers are over.
    pub fn take_over(&mut self) -> Vec<JobId> {
        std::mem::take(&mut self.over)
    }

    fn remove_timer(&mut self, job: JobId) {
        if self.timers.remove(&job).is_some_and(|timer| timer.is_recorded) {
            self.over.push(job);
        }
    }

    /// Waits for nothing any more.
    pub fn clear(&mut self) {
        self.works.abort_all();
        self.unstarted.clear();
        self.to_hand_over.clear();
        let jobs: Vec<JobId> = self.timers.keys().copied().collect();
        jobs.into_iter().for_each(|job| self.remove_timer(job));
    }
}

impl Processor {
    /// Does work of a node here and saves what has settled: what a synchronous workflow does.
    pub(super) async fn work_here(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        work: Work,
    ) -> Result<Step, RecordError> {
        let workflow = self.execution.workflow.clone();
        let has_effects = workflow.graph.node(node).has_outside_effects && !self.transactions.has_scope();
        if has_effects {
            self.record_position(Step::Run { node, input }).await?;
            if self.is_ended_elsewhere {
                return Ok(Step::Unwind);
            }
        }
        let Work { interrupted, done, .. } = work;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        let done = keep_open(self.transactions.scope(), done).map(Ok);
        let settled = match (until_cut_off(done, &aborted, time_left).await, interrupted) {
            (Some(settled), _) => settled.unwrap_or_else(|thrown: Thrown| Settled::from(thrown)),
            (None, Some(interrupted)) => interrupted,
            (None, None) => return Ok(self.abort(node)),
        };
        let Settled { status, result } = settled;
        let job = self.save(node, Draft { status, result, ..Draft::default() });
        self.log_job(node, status);
        if self.is_cut_off() {
            return Ok(self.end_aborted());
        }
        let next = step::after(&workflow.graph, node, job, status);
        if has_effects && !matches!(next, Step::Finish { .. }) {
            self.record_position(next).await?;
        }
        Ok(next)
    }

    /// Whether work is awaited on the spot: in synchronous workflows, and within transaction nodes.
    pub(super) fn waits_for_work(&self) -> bool {
        self.is_sync() || self.transactions.has_scope()
    }

    /// Saves a pending job and leaves its work to the background: what an asynchronous workflow does.
    pub(super) async fn work_beside(&mut self, node: NodeIndex, work: Work) -> Result<Step, RecordError> {
        let job = self.save(node, work.pending);
        self.journal.flush();
        self.waits.add_work(job, work.done);
        // Other branches may take long; without any the end of this segment is at hand.
        if !self.calls.is_empty() {
            self.record_position(Step::Unwind).await?;
            if !self.is_ended_elsewhere {
                self.waits.start_works();
            }
        }
        Ok(Step::Unwind)
    }

    /// Saves a pending job that waits for a time.
    pub(super) fn sleep(&mut self, node: NodeIndex, pending: Draft, duration: Duration) -> Step {
        let now = self.engine.ids.now().timestamp_millis();
        let due_at = now.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        let job = self.save(node, pending);
        if !self.engine.shows_delays() {
            self.journal.hide(job);
        }
        self.journal.flush();
        self.waits.add_timer(job, due_at, false);
        Step::Unwind
    }

    /// Waits until something happens. What is known so far has been recorded.
    pub(super) async fn wait(&mut self) -> Awakened {
        self.waits.start_works();
        // Its lease is nobody's: whoever takes it goes on, even when the time has come while it was written.
        if !self.waits.is_resident {
            return Awakened::Left;
        }
        if let Some(awakened) = self.awakened_already() {
            return awakened;
        }
        if !self.stays() {
            return Awakened::Left;
        }
        // So many executions wait beside the workers, further ones wait in place of a worker.
        self.waits.place = self.engine.waiting_places.clone().try_acquire_owned().ok();
        if self.waits.place.is_some() {
            self.worker = None;
        }
        let awakened = self.next_event().await;
        self.waits.place = None;
        if self.worker.is_none() && !self.is_sync() && !matches!(awakened, Awakened::Left) {
            self.worker = self.engine.workers.enter(self.execution.workflow.id).await;
        }
        awakened
    }

    /// Whether the execution stays in memory while it waits.
    pub(super) fn stays(&self) -> bool {
        let Some(due_at) = self.waits.first_due() else { return !self.waits.is_handing_over() };
        let horizon = self.engine.ids.now() + self.engine.sync_timeout;
        let is_awaited = self.execution.is_awaited && due_at < horizon.timestamp_millis();
        self.waits.has_work() || (is_awaited && !self.engine.is_stopping())
    }

    fn awakened_already(&mut self) -> Option<Awakened> {
        if self.is_cut_off() {
            return Some(Awakened::CutOff);
        }
        let (job, due_at) = self.waits.first()?;
        (due_at <= self.engine.ids.now().timestamp_millis()).then(|| {
            self.waits.remove_timer(job);
            Awakened::Due(job)
        })
    }

    async fn next_event(&mut self) -> Awakened {
        let (aborted, stopping) = (self.aborted.clone(), self.engine.stopping.clone());
        let time_left = self.time_left();
        let first = self.waits.first();
        let now = self.engine.ids.now().timestamp_millis();
        let until_due =
            first.map(|(_, due_at)| Duration::from_millis(due_at.saturating_sub(now).max(0) as u64));
        let has_work = !self.waits.works.is_empty();
        let awakened = tokio::select! {
            biased;
            () = aborted.cancelled() => return Awakened::CutOff,
            () = sleep_or_never(time_left) => return Awakened::CutOff,
            done = self.waits.works.join_next(), if has_work => done,
            () = sleep_or_never(until_due) => None,
            () = stopping.cancelled(), if !has_work => return Awakened::Left,
        };
        match (awakened, first) {
            (Some(Ok((job, settled))), _) => Awakened::Settled(job, settled),
            (None, Some((job, _))) => {
                self.waits.remove_timer(job);
                Awakened::Due(job)
            }
            // A task that was cancelled: its execution is over.
            (Some(Err(_)) | None, _) => Awakened::CutOff,
        }
    }

    /// Goes on with a job that work has settled.
    pub(super) fn settle(&mut self, job: JobId, settled: &Settled) -> Step {
        self.journal.reread();
        self.journal.settle(job, settled.status, &settled.result, self.engine.ids.now());
        Step::Resume { node: self.journal.job(job).node, branch_job: job }
    }

    /// Goes on with a job whose time has come.
    pub(super) fn wake(&mut self, job: JobId) -> Step {
        self.journal.reread();
        // One that was replaced by a newer one of its node before this run took over is not followed any more.
        if !self.journal.is_pending(job) {
            return Step::Unwind;
        }
        Step::Resume { node: self.journal.job(job).node, branch_job: job }
    }

    fn is_cut_off(&self) -> bool {
        self.aborted.is_cancelled() || self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Ends a waiting execution that was aborted or whose time is over.
    pub(super) fn cut_off(&mut self) {
        self.end_aborted();
        self.journal.flush();
        self.ended = Some(ABORTED);
    }

    fn end_aborted(&mut self) -> Step {
        if !self.aborted.is_cancelled() {
            self.reason = Some(reason::TIMEOUT);
        }
        self.waits.clear();
        self.journal.abort_pending();
        Step::Finish { status: ABORTED }
    }

    /// The timers that have yet to be recorded, as rows.
    pub(super) fn new_timers(&mut self) -> Vec<timer::Model> {
        let shows = self.engine.shows_delays();
        let new = self.waits.take_new_timers();
        let row = |(job, due_at): (JobId, i64)| {
            let hidden = self.journal.hidden(job)?;
            Some(timer::Model {
                job_id: job.0,
                execution_id: self.execution.id,
                node_id: hidden.node_id,
                node_key: hidden.node_key.to_string(),
                upstream_id: hidden.upstream.map(|upstream| upstream.0),
                result: hidden.result,
                created_at: hidden.saved_at.timestamp_millis(),
                due_at,
                is_visible: shows,
            })
        };
        new.into_iter().filter_map(row).collect()
    }

    /// Makes sure that a job still waits for something, after an earlier run has left it pending.
    pub(super) fn settle_at_once(&mut self, job: JobId, status: i32, result: Value) {
        self.waits.add_work(job, Box::pin(std::future::ready(Settled { status, result })));
    }
}
