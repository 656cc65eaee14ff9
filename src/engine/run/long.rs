//! Long runs: they write on their way what cannot change any more.

use super::Run;
use super::event::Moment;
use super::step::Step;

/// At most about so many jobs wait in memory before a run writes them.
pub(super) const JOBS_IN_MEMORY: usize = 1_000;

impl Run {
    /// Long runs write on their way. What stays in memory all the same is not looked at again before as much has
    /// been added to it.
    pub(super) fn record_if_many(&mut self, moment: &Moment<'_>) {
        let has_ended = matches!(self.next, None | Some(Step::Finish { .. }));
        if self.journal.waiting() <= self.record_at || moment.is_in_scope || has_ended {
            return;
        }
        self.journal.flush_superseded();
        self.record_at = JOBS_IN_MEMORY.max(2 * self.journal.unsaved());
        self.must_record = true;
    }
}
