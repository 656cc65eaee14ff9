//! Jobs that change after they were saved: those of loops, of nodes that resume, and of what is cut off.

use std::sync::Arc;

use super::Journal;
use crate::expr::{Live, Value};
use crate::node::JobId;

impl Journal {
    pub(crate) fn set_status(&mut self, id: JobId, status: i32) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.status = status;
            self.fresh.insert(id);
        }
    }

    pub(crate) fn set_result(&mut self, id: JobId, result: Value) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.result = result;
            entry.row.result_has_changed();
            self.fresh.insert(id);
        }
    }

    /// Puts a live object in the place of an equal result.
    pub(crate) fn share_result(&mut self, id: JobId, live: Arc<Live>) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.result = Value::Live(live.clone());
            Arc::make_mut(&mut self.results).insert(entry.row.place.key.clone(), Value::Live(live));
            self.fresh.insert(id);
        }
    }

    pub(crate) fn set_meta(&mut self, id: JobId, meta: Value) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.meta = meta;
            entry.row.meta_has_changed();
            self.fresh.insert(id);
        }
    }
}
