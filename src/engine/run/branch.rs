//! What a run does after a node has run: the steps in and out of branches, and the ways to wait.

use std::time::Duration;

use entity::status::job::{ERROR, PENDING};

use super::Run;
use super::event::{Effect, How, Moment};
use super::position::Call;
use super::step::{self, Step};
use crate::expr::Thrown;
use crate::node::{Draft, JobId, NodeIndex, Outcome, Settled, Work};

impl Run {
    /// What follows when a node has run.
    pub(super) fn has_run(
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
            (_, Err(thrown)) => {
                let result = thrown.to_result();
                self.finish(node, Draft { status: ERROR, result, ..Draft::default() }, moment)
            }
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
            Outcome::Enter { branch, input } => {
                if self.workflow.graph.has_unknown() {
                    self.calls.push(Call { node, next: None });
                }
                self.next = Some(Step::Run { node: branch, input: Some(input) });
            }
            Outcome::EnterEach { input } => self.next = Some(self.enter_next(node, input, 0)),
            Outcome::Again(job) => self.next = Some(Step::Resume { node, branch_job: job }),
            Outcome::Wait => {
                self.journal.flush();
                self.next = Some(Step::Unwind);
            }
            Outcome::Background(work) if self.workflow.is_sync || moment.is_in_scope => {
                return self.work_here(node, input, work, moment);
            }
            Outcome::Background(work) => return Some(self.work_beside(node, work, moment)),
            Outcome::Sleep { pending, duration } => self.sleep(node, pending, duration, moment),
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

    /// Makes an error of a job that has been saved.
    pub fn fail_job(&mut self, node: NodeIndex, job: JobId, thrown: &Thrown) -> Option<Effect> {
        self.journal.set_status(job, ERROR);
        self.journal.set_result(job, thrown.to_result());
        self.journal.save_again(job);
        self.log_job(node, ERROR);
        self.next = Some(step::after(&self.workflow.graph, node, job, ERROR));
        None
    }

    /// Makes an error of a job whose commit the database has refused. Returns its result as text.
    pub fn fail_committed(&mut self, node: NodeIndex, job: JobId, reason: &str) -> String {
        let text = self.journal.fail_written(job, &Thrown::error(reason).to_result());
        self.log_job(node, ERROR);
        self.next = Some(step::after(&self.workflow.graph, node, job, ERROR));
        text
    }

    /// Long runs write on their way. What stays in memory all the same is not looked at again before as much has
    /// been added to it.
    fn record_if_many(&mut self, moment: &Moment<'_>) {
        let has_ended = matches!(self.next, None | Some(Step::Finish { .. }));
        if self.journal.waiting() <= self.record_at || moment.is_in_scope || has_ended {
            return;
        }
        self.journal.flush_superseded();
        self.record_at = super::JOBS_IN_MEMORY.max(2 * self.journal.unsaved());
        self.must_record = true;
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
    fn sleep(&mut self, node: NodeIndex, pending: Draft, duration: Duration, moment: &mut Moment<'_>) {
        let job = self.save(node, pending, moment);
        if !moment.shows_delays {
            self.journal.hide(job);
        }
        self.journal.flush();
        self.waits.add_timer(job, due_at(duration, moment), false);
        self.next = Some(Step::Unwind);
    }

    /// What a node has said that was run again for a pending job: the job stays the same.
    fn has_restarted(
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
            Err(thrown) => thrown.into(),
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

    /// Reports a node of an unknown type: to the innermost node that has called into a branch, as in NocoBase,
    /// or as the job of the node itself, where NocoBase leaves the execution started for ever.
    pub(super) fn reject(&mut self, node: NodeIndex, moment: &mut Moment<'_>) -> Option<Effect> {
        let place = self.workflow.graph.node(node);
        let text = format!("instruction [{}] not found for node (#{})", place.type_name, place.id);
        let told = self.calls.pop().map_or(node, |call| call.node);
        self.has_run(told, None, How::Run, Err(Thrown::error(text)), moment)
    }

    /// Enters the branch at a place; the ones after it are left for later.
    fn enter_next(&mut self, node: NodeIndex, input: JobId, place: usize) -> Step {
        let graph = &self.workflow.graph;
        let branches = &graph.node(node).branches;
        let Some((_, branch)) = branches.get(place) else { return Step::Unwind };
        if place + 1 < branches.len() || graph.has_unknown() {
            self.calls.push(Call { node, next: Some((place + 1, input)) });
        }
        Step::Run { node: *branch, input: Some(input) }
    }

    /// Goes on with the innermost parallel node that has branches left.
    pub(super) fn unwind(&mut self) -> Option<Step> {
        let Call { node, next } = self.calls.pop()?;
        let Some((next, input)) = next else { return Some(Step::Unwind) };
        // NocoBase would start the branch even after the node has settled, when a loop around it went on.
        if !self.journal.is_pending(input) {
            return Some(Step::Unwind);
        }
        let place = self.workflow.graph.node(node);
        let entered = place.branches.get(next - 1);
        let last = entered.and_then(|(_, branch)| self.last_status_on(*branch));
        let goes_on = last.is_some_and(|status| place.run.enters_next(status));
        Some(if goes_on { self.enter_next(node, input, next) } else { Step::Unwind })
    }

    /// The status of the newest job on the line of a branch, not counting branches within it.
    fn last_status_on(&self, branch: NodeIndex) -> Option<i32> {
        let line = self.workflow.graph.line(branch);
        let newest = line.filter_map(|node| self.journal.newest(node)).max();
        newest.map(|job| self.journal.job(job).status)
    }
}

/// When a time is over that begins now, in milliseconds since 1970.
fn due_at(duration: Duration, moment: &Moment<'_>) -> i64 {
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    moment.now.timestamp_millis().saturating_add(milliseconds)
}
