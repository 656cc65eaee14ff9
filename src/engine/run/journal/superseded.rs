//! The jobs of a long loop: those that are not the newest of their node are written on the way, and forgotten.

use super::Journal;
use crate::engine::run::rows::texts::Texts;
use crate::node::JobId;

impl Journal {
    /// Brings those rows up to date that cannot change any more, because their node has a newer job. Lets a
    /// long loop write what it has without changing what its rows will be.
    pub(crate) fn flush_superseded(&mut self) {
        let settled: Vec<JobId> = self.superseded.intersection(&self.unsaved).copied().collect();
        let mut texts = Texts::default();
        for id in settled {
            self.unsaved.remove(&id);
            self.bring_up_to_date(id, &mut texts);
        }
    }

    /// Forgets a job that is written, is neither the newest nor the youngest of its node, and that nothing is going
    /// to settle: a branch of a race that has lost goes on while the loop around it does.
    pub(super) fn forget(&mut self, id: JobId) {
        let is_youngest = self.jobs.get(&id).is_some_and(|entry| self.youngest[&entry.job.node] == id);
        if is_youngest || !self.superseded.contains(&id) {
            return;
        }
        let is_open = self.unsaved.contains(&id) || self.unwritten.contains(&id) || self.is_pending(id);
        if !is_open && self.jobs.get(&id).is_none_or(|entry| entry.row.is_written()) {
            self.superseded.remove(&id);
            self.jobs.remove(&id);
        }
    }
}
