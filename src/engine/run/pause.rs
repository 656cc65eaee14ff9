//! How a run goes on after a pause: from what an earlier run has recorded, or when something that it waits for has
//! happened.

use entity::status::execution::ERROR;

use super::event::{Effect, Moment, What};
use super::position::Position;
use super::restore::{Recorded, Restored};
use super::step::Step;
use super::{Run, Stage};
use crate::node::{JobId, Settled};

impl Run {
    /// Where the run stands, as it is kept with its lease.
    pub(crate) fn position(&self) -> Position {
        Position::new(&self.workflow.graph, self.next, &self.calls, &self.journal.resumed())
    }

    /// Goes on from what an earlier run has recorded.
    pub(super) fn take_up(&mut self, recorded: Recorded, moment: &Moment<'_>) {
        self.waits.is_uncounted = recorded.position.as_ref().is_some_and(|position| position.uncounted);
        match recorded.read(&self.workflow.graph) {
            Some(restored) => self.restore(restored, moment),
            None => {
                tracing::error!(execution.id = self.id, "the place of a run does not fit its workflow");
                self.next = Some(Step::Finish { status: ERROR });
            }
        }
    }

    fn restore(&mut self, restored: Restored, moment: &Moment<'_>) {
        let Restored { next, calls, jobs, resumed, timers } = restored;
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

    pub(super) fn has_settled(
        &mut self,
        job: JobId,
        settled: &Settled,
        moment: &Moment<'_>,
    ) -> Option<Effect> {
        self.waits.end_work(job);
        self.reread();
        self.journal.settle(job, settled.status, &settled.result, moment.now);
        self.next = Some(Step::Resume { node: self.journal.job(job).node, branch_job: job });
        None
    }

    pub(super) fn is_due(&mut self, job: JobId) -> Option<Effect> {
        self.waits.end_timer(job);
        self.reread();
        // Somebody else may have settled it: NocoBase sees it where it has a row.
        self.next = Some(match self.journal.is_pending(job) {
            true => Step::Resume { node: self.journal.job(job).node, branch_job: job },
            false => Step::Unwind,
        });
        None
    }

    /// Sees what there is as NocoBase does after a pause: as it is in the database.
    fn reread(&mut self) {
        self.journal.reread();
        if let Some(context) = self.context.as_made() {
            self.context = context;
        }
    }

    /// Leaves memory: whoever is there when its time comes goes on.
    pub(super) fn leave(&mut self) -> Option<Effect> {
        self.stage = Stage::Over;
        self.waits.is_resident.then_some(Effect::Record(What::Leaving))
    }
}
