//! Runs one execution: a loop over steps, so that a loop of any length needs a constant stack.
//!
//! What NocoBase does by nested calls (`Processor.ts`) is a [`Step`] at a time here. Of its call stack only
//! what matters later is kept, in `calls`. Between two pauses a run is one segment, as in NocoBase.

pub mod cut_off;
mod host;
mod recording;
mod restore;
mod transaction;
mod transactions;
mod waiting;

use std::sync::Arc;

use entity::status::execution::STARTED;
use entity::status::job::{ABORTED, ERROR};
use entity::status::reason;
use tokio_util::sync::CancellationToken;

use self::cut_off::until_cut_off;
use self::transactions::Transactions;
use crate::engine::Engine;
use crate::engine::run::journal::Journal;
use crate::engine::run::position::Call;
use crate::engine::run::step::{self, Step};
use crate::engine::run::waits::{Awakened, Waits};
use crate::engine::run::{Ended, Execution};
use crate::engine::schedule::workers::Worker;
use crate::expr::{Thrown, Value};
use crate::node::{Context, Draft, JobId, NodeIndex, Outcome, Run};
use crate::store::recorder::RecordError;

/// So many jobs may wait in memory before a run writes them.
const JOBS_IN_MEMORY: usize = 1_000;

pub struct Processor {
    pub engine: Arc<Engine>,
    pub execution: Execution,
    /// The right to use the processor's time, while this run of an asynchronous workflow uses it.
    pub worker: Option<Worker>,
    pub journal: Journal,
    pub waits: Waits,
    /// The nodes that have called into a branch and have something left to do: a parallel node has branches
    /// to enter. Where a workflow has nodes of unknown type all such nodes are kept, because the innermost
    /// one is told when an unknown node is reached.
    pub calls: Vec<Call>,
    pub output: Option<Value>,
    pub reply: Option<Value>,
    /// The final status, once there is one.
    pub ended: Option<i32>,
    /// Set when the execution turns out to have been ended by somebody else.
    pub is_ended_elsewhere: bool,
    pub reason: Option<&'static str>,
    /// Set when somebody else ends the execution.
    pub aborted: CancellationToken,
    /// Whether a node is run again for a pending job that an earlier run has left.
    pub is_restarting: bool,
    /// Whether the next record is to remove the jobs of an earlier run.
    pub replaces_jobs: bool,
    /// What nodes write until their jobs are recorded with it.
    pub transactions: Transactions,
    /// What ends this run without a trace, found out where nothing else could be returned.
    pub broken: Option<RecordError>,
}

impl Processor {
    pub fn new(
        engine: Arc<Engine>,
        execution: Execution,
        worker: Option<Worker>,
        aborted: CancellationToken,
    ) -> Self {
        Self {
            engine,
            execution,
            worker,
            journal: Journal::default(),
            waits: Waits::default(),
            calls: Vec::new(),
            output: None,
            reply: None,
            ended: None,
            is_ended_elsewhere: false,
            reason: None,
            aborted,
            is_restarting: false,
            replaces_jobs: false,
            transactions: Transactions::default(),
            broken: None,
        }
    }

    /// Runs until the execution ends, or waits for something that needs no process to remember it.
    pub async fn run(mut self) -> Result<Ended, RecordError> {
        let mut step = self.begin().await?;
        loop {
            if let Some(step) = step {
                self.run_segment(step).await?;
            }
            self.close_scopes().await;
            self.end_if_stuck();
            // A run that only goes on waiting has nothing to write.
            if step.is_some() || self.ended.is_some() {
                self.record_segment().await?;
            }
            if self.ended.is_some() {
                break;
            }
            step = match self.wait().await {
                Awakened::Settled(job, settled) => Some(self.settle(job, &settled)),
                Awakened::Due(job) => Some(self.wake(job)),
                Awakened::CutOff => {
                    self.cut_off();
                    None
                }
                Awakened::Left => {
                    self.record_leaving().await?;
                    break;
                }
            };
        }
        let is_timeout = self.reason == Some(reason::TIMEOUT);
        Ok(Ended { status: self.ended.unwrap_or(STARTED), is_timeout, reply: self.reply })
    }

    /// Runs steps until the execution ends or every branch of it waits.
    async fn run_segment(&mut self, mut step: Step) -> Result<(), RecordError> {
        let mut steps_since_yield = 0_u32;
        loop {
            step = match step {
                Step::Run { node, input } => self.run_node(node, input).await?,
                Step::Resume { node, branch_job } => self.resume_node(node, branch_job).await?,
                Step::Finish { status } => {
                    self.journal.flush();
                    self.ended = Some(step::execution_status(status));
                    return Ok(());
                }
                Step::Unwind => match self.unwind() {
                    Some(step) => step,
                    None => return Ok(()),
                },
            };
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            let may_record = !self.transactions.has_scope() && !matches!(step, Step::Finish { .. });
            if self.journal.unwritten() > JOBS_IN_MEMORY && may_record {
                self.journal.flush_settled();
                self.record_position(step).await?;
            }
            if self.is_ended_elsewhere {
                return Ok(());
            }
            steps_since_yield += 1;
            if steps_since_yield.is_multiple_of(256) {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn run_node(&mut self, node: NodeIndex, input: Option<JobId>) -> Result<Step, RecordError> {
        if let Some(step) = self.stop_before(node) {
            return Ok(step);
        }
        let workflow = self.execution.workflow.clone();
        if !workflow.graph.node(node).is_known {
            return match self.engine.hands_over() {
                true => Ok(self.leave_to_nocobase(node, input)),
                false => self.reject(node).await,
            };
        }
        let runs = &workflow.graph.node(node).run;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        let mut cx = Context::new(self, node, input);
        match until_cut_off(runs.run(&mut cx), &aborted, time_left).await {
            Some(outcome) => self.apply(node, input, outcome).await,
            None => {
                self.roll_back().await;
                Ok(self.abort(node))
            }
        }
    }

    async fn resume_node(&mut self, node: NodeIndex, branch_job: JobId) -> Result<Step, RecordError> {
        if let Some(step) = self.stop_before(node) {
            return Ok(step);
        }
        let workflow = self.execution.workflow.clone();
        let runs = &workflow.graph.node(node).run;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        let mut cx = Context::new(self, node, Some(branch_job));
        match until_cut_off(runs.resume(&mut cx, branch_job), &aborted, time_left).await {
            Some(Err(thrown)) if self.journal.job(branch_job).node == node => {
                Ok(self.fail_job(node, branch_job, &thrown))
            }
            Some(outcome) => self.apply(node, Some(branch_job), outcome).await,
            None => Ok(self.abort(node)),
        }
    }

    /// What a node throws while it resumes its own job becomes the result of that job.
    pub fn fail_job(&mut self, node: NodeIndex, job: JobId, thrown: &Thrown) -> Step {
        self.journal.set_status(job, ERROR);
        self.journal.set_result(job, thrown.to_result());
        self.journal.save_again(job);
        self.log_job(node, ERROR);
        step::after(&self.execution.workflow.graph, node, job, ERROR)
    }

    async fn apply(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        outcome: Result<Outcome, Thrown>,
    ) -> Result<Step, RecordError> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(thrown) => {
                self.roll_back().await;
                Outcome::Finished(Draft { status: ERROR, result: thrown.to_result(), ..Draft::default() })
            }
        };
        let graph = &self.execution.workflow.clone().graph;
        Ok(match outcome {
            Outcome::Finished(draft) => {
                let status = draft.status;
                let job = self.save(node, draft);
                self.log_job(node, status);
                match self.is_to_commit() {
                    true => self.commit(node, job).await?,
                    false => step::after(graph, node, job, status),
                }
            }
            Outcome::Continue(job) => {
                self.journal.save_again(job);
                let status = self.journal.job(job).status;
                self.log_job(node, status);
                match self.is_to_commit() {
                    true => self.commit(node, job).await?,
                    false => step::after(graph, node, job, status),
                }
            }
            Outcome::Enter { branch, input } => {
                if graph.has_unknown() {
                    self.calls.push(Call { node, next: None });
                }
                Step::Run { node: branch, input: Some(input) }
            }
            Outcome::EnterEach { input } => self.enter_next(node, input, 0),
            Outcome::Again(job) => Step::Resume { node, branch_job: job },
            Outcome::Wait => {
                self.journal.flush();
                Step::Unwind
            }
            Outcome::Background(work) if self.waits_for_work() => self.work_here(node, input, work).await?,
            Outcome::Background(work) => self.work_beside(node, work).await?,
            Outcome::Sleep { pending, duration } => self.sleep(node, pending, duration),
            Outcome::Exit(status) => {
                self.log_job(node, status);
                Step::Finish { status }
            }
        })
    }

    /// Enters the branch at a place; the ones after it are left for later.
    fn enter_next(&mut self, node: NodeIndex, input: JobId, place: usize) -> Step {
        let graph = &self.execution.workflow.graph;
        let branches = &graph.node(node).branches;
        let Some((_, branch)) = branches.get(place) else { return Step::Unwind };
        if place + 1 < branches.len() || graph.has_unknown() {
            self.calls.push(Call { node, next: Some((place + 1, input)) });
        }
        Step::Run { node: *branch, input: Some(input) }
    }

    /// Goes on with the innermost parallel node that has branches left.
    fn unwind(&mut self) -> Option<Step> {
        let Call { node, next } = self.calls.pop()?;
        let Some((next, input)) = next else { return Some(Step::Unwind) };
        // NocoBase would start the branch even after the node has settled, when a loop around it went on.
        if !self.journal.is_pending(input) {
            return Some(Step::Unwind);
        }
        let place = self.execution.workflow.graph.node(node);
        let entered = place.branches.get(next - 1);
        let last = entered.and_then(|(_, branch)| self.last_job_of(*branch));
        let goes_on = last.is_some_and(|status| place.run.enters_next(status));
        Some(if goes_on { self.enter_next(node, input, next) } else { Step::Unwind })
    }

    /// Reports a node of an unknown type: to the innermost node that has called into a branch, as in NocoBase,
    /// or as the job of the node itself, where NocoBase leaves the execution started for ever.
    async fn reject(&mut self, node: NodeIndex) -> Result<Step, RecordError> {
        let place = self.execution.workflow.graph.node(node);
        let text = format!("instruction [{}] not found for node (#{})", place.type_name, place.id);
        let told = self.calls.pop().map_or(node, |call| call.node);
        self.apply(told, None, Err(Thrown::error(text))).await
    }

    /// The status of the newest job on the line of a branch, not counting branches within it.
    fn last_job_of(&self, branch: NodeIndex) -> Option<i32> {
        let newest =
            self.execution.workflow.graph.line(branch).filter_map(|node| self.journal.newest(node)).max();
        newest.map(|job| self.journal.job(job).status)
    }

    /// What to do instead of running a node when the execution may not go on.
    fn stop_before(&mut self, node: NodeIndex) -> Option<Step> {
        let is_late = self.time_left().is_some_and(|left| left.is_zero());
        (is_late || self.aborted.is_cancelled()).then(|| self.abort(node))
    }

    /// Ends the run because the execution was cancelled or its time is over.
    pub fn abort(&mut self, node: NodeIndex) -> Step {
        if !self.aborted.is_cancelled() {
            self.reason = Some(reason::TIMEOUT);
        }
        self.journal.abort_pending();
        let result = Thrown::error("Workflow execution has been aborted").to_result();
        self.save(node, Draft { status: ABORTED, result, ..Draft::default() });
        self.log_job(node, ABORTED);
        Step::Finish { status: ABORTED }
    }

    pub fn time_left(&self) -> Option<std::time::Duration> {
        let left = self.execution.expires_at? - self.engine.ids.now();
        Some(left.to_std().unwrap_or_default())
    }

    /// Ends an execution that nothing would ever resume; NocoBase leaves it started for ever.
    fn end_if_stuck(&mut self) {
        if self.ended.is_some() || self.is_ended_elsewhere || !self.waits.is_empty() {
            return;
        }
        let pending = self.journal.newest_pending().map(|job| self.journal.job(job).node);
        if let Some(node) = pending.or_else(|| self.execution.workflow.graph.head()) {
            let result =
                Thrown::error("No branch is left to run and nothing will resume this node").to_result();
            self.save(node, Draft { status: ERROR, result, ..Draft::default() });
            self.log_job(node, ERROR);
        }
        self.journal.flush();
        self.ended = Some(ERROR);
    }

    pub fn log_job(&self, node: NodeIndex, status: i32) {
        let place = self.execution.workflow.graph.node(node);
        tracing::debug!(
            execution.id = self.execution.id,
            node.id = place.id,
            node.r#type = place.type_name,
            job.status = status,
            "node has run"
        );
    }
}
