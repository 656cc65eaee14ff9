//! The ends of a run that its nodes have not asked for: it is cut off, somebody else has ended its execution, or nothing
//! could go on, as within a transaction node.

use entity::status::job::{ABORTED, ERROR};
use entity::status::reason;

use super::event::{Cut, Effect, Moment, What};
use super::step::Step;
use super::{Run, Stage};
use crate::expr::Thrown;
use crate::node::{Draft, NodeIndex};

/// What NocoBase says of jobs that wait within a transaction node (`Processor.ts`).
const PENDING_INSIDE: &str = "Pending jobs are not allowed inside an open transaction scope";

/// What a job says that only tells where an execution was aborted.
pub(super) const ABORTED_TEXT: &str = "Workflow execution has been aborted";

/// What a job says whose work was under way when its execution ended for another reason.
pub(super) const UNDER_WAY: &str = "The execution ended while this node was under way";

/// What a job says at which nothing could go on.
pub(super) const STUCK: &str = "No branch is left to run and nothing will resume this node";

impl Run {
    /// Ends the run because the execution was cancelled or its time is over: inside of a node, or while it waits.
    pub(super) fn is_cut_off(&mut self, node: Option<NodeIndex>, moment: &mut Moment<'_>) -> Option<Effect> {
        match node {
            Some(node) if !self.waits_itself(node) => self.abort(node, moment),
            Some(_) | None => self.end_aborted(moment),
        }
        None
    }

    /// Whether a node has a pending job that is not there for a branch: a node that looks after it needs no other to say
    /// that it was aborted.
    fn waits_itself(&self, node: NodeIndex) -> bool {
        let newest = self.journal.newest(node);
        self.workflow.graph.node(node).branches.is_empty()
            && newest.is_some_and(|job| self.journal.is_pending(job))
    }

    pub(super) fn abort(&mut self, node: NodeIndex, moment: &mut Moment<'_>) {
        self.end_aborted(moment);
        let result = Thrown::error(ABORTED_TEXT).to_result();
        self.save(node, Draft { status: ABORTED, result, ..Draft::default() }, moment);
        self.log_job(node, ABORTED);
    }

    pub(super) fn end_aborted(&mut self, moment: &Moment<'_>) {
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

    /// Gives up an execution that was ended by somebody else.
    pub(super) fn let_go(&mut self, moment: &Moment<'_>) -> Effect {
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

    /// Ends an execution that nothing would ever resume; NocoBase leaves it started for ever.
    pub(super) fn end_stuck(&mut self, moment: &mut Moment<'_>) {
        let pending = self.journal.youngest_pending().map(|job| self.journal.job(job).node);
        if let Some(node) = pending.or_else(|| self.workflow.graph.head()) {
            let result = Thrown::error(STUCK).to_result();
            self.save(node, Draft { status: ERROR, result, ..Draft::default() }, moment);
            self.log_job(node, ERROR);
        }
        self.end(ERROR);
    }

    /// Gives the jobs an end that something under way would have settled: the execution is over, and nobody
    /// would look for them. NocoBase leaves them pending for ever.
    pub(super) fn end_waits(&mut self, moment: &Moment<'_>) {
        for job in self.waits.clear() {
            if self.journal.is_pending(job) {
                let result = Thrown::error(UNDER_WAY).to_result();
                self.journal.settle(job, ABORTED, &result, moment.now);
            }
        }
        self.journal.show_hidden();
    }

    /// Ends the transaction nodes that are open at the end of a segment.
    pub(super) fn close_scopes(&mut self) -> Effect {
        if self.ended.is_none() {
            self.fail_pending();
        }
        Effect::CloseScopes
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
}
