//! Work in the background, and what a run does while all of it waits.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cut_off::{CutOff, panicked, sleep_until_or_never};
use crate::engine::run::event::Event;
use crate::engine::run::waits::Waits;
use crate::engine::shared::Shared;
use crate::node::{JobId, Settled};

/// The work in the background of one run. It is cut off when this is dropped.
#[derive(Default)]
pub(super) struct Works {
    /// Work that begins when all that is known so far is recorded.
    unstarted: Vec<(JobId, BoxFuture<'static, Settled>)>,
    under_way: JoinSet<(JobId, Settled)>,
}

impl Works {
    pub(super) fn add(&mut self, job: JobId, done: BoxFuture<'static, Settled>) {
        self.unstarted.push((job, done));
    }

    /// Begins what has been recorded.
    pub(super) fn start(&mut self) {
        for (job, done) in self.unstarted.drain(..) {
            self.under_way.spawn(async move {
                let settled = AssertUnwindSafe(done).catch_unwind().await;
                (job, settled.unwrap_or_else(|panic| panicked(&*panic).into()))
            });
        }
    }
}

/// What has happened already, without waiting.
pub(super) fn happened(shared: &Shared, waits: &Waits, cut_off: &CutOff) -> Option<Event> {
    if cut_off.reached().is_some() {
        return Some(Event::CutOff { node: None });
    }
    let (job, due_at) = waits.first_timer()?;
    (due_at <= shared.ids.now().timestamp_millis()).then_some(Event::Due(job))
}

/// Waits until something happens.
pub(super) async fn next(shared: &Shared, waits: &Waits, works: &mut Works, cut_off: &CutOff) -> Event {
    let first = waits.first_timer();
    let now = shared.ids.now().timestamp_millis();
    let until_due = first.map(|(_, due_at)| Duration::from_millis(due_at.saturating_sub(now).max(0) as u64));
    let due = until_due.and_then(|until_due| Instant::now().checked_add(until_due));
    let has_work = !works.under_way.is_empty();
    let done = tokio::select! {
        biased;
        () = cut_off.reach() => return Event::CutOff { node: None },
        done = works.under_way.join_next(), if has_work => done,
        () = sleep_until_or_never(due) => None,
        () = shared.callers_let_go(), if !has_work => return Event::Leave,
    };
    match (done, first) {
        (Some(Ok((job, settled))), _) => Event::Settled(job, settled),
        (None, Some((job, _))) => Event::Due(job),
        // A task that was cancelled: its execution is over.
        (Some(Err(_)) | None, _) => Event::CutOff { node: None },
    }
}
