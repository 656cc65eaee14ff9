//! What an execution waits for: work in the background and times. Waiting uses no worker, and an execution
//! that waits for a time alone does not stay in memory.

use std::time::Duration;

use entity::status::execution::ABORTED;
use entity::status::job::PENDING;
use entity::status::reason;
use entity::{handover, timer};
use futures_util::FutureExt;

use super::Processor;
use super::cut_off::{keep_open, sleep_or_never, until_cut_off};
use crate::engine::run::step::{self, Step};
use crate::engine::run::waits::Awakened;
use crate::engine::watch::handover::HANDOVER_TIMEOUT;
use crate::expr::{Thrown, Value};
use crate::node::{Draft, JobId, NodeIndex, Run, Settled, Work};
use crate::store::recorder::RecordError;

impl Processor {
    /// Does work of a node here and saves what has settled: what a synchronous workflow does.
    pub async fn work_here(
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
    pub fn waits_for_work(&self) -> bool {
        self.is_sync() || self.transactions.has_scope()
    }

    /// Saves a pending job and leaves its work to the background: what an asynchronous workflow does.
    pub async fn work_beside(&mut self, node: NodeIndex, work: Work) -> Result<Step, RecordError> {
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
    pub fn sleep(&mut self, node: NodeIndex, pending: Draft, duration: Duration) -> Step {
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
    pub async fn wait(&mut self) -> Awakened {
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
    pub fn stays(&self) -> bool {
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

    /// Sees what there is as NocoBase does after a pause: as it is in the database.
    fn reread(&mut self) {
        self.journal.reread();
        if let Some(context) = self.execution.context.as_made() {
            self.execution.context = context;
        }
    }

    /// Goes on with a job that work has settled.
    pub fn settle(&mut self, job: JobId, settled: &Settled) -> Step {
        self.reread();
        self.journal.settle(job, settled.status, &settled.result, self.engine.ids.now());
        Step::Resume { node: self.journal.job(job).node, branch_job: job }
    }

    /// Goes on with a job whose time has come.
    pub fn wake(&mut self, job: JobId) -> Step {
        self.reread();
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
    pub fn cut_off(&mut self) {
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
    pub fn new_timers(&mut self) -> Vec<timer::Model> {
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
    pub fn settle_at_once(&mut self, job: JobId, status: i32, result: Value) {
        self.waits.add_work(job, Box::pin(std::future::ready(Settled { status, result })));
    }

    /// Leaves a node to NocoBase, as soon as nothing else of this execution waits here.
    pub fn leave_to_nocobase(&mut self, node: NodeIndex, input: Option<JobId>) -> Step {
        let job = self.save(node, Draft { status: PENDING, upstream: input, ..Draft::default() });
        self.journal.leave_unstarted(job);
        self.journal.flush();
        self.log_job(node, PENDING);
        self.waits.hand_over(job);
        Step::Unwind
    }

    /// What NocoBase is told about this execution, once nothing else of it waits here. With an API it is told
    /// as soon as that is recorded; without one the plugin finds what is due.
    pub fn handovers(&self) -> Vec<handover::Model> {
        let has_api = self.engine.services.nocobase.is_some();
        let timeout = if has_api { HANDOVER_TIMEOUT } else { Duration::ZERO };
        let due_at = (self.engine.ids.now() + timeout).timestamp_millis();
        let row = |job: &JobId| handover::Model {
            job_id: job.0,
            execution_id: self.execution.id,
            node_id: self.execution.workflow.graph.node(self.journal.job(*job).node).id,
            due_at,
            attempts: i32::from(has_api),
        };
        self.waits.to_hand_over().iter().map(row).collect()
    }
}
