//! What a run waits for: work in the background, times, NocoBase.

use std::collections::BTreeMap;

use crate::expr::Value;
use crate::node::JobId;

/// The pending jobs that something is going to settle.
#[derive(Default)]
pub(crate) struct Waits {
    /// Those of work in the background, with the results that they get when the workflow's timeout cuts it off.
    works: BTreeMap<JobId, Option<Value>>,
    timers: BTreeMap<JobId, Timer>,
    /// Those that NocoBase is to run when nothing else waits here.
    for_nocobase: Vec<JobId>,
    /// Those whose timers have ended and still have their rows.
    ended_timers: Vec<JobId>,
    /// Whether the execution was to stay in memory when it was last recorded.
    pub is_resident: bool,
    /// Whether the execution has yet to be counted, which is waited with until its lease is given away.
    pub is_uncounted: bool,
}

struct Timer {
    /// In milliseconds since 1970.
    due_at: i64,
    is_recorded: bool,
}

impl Waits {
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_work() && self.timers.is_empty() && self.for_nocobase.is_empty()
    }

    /// Whether all that is left is NocoBase's.
    pub(crate) fn is_handing_over(&self) -> bool {
        !self.has_work() && self.timers.is_empty() && !self.for_nocobase.is_empty()
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.works.is_empty()
    }

    pub(crate) fn has_timer(&self, job: JobId) -> bool {
        self.timers.contains_key(&job)
    }

    /// `timed_out` is the result of the job when the workflow's timeout cuts the work off, if it gets one.
    pub(crate) fn add_work(&mut self, job: JobId, timed_out: Option<Value>) {
        self.works.insert(job, timed_out);
    }

    /// The results of jobs whose work is cut off by the workflow's timeout.
    pub(crate) fn take_timed_out(&mut self) -> Vec<(JobId, Value)> {
        self.works.iter_mut().filter_map(|(job, result)| Some((*job, result.take()?))).collect()
    }

    pub(crate) fn end_work(&mut self, job: JobId) {
        self.works.remove(&job);
    }

    /// `due_at` is in milliseconds since 1970.
    pub(crate) fn add_timer(&mut self, job: JobId, due_at: i64, is_recorded: bool) {
        self.timers.insert(job, Timer { due_at, is_recorded });
    }

    /// A timer that has just ended goes on until another time, in milliseconds since 1970.
    pub(crate) fn renew_timer(&mut self, job: JobId, due_at: i64) {
        self.ended_timers.retain(|ended| *ended != job);
        self.add_timer(job, due_at, false);
    }

    pub(crate) fn leave_to_nocobase(&mut self, job: JobId) {
        self.for_nocobase.push(job);
    }

    pub(crate) fn for_nocobase(&self) -> &[JobId] {
        &self.for_nocobase
    }

    /// The timer that is due first, with its time in milliseconds since 1970.
    pub(crate) fn first_timer(&self) -> Option<(JobId, i64)> {
        let first = self.timers.iter().min_by_key(|(job, timer)| (timer.due_at, **job))?;
        Some((*first.0, first.1.due_at))
    }

    /// The jobs of timers that have yet to be recorded, with their times.
    pub(crate) fn take_new_timers(&mut self) -> Vec<(JobId, i64)> {
        let new = self.timers.iter_mut().filter(|(_, timer)| !timer.is_recorded);
        new.map(|(job, timer)| {
            timer.is_recorded = true;
            (*job, timer.due_at)
        })
        .collect()
    }

    /// The jobs whose timers have ended and still have their rows.
    pub(crate) fn take_ended_timers(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.ended_timers).into_iter().map(|job| job.0).collect()
    }

    pub(crate) fn end_timer(&mut self, job: JobId) {
        if self.timers.remove(&job).is_some_and(|timer| timer.is_recorded) {
            self.ended_timers.push(job);
        }
    }

    /// Waits for nothing any more. Returns the jobs that only something outside could have settled: those of work
    /// in the background and those that NocoBase was to run.
    pub(crate) fn clear(&mut self) -> Vec<JobId> {
        let timers: Vec<JobId> = self.timers.keys().copied().collect();
        timers.into_iter().for_each(|job| self.end_timer(job));
        let works = std::mem::take(&mut self.works);
        works.into_keys().chain(std::mem::take(&mut self.for_nocobase)).collect()
    }
}
