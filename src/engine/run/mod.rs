//! One run of an execution, as a state machine: [`Run::advance`] takes what has happened and says what is to be done
//! next. It reaches nothing outside of itself: time, ids and the state of the world come in with the events.
//!
//! What NocoBase does by nested calls (`Processor.ts`) is a [`Step`] at a time here, so that a loop of any length
//! needs a constant stack. Between two pauses a run is one segment, as in NocoBase.

mod branch;
mod ended;
pub mod event;
pub mod graph;
pub mod journal;
pub mod position;
pub mod record;
pub mod request;
pub mod restore;
pub mod rows;
pub mod step;
pub mod waits;
pub mod workflow;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::execution::{ERROR as EXECUTION_ERROR, STARTED};
use entity::status::job::{ABORTED, ERROR, RESOLVED};
use entity::status::reason;

pub use self::ended::Ended;

use self::event::{Cut, Effect, Event, How, Moment, What};
use self::journal::Journal;
use self::position::{Call, Position};
use self::request::Request;
use self::restore::Start;
use self::rows::Place;
use self::step::Step;
use self::waits::Waits;
use self::workflow::Workflow;
use crate::expr::{Object, Scope, Template, Thrown, Value};
use crate::node::{Draft, JobId, NodeIndex, Settled, Work};
use crate::store::execution::NewExecution;

/// At most about so many jobs wait in memory before a run writes them.
const JOBS_IN_MEMORY: usize = 1_000;

/// What NocoBase says of jobs that wait within a transaction node (`Processor.ts`).
const PENDING_INSIDE: &str = "Pending jobs are not allowed inside an open transaction scope";

/// A run; it begins with [`Event::Begin`].
pub struct Run {
    pub id: i64,
    pub workflow: Arc<Workflow>,
    pub context: Value,
    /// The row that has yet to be inserted.
    pub unrecorded: Option<NewExecution>,
    /// Whether the next record is to remove the jobs of an earlier run.
    pub replaces_jobs: bool,
    pub journal: Journal,
    pub waits: Waits,
    /// The nodes that have called into a branch and have something left to do: a parallel node has branches
    /// to enter. Where a workflow has nodes of unknown type all such nodes are kept, because the innermost
    /// one is told when an unknown node is reached.
    calls: Vec<Call>,
    /// What comes next; nothing when all branches wait or the execution has ended.
    next: Option<Step>,
    /// Work of a node that begins as soon as the place before it is recorded.
    kept: Option<(NodeIndex, Work)>,
    /// Pending jobs of an earlier run whose nodes are run again, the last one first.
    restarts: Vec<(JobId, NodeIndex)>,
    /// Whether the place is recorded before anything else happens.
    must_record: bool,
    /// When so many jobs wait in memory they are recorded.
    record_at: usize,
    stage: Stage,
    pub output: Option<Value>,
    pub reply: Option<Value>,
    /// The final status, once there is one.
    pub ended: Option<i32>,
    /// Set when the execution turns out to have been ended by somebody else.
    pub is_ended_elsewhere: bool,
    pub reason: Option<&'static str>,
    /// What the request log is told with the records.
    pub request: Option<Arc<Request>>,
}

/// How far a segment is.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Nothing has happened since the execution was recorded as waiting.
    Idle,
    Running,
    /// Its end is recorded.
    Recorded,
    /// There is nothing left to do.
    Over,
}

impl Run {
    /// `unrecorded` is the row of the execution that has yet to be inserted.
    pub fn new(id: i64, workflow: Arc<Workflow>, context: Value, unrecorded: Option<NewExecution>) -> Self {
        Self {
            id,
            workflow,
            context,
            unrecorded,
            replaces_jobs: false,
            journal: Journal::default(),
            waits: Waits::default(),
            calls: Vec::new(),
            next: None,
            kept: None,
            restarts: Vec::new(),
            must_record: false,
            record_at: JOBS_IN_MEMORY,
            stage: Stage::Running,
            output: None,
            reply: None,
            ended: None,
            is_ended_elsewhere: false,
            reason: None,
            request: None,
        }
    }

    /// Takes what has happened and says what is to be done next. What that leads to is the next event.
    pub fn advance(&mut self, event: Event, moment: &mut Moment<'_>) -> Effect {
        let effect = match event {
            Event::Begin(start) => self.begin(start, moment),
            Event::Done => None,
            Event::Ran { node, input, how, outcome } => self.has_run(node, input, how, outcome, moment),
            Event::Worked { node, settled } => self.has_worked(node, settled, moment),
            Event::Settled(job, settled) => self.has_settled(job, &settled, moment),
            Event::Due(job) => self.is_due(job),
            Event::CutOff { node } => self.is_cut_off(node, moment),
            Event::Leave => self.leave(),
        };
        effect.unwrap_or_else(|| self.go_on(moment))
    }

    /// Where the run stands, as it is kept with its lease.
    pub fn position(&self) -> Position {
        Position::new(&self.workflow.graph, self.next, &self.calls, &self.journal.resumed())
    }

    pub fn outcome(&self) -> Ended {
        let (is_timeout, reply) = (self.reason == Some(reason::TIMEOUT), self.reply.clone());
        Ended { status: self.ended.unwrap_or(STARTED), is_timeout, reply, is_left: false }
    }

    fn begin(&mut self, start: Start, moment: &Moment<'_>) -> Option<Effect> {
        let graph = &self.workflow.graph;
        let first = match graph.head() {
            Some(head) => Step::Run { node: head, input: None },
            None if graph.is_empty() => Step::Finish { status: RESOLVED },
            // Nodes without a first one: NocoBase ends such an execution as an error, without a job.
            None => Step::Finish { status: EXECUTION_ERROR },
        };
        match start {
            Start::Fresh => self.next = Some(first),
            Start::Anew => {
                self.replaces_jobs = true;
                self.next = Some(first);
            }
            Start::At(recorded) => match recorded.read(graph) {
                Some(restored) => self.restore(restored, moment),
                None => {
                    tracing::error!(execution.id = self.id, "the place of a run does not fit its workflow");
                    self.next = Some(Step::Finish { status: EXECUTION_ERROR });
                }
            },
        }
        None
    }

    fn restore(&mut self, restored: restore::Restored, moment: &Moment<'_>) {
        let restore::Restored { next, calls, jobs, resumed, timers } = restored;
        (self.next, self.calls) = (next, calls);
        if next.is_none() {
            self.stage = Stage::Idle;
        }
        // The lease is this instance's now.
        self.waits.is_resident = true;
        for (job, due_at) in timers {
            self.waits.add_timer(job, due_at, true);
        }
        self.journal.restore(jobs, resumed);
        for (job, node) in self.journal.pending().into_iter().rev() {
            let place = self.workflow.graph.node(node);
            // A branching node waits for its branches; other pending jobs wait for work that is gone.
            if !place.branches.is_empty() || self.waits.has_timer(job) {
                continue;
            }
            if place.is_known || !moment.hands_over {
                self.restarts.push((job, node));
            } else {
                self.waits.leave_to_nocobase(job);
            }
        }
    }

    /// What comes next: a step, the end of the segment, or what has to be done before.
    fn go_on(&mut self, moment: &mut Moment<'_>) -> Effect {
        loop {
            if self.stage == Stage::Over {
                return Effect::Done;
            }
            if self.is_ended_elsewhere && !(self.stage == Stage::Recorded && self.ended.is_some()) {
                return self.let_go(moment);
            }
            if let Some((job, node)) = self.restarts.pop() {
                let input = self.journal.upstream(job);
                return Effect::Node { node, input, how: How::Restart(job) };
            }
            if std::mem::take(&mut self.must_record) {
                return Effect::Record(What::Position);
            }
            if let Some((node, work)) = self.kept.take() {
                return Effect::Work { node, work };
            }
            let Some(step) = self.next else { return self.end_segment(moment) };
            self.stage = Stage::Running;
            match step {
                Step::Run { node, .. } | Step::Resume { node, .. } if moment.cut.is_some() => {
                    self.abort(node, moment);
                }
                Step::Run { node, input } if self.workflow.graph.node(node).is_known => {
                    return Effect::Node { node, input, how: How::Run };
                }
                Step::Run { node, input } if moment.hands_over => self.leave_to_nocobase(node, input, moment),
                Step::Run { node, .. } => {
                    if let Some(effect) = self.reject(node, moment) {
                        return effect;
                    }
                }
                Step::Resume { node, branch_job } => {
                    return Effect::Node { node, input: Some(branch_job), how: How::Resume };
                }
                Step::Finish { status } => self.end(step::execution_status(status)),
                Step::Unwind => self.next = self.unwind(),
            }
        }
    }

    /// Everything that can go on now has: the execution has ended, or waits.
    fn end_segment(&mut self, moment: &mut Moment<'_>) -> Effect {
        if moment.is_in_scope {
            if self.ended.is_none() {
                self.fail_pending();
            }
            return Effect::CloseScopes;
        }
        match (self.stage, self.ended) {
            (Stage::Recorded, Some(_)) => {
                self.stage = Stage::Over;
                Effect::Done
            }
            (Stage::Recorded, None) => Effect::Wait,
            _ => {
                self.end_if_stuck(moment);
                // A run that only goes on waiting has nothing to write.
                if self.stage == Stage::Idle && self.ended.is_none() {
                    return Effect::Wait;
                }
                if self.ended.is_some() {
                    self.end_waits(moment);
                }
                self.stage = Stage::Recorded;
                Effect::Record(What::Segment)
            }
        }
    }

    fn end(&mut self, status: i32) {
        self.journal.flush();
        (self.next, self.ended) = (None, Some(status));
    }

    /// Nothing may wait within a transaction node: what does is an error, and so is the execution.
    fn fail_pending(&mut self) {
        self.waits.clear();
        for (job, _) in self.journal.pending() {
            self.journal.set_status(job, ERROR);
            self.journal.set_result(job, Thrown::error(PENDING_INSIDE).to_result());
            self.journal.save_again(job);
        }
        self.end(ERROR);
    }

    /// Ends an execution that nothing would ever resume; NocoBase leaves it started for ever.
    fn end_if_stuck(&mut self, moment: &mut Moment<'_>) {
        if self.ended.is_some() || !self.waits.is_empty() {
            return;
        }
        let pending = self.journal.youngest_pending().map(|job| self.journal.job(job).node);
        if let Some(node) = pending.or_else(|| self.workflow.graph.head()) {
            let result =
                Thrown::error("No branch is left to run and nothing will resume this node").to_result();
            self.save(node, Draft { status: ERROR, result, ..Draft::default() }, moment);
            self.log_job(node, ERROR);
        }
        self.end(ERROR);
    }

    /// Gives the jobs an end that something under way would have settled: the execution is over, and nobody
    /// would look for them. NocoBase leaves them pending for ever.
    fn end_waits(&mut self, moment: &Moment<'_>) {
        let result = Thrown::error("The execution ended while this node was under way").to_result();
        for job in self.waits.clear() {
            if self.journal.is_pending(job) {
                self.journal.settle(job, ABORTED, &result, moment.now);
            }
        }
        self.journal.show_hidden();
    }

    /// Gives up an execution that was ended by somebody else.
    fn let_go(&mut self, moment: &Moment<'_>) -> Effect {
        if moment.is_in_scope {
            return Effect::CloseScopes;
        }
        self.waits.clear();
        // Also those that have not changed since they were written: nobody else looks for them.
        self.journal.abort_pending();
        self.journal.show_hidden();
        self.ended.get_or_insert(ABORTED);
        (self.next, self.stage) = (None, Stage::Over);
        Effect::Record(What::LetGo)
    }

    /// Leaves memory: whoever is there when its time comes goes on.
    fn leave(&mut self) -> Option<Effect> {
        self.stage = Stage::Over;
        self.waits.is_resident.then_some(Effect::Record(What::Leaving))
    }

    /// Sees what there is as NocoBase does after a pause: as it is in the database.
    fn reread(&mut self) {
        self.journal.reread();
        if let Some(context) = self.context.as_made() {
            self.context = context;
        }
    }

    fn has_settled(&mut self, job: JobId, settled: &Settled, moment: &Moment<'_>) -> Option<Effect> {
        self.waits.end_work(job);
        self.reread();
        self.journal.settle(job, settled.status, &settled.result, moment.now);
        self.next = Some(Step::Resume { node: self.journal.job(job).node, branch_job: job });
        None
    }

    fn is_due(&mut self, job: JobId) -> Option<Effect> {
        self.waits.end_timer(job);
        self.reread();
        // Somebody else may have settled it: NocoBase sees it where it has a row.
        self.next = Some(match self.journal.is_pending(job) {
            true => Step::Resume { node: self.journal.job(job).node, branch_job: job },
            false => Step::Unwind,
        });
        None
    }

    /// Ends the run because the execution was cancelled or its time is over: inside of a node, or while it waits.
    fn is_cut_off(&mut self, node: Option<NodeIndex>, moment: &mut Moment<'_>) -> Option<Effect> {
        match node {
            Some(node) => self.abort(node, moment),
            None => self.end_aborted(moment),
        }
        None
    }

    fn abort(&mut self, node: NodeIndex, moment: &mut Moment<'_>) {
        self.end_aborted(moment);
        let result = Thrown::error("Workflow execution has been aborted").to_result();
        self.save(node, Draft { status: ABORTED, result, ..Draft::default() }, moment);
        self.log_job(node, ABORTED);
    }

    fn end_aborted(&mut self, moment: &Moment<'_>) {
        if moment.cut != Some(Cut::Aborted) {
            self.reason = Some(reason::TIMEOUT);
            for (job, result) in self.waits.take_timed_out() {
                self.journal.set_result(job, result);
            }
        }
        self.waits.clear();
        self.journal.abort_pending();
        self.next = Some(Step::Finish { status: ABORTED });
    }

    /// Saves a new job of a node.
    pub fn save(&mut self, node: NodeIndex, draft: Draft, moment: &mut Moment<'_>) -> JobId {
        let job = (moment.new_job_id)();
        self.save_as(job, node, draft, moment.now);
        job
    }

    /// Saves a new job of a node under this id.
    pub fn save_as(&mut self, job: JobId, node: NodeIndex, draft: Draft, now: DateTime<Utc>) {
        let place = self.workflow.graph.node(node);
        let place = Place { index: node, id: place.id, key: place.key.as_str().into() };
        self.journal.save(job, place, draft, now);
    }

    /// The variables of a node; `with_own_scope` includes what it offers to its own branches. `around` has those
    /// that are not the run's.
    pub fn scope(&self, node: NodeIndex, with_own_scope: bool, around: &Scope) -> Result<Scope, Thrown> {
        let graph = &self.workflow.graph;
        let mut scopes = Object::new();
        let nearest = if with_own_scope { Some(node) } else { graph.node(node).parent };
        for index in graph.upwards(nearest) {
            let place = graph.node(index);
            let render = |template: &Template| template.render(&self.scope(index, false, around)?);
            let result = self.journal.results().get(&place.key).cloned().unwrap_or_default();
            if let Some(offered) = place.run.scope(&render, &result)? {
                scopes.insert(place.id.to_string(), offered.clone());
                scopes.insert(place.key.as_str(), offered);
            }
        }
        Ok(Scope {
            context: self.context.clone(),
            results: self.journal.results().clone(),
            scopes: scopes.into(),
            ..around.clone()
        })
    }

    /// See [`crate::node::Context::effect_key`]; a node that is run again for a job that it has left has the key
    /// of that job.
    pub fn effect_key(&self, node: NodeIndex, restarted: Option<JobId>) -> String {
        let key = &self.workflow.graph.node(node).key;
        let run = restarted.and_then(|job| self.journal.run_of(job));
        let run = run.unwrap_or_else(|| self.journal.runs(node) + 1);
        format!("{}:{key}:{run}", self.id)
    }

    fn log_job(&self, node: NodeIndex, status: i32) {
        let place = self.workflow.graph.node(node);
        tracing::debug!(
            execution.id = self.id,
            node.id = place.id,
            node.r#type = place.type_name,
            job.status = status,
            "node has run"
        );
    }
}

#[cfg(test)]
mod tests;
