//! What a run waits for: work in the background, times, NocoBase.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use crate::node::{JobId, Settled};

/// The pending jobs that something is going to settle.
#[derive(Default)]
pub struct Waits {
    pub works: JoinSet<(JobId, Settled)>,
    /// Work that begins when all that is known so far is recorded.
    unstarted: Vec<(JobId, BoxFuture<'static, Settled>)>,
    timers: BTreeMap<JobId, Timer>,
    /// Pending jobs that NocoBase is to run when nothing else waits here.
    to_hand_over: Vec<JobId>,
    /// Timers that are over and still have their rows.
    over: Vec<JobId>,
    /// Whether the execution was to stay in memory when it was last recorded.
    pub is_resident: bool,
    /// One of the places for executions that wait for work without a worker.
    pub place: Option<OwnedSemaphorePermit>,
}

struct Timer {
    /// In milliseconds since 1970.
    due_at: i64,
    is_recorded: bool,
}

/// What a waiting execution goes on with.
pub enum Awakened {
    /// Work has settled a job.
    Settled(JobId, Settled),
    /// The time of a job has come.
    Due(JobId),
    /// The execution was aborted, or its time is over.
    CutOff,
    /// There is nothing to stay in memory for.
    Left,
}

impl Waits {
    pub fn is_empty(&self) -> bool {
        !self.has_work() && self.timers.is_empty() && self.to_hand_over.is_empty()
    }

    /// Whether all that is left is NocoBase's.
    pub fn is_handing_over(&self) -> bool {
        !self.has_work() && self.timers.is_empty() && !self.to_hand_over.is_empty()
    }

    pub fn hand_over(&mut self, job: JobId) {
        self.to_hand_over.push(job);
    }

    pub fn to_hand_over(&self) -> &[JobId] {
        &self.to_hand_over
    }

    pub fn has_work(&self) -> bool {
        !self.works.is_empty() || !self.unstarted.is_empty()
    }

    pub fn add_work(&mut self, job: JobId, done: BoxFuture<'static, Settled>) {
        self.unstarted.push((job, done));
    }

    pub fn add_timer(&mut self, job: JobId, due_at: i64, is_recorded: bool) {
        self.timers.insert(job, Timer { due_at, is_recorded });
    }

    pub fn has_timer(&self, job: JobId) -> bool {
        self.timers.contains_key(&job)
    }

    /// The timer that is due first.
    pub fn first(&self) -> Option<(JobId, i64)> {
        let first = self.timers.iter().min_by_key(|(job, timer)| (timer.due_at, **job))?;
        Some((*first.0, first.1.due_at))
    }

    /// When the first timer is due, in milliseconds since 1970.
    pub fn first_due(&self) -> Option<i64> {
        self.first().map(|(_, due_at)| due_at)
    }

    /// Starts what has been recorded.
    pub fn start_works(&mut self) {
        for (job, done) in self.unstarted.drain(..) {
            self.works.spawn(async move {
                let settled = std::panic::AssertUnwindSafe(done).catch_unwind().await;
                let settled = settled
                    .unwrap_or_else(|panic| crate::engine::processor::cut_off::panicked(&*panic).into());
                (job, settled)
            });
        }
    }

    /// The jobs of timers that have yet to be recorded.
    pub fn take_new_timers(&mut self) -> Vec<(JobId, i64)> {
        let new = self.timers.iter_mut().filter(|(_, timer)| !timer.is_recorded);
        new.map(|(job, timer)| {
            timer.is_recorded = true;
            (*job, timer.due_at)
        })
        .collect()
    }

    /// The jobs whose recorded timers are over.
    pub fn take_over(&mut self) -> Vec<JobId> {
        std::mem::take(&mut self.over)
    }

    pub fn remove_timer(&mut self, job: JobId) {
        if self.timers.remove(&job).is_some_and(|timer| timer.is_recorded) {
            self.over.push(job);
        }
    }

    /// Waits for nothing any more.
    pub fn clear(&mut self) {
        self.works.abort_all();
        self.unstarted.clear();
        self.to_hand_over.clear();
        let jobs: Vec<JobId> = self.timers.keys().copied().collect();
        jobs.into_iter().for_each(|job| self.remove_timer(job));
    }
}
