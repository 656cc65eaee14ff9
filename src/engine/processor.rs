//! Runs one execution: a loop over steps, so that a loop of any length needs a constant stack.
//!
//! What NocoBase does by nested calls (`Processor.ts`) is a [`Step`] at a time here. Of its call stack only
//! what matters later is kept, in `calls`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::execution::STARTED;
use entity::status::job::{ABORTED, ERROR, RESOLVED};
use entity::status::reason;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::journal::{Journal, Owner};
use super::step::{self, Step};
use super::{Engine, Workflow};
use crate::clock::NoIdsLeft;
use crate::expr::{Live, Object, Scope, Template, Thrown, Value};
use crate::node::{Context, Draft, Job, JobId, NodeIndex, Outcome, Run, Services, Settled, Work};
use crate::store::execution::NewExecution;
use crate::store::recorder::RecordError;

/// So many jobs may wait in memory before a run writes those that can change no more.
const JOBS_IN_MEMORY: usize = 1_000;

/// An execution about to run.
pub struct Execution {
    pub id: i64,
    pub workflow: Arc<Workflow>,
    pub context: Value,
    pub expires_at: Option<DateTime<Utc>>,
    /// The row that has yet to be inserted; `None` when the database has it.
    pub unrecorded: Option<NewExecution>,
    /// Whether an earlier run may have left jobs, which this one replaces.
    pub starts_over: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The final status of the execution; 0 when it waits for something.
    pub status: i32,
    /// Whether its time was over.
    pub is_timeout: bool,
    /// What a response node answered: `{statusCode, headers, body}`.
    pub reply: Option<Value>,
}

pub struct Processor {
    pub(super) engine: Arc<Engine>,
    pub(super) execution: Execution,
    pub(super) journal: Journal,
    /// The nodes that have called into a branch and have something left to do: a parallel node has branches
    /// to enter. Where a workflow has nodes of unknown type all such nodes are kept, because the innermost
    /// one is told when an unknown node is reached.
    calls: Vec<Call>,
    pub(super) output: Option<Value>,
    reply: Option<Value>,
    /// The final status, once there is one.
    pub(super) ended: Option<i32>,
    pub(super) reason: Option<&'static str>,
    /// Set when somebody else ends the execution.
    aborted: CancellationToken,
    /// Set when the reserved ids ran out, which ends the run without a trace.
    out_of_ids: bool,
}

struct Call {
    node: NodeIndex,
    /// The branch to enter next, with the job before it, for a node that enters all of its branches.
    next: Option<(usize, JobId)>,
}

impl Processor {
    pub fn new(engine: Arc<Engine>, execution: Execution, aborted: CancellationToken) -> Self {
        Self {
            engine,
            execution,
            journal: Journal::default(),
            calls: Vec::new(),
            output: None,
            reply: None,
            ended: None,
            reason: None,
            aborted,
            out_of_ids: false,
        }
    }

    /// Runs until the execution ends or waits, and records it.
    pub async fn run(mut self) -> Result<Ended, RecordError> {
        let workflow = self.execution.workflow.clone();
        let mut step = match workflow.graph.head() {
            Some(head) => Step::Run { node: head, input: None },
            None if workflow.graph.is_empty() => Step::Finish { status: RESOLVED },
            // Nodes without a first one: NocoBase ends such an execution as an error, without a job.
            None => Step::Finish { status: ERROR },
        };
        let mut steps_since_yield = 0_u32;
        loop {
            step = match step {
                Step::Run { node, input } => self.run_node(node, input).await,
                Step::Resume { node, branch_job } => self.resume_node(node, branch_job).await,
                Step::Finish { status } => {
                    self.journal.flush();
                    self.ended = Some(step::execution_status(status));
                    break;
                }
                Step::Unwind => match self.unwind() {
                    Some(step) => step,
                    None => break,
                },
            };
            if self.out_of_ids {
                return Err(RecordError::Unavailable(NoIdsLeft.to_string()));
            }
            if self.journal.unwritten() > JOBS_IN_MEMORY
                && let Some(ended) = self.record_so_far().await?
            {
                return Ok(ended);
            }
            steps_since_yield += 1;
            if steps_since_yield.is_multiple_of(256) {
                tokio::task::yield_now().await;
            }
        }
        self.end_if_stuck();
        self.record().await?;
        let is_timeout = self.reason == Some(reason::TIMEOUT);
        Ok(Ended { status: self.ended.unwrap_or(STARTED), is_timeout, reply: self.reply })
    }

    async fn run_node(&mut self, node: NodeIndex, input: Option<JobId>) -> Step {
        if let Some(step) = self.stop_before(node) {
            return step;
        }
        let workflow = self.execution.workflow.clone();
        if !workflow.graph.node(node).is_known {
            return self.reject(node).await;
        }
        let runs = &workflow.graph.node(node).run;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        let mut cx = Context::new(self, node, input);
        match until_cut_off(runs.run(&mut cx), &aborted, time_left).await {
            Some(outcome) => self.apply(node, outcome).await,
            None => self.abort(node),
        }
    }

    async fn resume_node(&mut self, node: NodeIndex, branch_job: JobId) -> Step {
        if let Some(step) = self.stop_before(node) {
            return step;
        }
        let workflow = self.execution.workflow.clone();
        let runs = &workflow.graph.node(node).run;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        let mut cx = Context::new(self, node, Some(branch_job));
        match until_cut_off(runs.resume(&mut cx, branch_job), &aborted, time_left).await {
            Some(outcome) => self.apply(node, outcome).await,
            None => self.abort(node),
        }
    }

    async fn apply(&mut self, node: NodeIndex, outcome: Result<Outcome, Thrown>) -> Step {
        let outcome = outcome.unwrap_or_else(|thrown| {
            Outcome::Finished(Draft { status: ERROR, result: thrown.to_result(), ..Draft::default() })
        });
        let graph = &self.execution.workflow.clone().graph;
        match outcome {
            Outcome::Finished(draft) => {
                let status = draft.status;
                let job = self.save(node, draft);
                self.log_job(node, status);
                step::after(graph, node, job, status)
            }
            Outcome::Continue(job) => {
                self.journal.save_again(job);
                let status = self.journal.job(job).status;
                self.log_job(node, status);
                step::after(graph, node, job, status)
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
            Outcome::Background(work) => self.wait_for(node, work).await,
            Outcome::Exit(status) => {
                self.log_job(node, status);
                Step::Finish { status }
            }
        }
    }

    /// Waits for work here and saves what has settled.
    async fn wait_for(&mut self, node: NodeIndex, work: Work) -> Step {
        let Work { interrupted, done, .. } = work;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        let done = done.map(Ok);
        let settled = match (until_cut_off(done, &aborted, time_left).await, interrupted) {
            (Some(settled), _) => settled.unwrap_or_else(|thrown: Thrown| Settled::from(thrown)),
            (None, Some(interrupted)) => interrupted,
            (None, None) => return self.abort(node),
        };
        let Settled { status, result } = settled;
        let job = self.save(node, Draft { status, result, ..Draft::default() });
        self.log_job(node, status);
        step::after(&self.execution.workflow.graph, node, job, status)
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
    async fn reject(&mut self, node: NodeIndex) -> Step {
        let place = self.execution.workflow.graph.node(node);
        let text = format!("instruction [{}] not found for node (#{})", place.type_name, place.id);
        let told = self.calls.pop().map_or(node, |call| call.node);
        self.apply(told, Err(Thrown::error(text))).await
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
    fn abort(&mut self, node: NodeIndex) -> Step {
        if !self.aborted.is_cancelled() {
            self.reason = Some(reason::TIMEOUT);
        }
        self.journal.abort_pending();
        let result = Thrown::error("Workflow execution has been aborted").to_result();
        self.save(node, Draft { status: ABORTED, result, ..Draft::default() });
        self.log_job(node, ABORTED);
        Step::Finish { status: ABORTED }
    }

    fn time_left(&self) -> Option<std::time::Duration> {
        let left = self.execution.expires_at? - self.engine.ids.now();
        Some(left.to_std().unwrap_or_default())
    }

    /// Ends an execution that nothing would ever resume; NocoBase leaves it started for ever.
    fn end_if_stuck(&mut self) {
        if self.ended.is_some() {
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

    fn log_job(&self, node: NodeIndex, status: i32) {
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

impl Run for Processor {
    fn save(&mut self, node: NodeIndex, draft: Draft) -> JobId {
        let place = self.execution.workflow.graph.node(node);
        let owner = Owner { index: node, id: place.id, key: place.key.as_str().into() };
        let id = self.engine.ids.job_id().unwrap_or_else(|NoIdsLeft| {
            self.out_of_ids = true;
            0
        });
        self.journal.save(JobId(id), owner, draft, self.engine.ids.now());
        JobId(id)
    }

    fn save_again(&mut self, job: JobId) {
        self.journal.save_again(job);
    }

    fn job(&self, job: JobId) -> &Job {
        self.journal.job(job)
    }

    fn set_status(&mut self, job: JobId, status: i32) {
        self.journal.set_status(job, status);
    }

    fn set_result(&mut self, job: JobId, result: Value) {
        self.journal.set_result(job, result);
    }

    fn share_result(&mut self, job: JobId, live: Arc<Live>) {
        self.journal.share_result(job, live);
    }

    fn set_meta(&mut self, job: JobId, meta: Value) {
        self.journal.set_meta(job, meta);
    }

    fn newest_job(&self, node: NodeIndex) -> Option<JobId> {
        self.journal.newest(node)
    }

    fn node_by_key(&self, key: &str) -> Option<NodeIndex> {
        self.execution.workflow.graph.find(key)
    }

    fn node_key(&self, node: NodeIndex) -> &str {
        &self.execution.workflow.graph.node(node).key
    }

    fn branches(&self, node: NodeIndex) -> &[(i32, NodeIndex)] {
        &self.execution.workflow.graph.node(node).branches
    }

    fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex> {
        self.execution.workflow.graph.branch_of(node, parent)
    }

    fn set_output(&mut self, output: Value) {
        self.output = Some(output);
    }

    fn reply(&mut self, reply: Value) {
        self.reply = Some(reply);
    }

    fn scope(&self, node: NodeIndex, with_own_scope: bool) -> Result<Scope, Thrown> {
        let graph = &self.execution.workflow.graph;
        let mut scopes = Object::new();
        let nearest = if with_own_scope { Some(node) } else { graph.node(node).parent };
        for index in graph.upwards(nearest) {
            let place = graph.node(index);
            let render = |template: &Template| template.render(&self.scope(index, false)?);
            let result = self.journal.results().get(&place.key).cloned().unwrap_or_default();
            if let Some(offered) = place.run.scope(&render, &result)? {
                scopes.insert(place.id.to_string(), offered.clone());
                scopes.insert(place.key.as_str(), offered);
            }
        }
        Ok(Scope {
            context: self.execution.context.clone(),
            results: self.journal.results().clone(),
            scopes: scopes.into(),
            env: self.engine.environment(),
            system: self.engine.ids.clone(),
        })
    }

    fn loop_limit(&self) -> Option<u64> {
        self.engine.loop_limit
    }

    fn is_sync(&self) -> bool {
        self.execution.workflow.is_sync
    }

    fn effect_key(&self, node: NodeIndex) -> String {
        let key = &self.execution.workflow.graph.node(node).key;
        format!("{}:{key}:{}", self.execution.id, self.journal.runs(node) + 1)
    }

    fn services(&self) -> &Services {
        &self.engine.services
    }
}

/// The outcome of work on a node, an error if it panics; `None` when the execution is cut off before.
async fn until_cut_off<T>(
    work: impl Future<Output = Result<T, Thrown>>,
    aborted: &CancellationToken,
    time_left: Option<std::time::Duration>,
) -> Option<Result<T, Thrown>> {
    tokio::select! {
        biased;
        () = aborted.cancelled() => None,
        () = sleep_or_never(time_left) => None,
        outcome = AssertUnwindSafe(work).catch_unwind() => {
            Some(outcome.unwrap_or_else(|panic| Err(panicked(&*panic))))
        }
    }
}

async fn sleep_or_never(duration: Option<std::time::Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Thrown {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(reason = text, "a node panicked");
    Thrown::error(format!("sidehook has a defect in this node type: {text}"))
}
