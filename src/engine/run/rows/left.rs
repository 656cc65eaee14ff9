//! Rows that outlive a part of a run: those that an earlier part has left, and those that change while the run waits.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::job::PENDING;

use super::texts::Texts;
use super::{Columns, JobRow, Place};
use crate::expr::{Live, Value, json};
use crate::node::{Job, JobId};

/// A job that an earlier part of the run has left.
pub(crate) struct OldJob {
    pub id: JobId,
    pub place: Place,
    /// Which of the jobs of its node it is, from 1.
    pub run: u32,
    pub upstream: Option<JobId>,
    pub status: i32,
    /// JSON; `None` for NULL.
    pub result: Option<String>,
    /// JSON; `None` for NULL.
    pub meta: Option<String>,
    /// When the job was saved, for one that has no row yet.
    pub hidden_since: Option<DateTime<Utc>>,
}

/// What a timer keeps of its job, which has no row while it is pending.
pub(crate) struct Hidden {
    pub place: Place,
    pub upstream: Option<JobId>,
    /// JSON; `None` for NULL.
    pub result: Option<String>,
    pub saved_at: DateTime<Utc>,
}

impl JobRow {
    /// The row of a job that an earlier part of the run has left, with result and meta as they are read back.
    pub(crate) fn restored(old: OldJob) -> (Job, Self) {
        let (result, meta) = (old.result.map(Arc::from), old.meta.map(Arc::from));
        let columns = Columns { status: old.status, result, meta };
        let since = old.hidden_since;
        let row = Self {
            now: Some(columns.clone()),
            written: since.is_none().then_some(columns),
            is_hidden: since.is_some(),
            ..Self::new(old.place, old.upstream, None, since.unwrap_or_default())
        };
        let mut job = Job {
            node: row.place.index,
            status: old.status,
            result: Value::Undefined,
            meta: Value::Undefined,
        };
        row.reread(&mut job);
        (job, row)
    }

    /// Gives a job the values that its row has; plain JSON. Needs a row that is up to date.
    pub(crate) fn reread(&self, job: &mut Job) {
        let Some(columns) = &self.now else { return };
        let result = read(&columns.result);
        job.result = match result {
            // That of a job that goes on can change, and whoever takes it over from now on shares it again: the
            // counters of a loop.
            Value::Object(object, _) if job.status == PENDING => {
                Value::Live(Arc::new(Live::new(object.as_ref().clone())))
            }
            result => result,
        };
        job.meta = read(&columns.meta);
    }

    /// Work in the background has given the job this status and result, which are written as they are here.
    pub(crate) fn settle(&mut self, job: &mut Job, status: i32, result: &Value, now: DateTime<Utc>) {
        let meta = self.now.take().and_then(|columns| columns.meta);
        let columns = Columns { status, result: Texts::default().inserted(result), meta };
        (job.status, job.result) = (status, read(&columns.result));
        self.now = Some(columns);
        self.settled_at = Some(now);
    }

    /// The row was taken to be written and then was not: it is written anew with this status and result.
    pub(crate) fn replace_written(&mut self, status: i32, result: String) {
        let meta = self.written.take().and_then(|columns| columns.meta);
        let columns = Columns { status, result: Some(result.into()), meta };
        (self.has_new_result, self.has_new_meta) = (false, false);
        (self.written, self.now) = (Some(columns.clone()), Some(columns));
    }

    /// What a timer keeps of the job.
    pub(crate) fn hidden(&self, job: &Job) -> Hidden {
        Hidden {
            place: self.place.clone(),
            upstream: self.upstream,
            result: Texts::default().inserted(&job.result).map(|text| text.to_string()),
            saved_at: self.saved_at,
        }
    }
}

/// A value as it comes back from a column.
fn read(text: &Option<Arc<str>>) -> Value {
    text.as_ref().and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or(Value::Null)
}
