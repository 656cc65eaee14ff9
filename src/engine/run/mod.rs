//! One run of an execution, as a state machine: [`Run::advance`] takes what has happened and says what is to be done
//! next. It reaches nothing outside of itself: time, ids and the state of the world come in with the events.
//!
//! What NocoBase does by nested calls (`Processor.ts`) is a [`Step`] at a time here, so that a loop of any length
//! needs a constant stack. Between two pauses a run is one segment, as in NocoBase.

mod branch;
mod cut;
mod ended;
pub(super) mod event;
pub(super) mod failure;
pub(super) mod graph;
pub(super) mod journal;
mod long;
mod pause;
pub(super) mod position;
pub(super) mod record;
pub(super) mod request;
pub(super) mod restore;
pub(super) mod rows;
pub(super) mod step;
pub(super) mod waiting;
pub(super) mod waits;
mod work;
pub(super) mod workflow;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::execution::{ERROR as EXECUTION_ERROR, STARTED};
use entity::status::job::RESOLVED;
use entity::status::reason;

pub(crate) use self::ended::Ended;

use self::event::{Effect, Event, How, Moment, What};
use self::journal::Journal;
use self::position::Call;
use self::request::Request;
use self::restore::Start;
use self::rows::Place;
use self::step::Step;
use self::waits::Waits;
use self::workflow::Workflow;
use crate::expr::{Live, Object, Scope, Template, Thrown, Value};
use crate::node::{self, Draft, Job, JobId, NodeIndex, Outcome, Work};
use crate::store::execution::NewExecution;

/// A run; it begins with [`Event::Begin`].
pub(super) struct Run {
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
    /// `row` is that of the execution where it has yet to be inserted.
    pub(super) fn new(id: i64, workflow: Arc<Workflow>, context: Value, row: Option<NewExecution>) -> Self {
        Self {
            id,
            workflow,
            context,
            unrecorded: row,
            replaces_jobs: false,
            journal: Journal::default(),
            waits: Waits::default(),
            calls: Vec::new(),
            next: None,
            kept: None,
            restarts: Vec::new(),
            must_record: false,
            record_at: long::JOBS_IN_MEMORY,
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
    pub(super) fn advance(&mut self, event: Event, moment: &mut Moment<'_>) -> Effect {
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

    pub(super) fn outcome(&self) -> Ended {
        let (is_timeout, reply) = (self.reason == Some(reason::TIMEOUT), self.reply.clone());
        Ended { status: self.ended.unwrap_or(STARTED), is_timeout, reply, is_left: false }
    }

    fn begin(&mut self, start: Start, moment: &Moment<'_>) -> Option<Effect> {
        let graph = &self.workflow.graph;
        self.next = Some(match graph.head() {
            Some(head) => Step::Run { node: head, input: None },
            None if graph.is_empty() => Step::Finish { status: RESOLVED },
            // Nodes without a first one: NocoBase ends such an execution as an error, without a job.
            None => Step::Finish { status: EXECUTION_ERROR },
        });
        match start {
            Start::Fresh => {}
            Start::Anew => self.replaces_jobs = true,
            Start::At(recorded) => self.take_up(recorded, moment),
        }
        None
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
            return self.close_scopes();
        }
        match (self.stage, self.ended) {
            (Stage::Recorded, Some(_)) => {
                self.stage = Stage::Over;
                Effect::Done
            }
            (Stage::Recorded, None) => Effect::Wait,
            _ => {
                if self.ended.is_none() && self.waits.is_empty() {
                    self.end_stuck(moment);
                }
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

    /// What follows when a node has run.
    fn has_run(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        how: How,
        outcome: Result<Outcome, Thrown>,
        moment: &mut Moment<'_>,
    ) -> Option<Effect> {
        let effect = match (how, outcome) {
            (How::Restart(job), outcome) => return self.has_restarted(job, outcome, moment),
            (How::Resume, Err(thrown)) if input.is_some_and(|job| self.journal.job(job).node == node) => {
                // What a node throws while it resumes its own job becomes the result of that job.
                input.and_then(|job| self.fail_job(node, job, &thrown))
            }
            (_, Err(thrown)) => self.finish(node, thrown.into(), moment),
            (_, Ok(outcome)) => self.follow(node, input, outcome, moment),
        };
        self.record_if_many(moment);
        effect
    }

    fn follow(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        outcome: Outcome,
        moment: &mut Moment<'_>,
    ) -> Option<Effect> {
        match outcome {
            Outcome::Finished(draft) => return self.finish(node, draft, moment),
            Outcome::Continue(job) => {
                self.journal.save_again(job);
                return self.pass(node, job, moment);
            }
            Outcome::Enter { branch, input } => self.enter(node, branch, input),
            Outcome::EnterEach { input } => self.next = Some(self.enter_next(node, input, 0)),
            Outcome::Again(job) => self.next = Some(Step::Resume { node, branch_job: job }),
            Outcome::Wait => {
                self.journal.flush();
                self.next = Some(Step::Unwind);
            }
            Outcome::Background(work) => return self.work(node, input, work, moment),
            Outcome::Sleep { pending, duration } => self.sleep(node, pending, duration, moment),
            Outcome::SleepOn { job, duration } => self.sleep_on(job, duration, moment),
            Outcome::Leave(reason) => return self.leave_or_fail(node, input, reason, moment),
            Outcome::Exit(status) => {
                self.log_job(node, status);
                self.next = Some(Step::Finish { status });
            }
        }
        None
    }

    fn finish(&mut self, node: NodeIndex, draft: Draft, moment: &mut Moment<'_>) -> Option<Effect> {
        let job = self.save(node, draft, moment);
        self.pass(node, job, moment)
    }

    /// Goes on after a job of a node, which is committed first where the node has written something.
    fn pass(&mut self, node: NodeIndex, job: JobId, moment: &Moment<'_>) -> Option<Effect> {
        let status = self.journal.job(job).status;
        self.log_job(node, status);
        self.next = Some(step::after(&self.workflow.graph, node, job, status));
        moment.commits.then_some(Effect::Commit { node, job })
    }

    fn end(&mut self, status: i32) {
        self.journal.flush();
        (self.next, self.ended) = (None, Some(status));
    }

    /// Saves a new job of a node.
    pub(super) fn save(&mut self, node: NodeIndex, draft: Draft, moment: &mut Moment<'_>) -> JobId {
        let job = (moment.new_job_id)();
        node::Run::save(self, job, node, draft, moment.now);
        job
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

/// The run as its nodes see it.
impl node::Run for Run {
    fn save(&mut self, job: JobId, node: NodeIndex, draft: Draft, now: DateTime<Utc>) {
        let place = self.workflow.graph.node(node);
        let place = Place { index: node, id: place.id, key: place.key.as_str().into() };
        self.journal.save(job, place, draft, now);
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
        self.workflow.graph.find(key)
    }

    fn node_key(&self, node: NodeIndex) -> &str {
        &self.workflow.graph.node(node).key
    }

    fn branches(&self, node: NodeIndex) -> &[(i32, NodeIndex)] {
        &self.workflow.graph.node(node).branches
    }

    fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex> {
        self.workflow.graph.branch_of(node, parent)
    }

    fn set_output(&mut self, output: Value) {
        self.output = Some(output);
    }

    fn reply(&mut self, reply: Value) {
        self.reply = Some(reply);
    }

    fn is_sync(&self) -> bool {
        self.workflow.is_sync
    }

    fn scope(&self, node: NodeIndex, with_own_scope: bool, around: &Scope) -> Result<Scope, Thrown> {
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

    fn effect_key(&self, node: NodeIndex, restarted: Option<JobId>) -> String {
        let key = &self.workflow.graph.node(node).key;
        let run = restarted.and_then(|job| self.journal.run_of(job));
        let run = run.unwrap_or_else(|| self.journal.runs(node) + 1);
        format!("{}:{key}:{run}", self.id)
    }
}

#[cfg(test)]
mod tests;
