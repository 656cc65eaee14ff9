//! The jobs of a run that waits, is gone on with, or ends before they are done.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::job::{ABORTED, ERROR, PENDING};

use super::{Entry, Journal};
use crate::engine::run::rows::JobRow;
use crate::engine::run::rows::left::{Hidden, OldJob};
use crate::expr::{Value, json};
use crate::node::{JobId, NodeIndex};

impl Journal {
    /// Goes on from the jobs that an earlier part of the run has left, by id: the youngest of each node, and older
    /// ones that something may still refer to. `resumed` are those that were saved after younger ones.
    pub(crate) fn restore(&mut self, old: Vec<OldJob>, resumed: Vec<JobId>) {
        for old in old {
            let (id, run) = (old.id, old.run);
            let (job, row) = JobRow::restored(old);
            self.runs.insert(job.node, run);
            self.youngest.insert(job.node, id);
            self.jobs.insert(id, Entry { job, row, run });
            self.set_newest(id);
        }
        resumed.into_iter().for_each(|id| self.set_newest(id));
    }

    /// The jobs that were saved after younger ones of their nodes, by id.
    pub(crate) fn resumed(&self) -> Vec<JobId> {
        let newest = self.newest.iter().filter(|(node, id)| self.youngest.get(node) != Some(id));
        let mut resumed: Vec<JobId> = newest.map(|(_, id)| *id).collect();
        resumed.sort_unstable();
        resumed
    }

    /// Sees the results as they are in the database, as NocoBase does after each pause: of each node the
    /// youngest job, its values plain JSON. Everything has to be flushed.
    pub(crate) fn reread(&mut self) {
        let mut youngest: Vec<JobId> = self.youngest.values().copied().collect();
        youngest.sort_unstable();
        youngest.iter().for_each(|id| self.set_newest(*id));
        self.results = Arc::default();
        for id in youngest {
            let Some(Entry { job, row, .. }) = self.jobs.get_mut(&id) else { continue };
            if row.has_columns() {
                row.reread(job);
                Arc::make_mut(&mut self.results).insert(row.place.key.clone(), job.result.clone());
            }
        }
    }

    /// What work in the background has made of a pending job. It is written as it is here, whatever the
    /// node says when it resumes.
    pub(crate) fn settle(&mut self, id: JobId, status: i32, result: &Value, now: DateTime<Utc>) {
        let Some(Entry { job, row, .. }) = self.jobs.get_mut(&id) else { return };
        row.settle(job, status, result, now);
        self.unwritten.insert(id);
    }

    /// Makes an error of a job whose row was taken to be written and then was not. Returns its result as text.
    pub(crate) fn fail_written(&mut self, id: JobId, result: &Value) -> String {
        let text = json::stringify_or_null(result);
        let Some(Entry { job, row, .. }) = self.jobs.get_mut(&id) else { return text };
        (job.status, job.result) = (ERROR, result.clone());
        row.replace_written(ERROR, text.clone());
        Arc::make_mut(&mut self.results).insert(row.place.key.clone(), result.clone());
        text
    }

    /// Leaves a pending job without a row until it is over.
    pub(crate) fn hide(&mut self, id: JobId) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.row.is_hidden = true;
        }
    }

    /// Leaves `startedAt` of a job empty.
    pub(crate) fn leave_unstarted(&mut self, id: JobId) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.row.is_unstarted = true;
        }
    }

    /// Lets hidden jobs have their rows, because the execution is over and nothing resumes them any more.
    pub(crate) fn show_hidden(&mut self) {
        for (id, entry) in self.jobs.iter_mut().filter(|(_, entry)| entry.row.is_hidden) {
            entry.row.is_hidden = false;
            if entry.row.has_columns() {
                self.unwritten.insert(*id);
            }
        }
    }

    /// The pending jobs with their nodes, by id.
    pub(crate) fn pending(&self) -> Vec<(JobId, NodeIndex)> {
        let pending = self.jobs.iter().filter(|(_, entry)| entry.job.status == PENDING);
        let mut pending: Vec<_> = pending.map(|(id, entry)| (*id, entry.job.node)).collect();
        pending.sort_unstable();
        pending
    }

    /// What is kept of a job that has no row while it is pending.
    pub(crate) fn hidden(&self, id: JobId) -> Option<Hidden> {
        self.jobs.get(&id).map(|Entry { job, row, .. }| row.hidden(job))
    }

    /// The job before this one, if its row says so.
    pub(crate) fn upstream(&self, id: JobId) -> Option<JobId> {
        self.jobs.get(&id)?.row.upstream
    }

    /// The youngest job that is still pending, if there is one.
    pub(crate) fn youngest_pending(&self) -> Option<JobId> {
        let pending = self.jobs.iter().filter(|(_, entry)| entry.job.status == PENDING);
        pending.map(|(id, _)| *id).max()
    }

    /// Sets all pending jobs to aborted.
    pub(crate) fn abort_pending(&mut self) {
        for (id, entry) in self.jobs.iter_mut().filter(|(_, entry)| entry.job.status == PENDING) {
            entry.job.status = ABORTED;
            self.unsaved.insert(*id);
            self.fresh.insert(*id);
        }
    }
}
