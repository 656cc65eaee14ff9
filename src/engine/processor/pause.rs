//! What an execution does while it waits: it stays in memory, beside the workers or in place of one, or leaves it.

use chrono::TimeDelta;
use futures_util::FutureExt;

use super::Processor;
use super::cut_off::keep_open;
use super::waiting;
use crate::engine::run::Run;
use crate::engine::run::event::Event;
use crate::expr::Thrown;
use crate::node::{NodeIndex, Settled, Work};

impl Processor {
    /// Waits for work of a node where the run is.
    pub(super) async fn work(&mut self, node: NodeIndex, work: Work) -> Event {
        let Work { interrupted, done, .. } = work;
        let done = keep_open(&self.transactions.scopes, done).map(Ok);
        let settled = match (self.cut_off.guard(done).await, interrupted) {
            (Some(settled), _) => settled.unwrap_or_else(|thrown: Thrown| Settled::from(thrown)),
            (None, Some(interrupted)) => interrupted,
            (None, None) => return Event::CutOff { node: Some(node) },
        };
        Event::Worked { node, settled }
    }

    /// Waits until something happens. What is known so far has been recorded.
    pub(super) async fn wait(&mut self, run: &mut Run) -> Event {
        self.works.start();
        // Its lease is nobody's: whoever takes it goes on, even when the time has come while it was written.
        if !run.waits.is_resident {
            return Event::Leave;
        }
        if let Some(event) = waiting::happened(&self.shared, &run.waits, &self.cut_off) {
            return event;
        }
        if !self.stays(run) {
            return Event::Leave;
        }
        // A number of executions wait beside the workers, further ones wait in place of a worker.
        let place = self.shared.waiting_places.clone().try_acquire_owned().ok();
        if place.is_some() {
            (self.worker, self.place) = (None, None);
        }
        let event = waiting::next(&self.shared, &run.waits, &mut self.works, &self.cut_off).await;
        drop(place);
        if self.worker.is_none() && !self.workflow.is_sync && !matches!(event, Event::Leave) {
            self.place = Some(self.shared.workers.occupy(self.workflow.id));
            self.worker = self.shared.workers.enter(self.workflow.id).await;
        }
        event
    }

    /// Whether the execution stays in memory while it waits.
    pub(super) fn stays(&self, run: &Run) -> bool {
        let Some((_, due_at)) = run.waits.first_timer() else { return !run.waits.is_handing_over() };
        let patience = TimeDelta::from_std(self.shared.settings.sync_timeout).unwrap_or(TimeDelta::MAX);
        let horizon = self.shared.ids.now().checked_add_signed(patience);
        let is_awaited =
            self.caller.is_some() && horizon.is_none_or(|horizon| due_at < horizon.timestamp_millis());
        run.waits.has_work() || (is_awaited && !self.shared.lets_callers_go())
    }
}
