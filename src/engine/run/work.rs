//! What a run does for nodes that are not done when they have run: they wait for work, for a time or for NocoBase, or the
//! database refuses what they have written.

use std::time::Duration;

use entity::status::job::{ERROR, PENDING};

use super::Run;
use super::event::{Effect, Moment};
use super::step::{self, Step};
use crate::expr::Thrown;
use crate::node::{Draft, JobId, NodeIndex, Outcome, Settled, Work};

impl Run {
    /// Does the work of a node: where the run is, or beside it.
    pub(super) fn work(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        work: Work,
        moment: &mut Moment<'_>,
    ) -> Option<Effect> {
        if self.workflow.is_sync || moment.is_in_scope {
            return self.work_here(node, input, work, moment);
        }
        Some(self.work_beside(node, work, moment))
    }

    /// Waits for work where the run is: what a synchronous workflow does. Before and after effects outside the
    /// place is recorded.
    fn work_here(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        work: Work,
        moment: &Moment<'_>,
    ) -> Option<Effect> {
        if !self.has_effects(node, moment) {
            return Some(Effect::Work { node, work });
        }
        self.next = Some(Step::Run { node, input });
        self.kept = Some((node, work));
        self.must_record = true;
        None
    }

    pub(super) fn has_worked(
        &mut self,
        node: NodeIndex,
        settled: Settled,
        moment: &mut Moment<'_>,
    ) -> Option<Effect> {
        let Settled { status, result } = settled;
        let job = self.save(node, Draft { status, result, ..Draft::default() }, moment);
        self.log_job(node, status);
        if moment.cut.is_some() {
            self.end_aborted(moment);
            return None;
        }
        let next = step::after(&self.workflow.graph, node, job, status);
        self.next = Some(next);
        self.must_record = self.has_effects(node, moment) && !matches!(next, Step::Finish { .. });
        self.record_if_many(moment);
        None
    }

    fn has_effects(&self, node: NodeIndex, moment: &Moment<'_>) -> bool {
        self.workflow.graph.node(node).has_outside_effects && !moment.is_in_scope
    }

    /// Saves a pending job and leaves its work to the background: what an asynchronous workflow does.
    fn work_beside(&mut self, node: NodeIndex, mut work: Work, moment: &mut Moment<'_>) -> Effect {
        let pending = std::mem::take(&mut work.pending);
        let job = self.save(node, pending, moment);
        self.journal.flush();
        self.waits.add_work(job, work.timed_out.take());
        // Other branches may take long; without any the end of this segment is at hand.
        self.must_record = !self.calls.is_empty();
        self.next = Some(Step::Unwind);
        Effect::Start { job, work, is_recorded: false }
    }

    /// Saves a pending job that waits for a time.
    pub(super) fn sleep(
        &mut self,
        node: NodeIndex,
        pending: Draft,
        duration: Duration,
        moment: &mut Moment<'_>,
    ) {
        let job = self.save(node, pending, moment);
        if !moment.shows_delays {
            self.journal.hide(job);
        }
        self.journal.flush();
        self.waits.add_timer(job, due_at(duration, moment), false);
        self.next = Some(Step::Unwind);
    }

    /// Lets a pending job wait once more.
    pub(super) fn sleep_on(&mut self, job: JobId, duration: Duration, moment: &Moment<'_>) {
        self.waits.renew_timer(job, due_at(duration, moment));
        self.next = Some(Step::Unwind);
    }

    /// What a node has said that was run again for a pending job: the job stays the same.
    pub(super) fn has_restarted(
        &mut self,
        job: JobId,
        outcome: Result<Outcome, Thrown>,
        moment: &Moment<'_>,
    ) -> Option<Effect> {
        let settled = match outcome {
            Ok(Outcome::Background(mut work)) => {
                self.waits.add_work(job, work.timed_out.take());
                return Some(Effect::Start { job, work, is_recorded: true });
            }
            Ok(Outcome::Sleep { duration, .. }) => {
                self.waits.add_timer(job, due_at(duration, moment), false);
                return None;
            }
            Ok(Outcome::Finished(draft)) => Settled { status: draft.status, result: draft.result },
            Ok(Outcome::Leave(_)) if moment.hands_over => {
                self.waits.leave_to_nocobase(job);
                return None;
            }
            Ok(Outcome::Leave(thrown)) | Err(thrown) => thrown.into(),
            // Nothing will resume it: the end of the segment finds that out.
            Ok(_) => return None,
        };
        self.waits.add_work(job, None);
        Some(Effect::Start { job, work: Work::done(settled), is_recorded: true })
    }

    /// Leaves a node to NocoBase, as soon as nothing else of this execution waits here.
    pub(super) fn leave_to_nocobase(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        moment: &mut Moment<'_>,
    ) {
        let job = self.save(node, Draft { status: PENDING, upstream: input, ..Draft::default() }, moment);
        self.journal.leave_unstarted(job);
        self.journal.flush();
        self.log_job(node, PENDING);
        self.waits.leave_to_nocobase(job);
        self.next = Some(Step::Unwind);
    }

    /// Leaves a node to NocoBase that has found out that it cannot be run here; where NocoBase cannot be told, and
    /// within a transaction, it has failed.
    pub(super) fn leave_or_fail(
        &mut self,
        node: NodeIndex,
        input: Option<JobId>,
        reason: Thrown,
        moment: &mut Moment<'_>,
    ) -> Option<Effect> {
        if !moment.hands_over || moment.is_in_scope {
            return self.finish(node, reason.into(), moment);
        }
        self.leave_to_nocobase(node, input, moment);
        None
    }

    /// Makes an error of a job that has been saved.
    pub(crate) fn fail_job(&mut self, node: NodeIndex, job: JobId, thrown: &Thrown) -> Option<Effect> {
        self.journal.set_status(job, ERROR);
        self.journal.set_result(job, thrown.to_result());
        self.journal.save_again(job);
        self.log_job(node, ERROR);
        self.next = Some(step::after(&self.workflow.graph, node, job, ERROR));
        None
    }

    /// Makes an error of a job whose commit the database has refused. Returns its result as text.
    pub(crate) fn fail_committed(&mut self, node: NodeIndex, job: JobId, reason: &str) -> String {
        let text = self.journal.fail_written(job, &Thrown::error(reason).to_result());
        self.log_job(node, ERROR);
        self.next = Some(step::after(&self.workflow.graph, node, job, ERROR));
        text
    }
}

/// When a time is over that begins now, in milliseconds since 1970.
fn due_at(duration: Duration, moment: &Moment<'_>) -> i64 {
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    moment.now.timestamp_millis().saturating_add(milliseconds)
}
