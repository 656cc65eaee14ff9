//! What the rows of jobs will be, whenever they are written.
//!
//! NocoBase writes jobs at certain moments only, and how a null is stored depends on them: SQL NULL in a row that is
//! inserted, the JSON text `null` in one that is changed later. A [`JobRow`] keeps NocoBase's moments
//! ([`JobRow::bring_up_to_date`]) apart from those at which sidehook really writes ([`JobRow::take`]).

pub(crate) mod left;
pub(crate) mod texts;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::job::PENDING;

use self::texts::Texts;
use crate::node::{Job, JobId, NodeIndex};
use crate::store::job::{JobUpdate, NewJob};

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that NocoBase would have written by now.
    Flushed,
    /// All, as they are now: for a run that may have to be resumed from what is written.
    Everything,
}

/// The node of a job, as its row names it.
#[derive(Clone)]
pub(crate) struct Place {
    pub index: NodeIndex,
    /// `flow_nodes.id`.
    pub id: i64,
    pub key: Arc<str>,
}

/// The columns of a row that change.
#[derive(Clone, PartialEq)]
struct Columns {
    status: i32,
    result: Option<Arc<str>>,
    meta: Option<Arc<str>>,
}

/// What a row becomes.
pub(crate) enum Change {
    New(NewJob),
    Update(JobUpdate),
}

/// The row of one job.
pub(crate) struct JobRow {
    pub place: Place,
    pub upstream: Option<JobId>,
    log: Option<String>,
    saved_at: DateTime<Utc>,
    /// Whether result and meta have changed since the row was last brought up to date.
    has_new_result: bool,
    has_new_meta: bool,
    /// As NocoBase would have written it by now.
    now: Option<Columns>,
    /// As the database has it.
    written: Option<Columns>,
    /// When work in the background has settled the job, as long as that is not written.
    settled_at: Option<DateTime<Utc>>,
    /// While it is pending the job has no row, because NocoBase would resume it.
    pub is_hidden: bool,
    /// Whether `startedAt` stays empty, because NocoBase is to run the job.
    pub is_unstarted: bool,
}

impl JobRow {
    pub(crate) fn new(place: Place, upstream: Option<JobId>, log: Option<String>, at: DateTime<Utc>) -> Self {
        Self {
            place,
            upstream,
            log,
            saved_at: at,
            has_new_result: false,
            has_new_meta: false,
            now: None,
            written: None,
            settled_at: None,
            is_hidden: false,
            is_unstarted: false,
        }
    }

    pub(crate) fn result_has_changed(&mut self) {
        self.has_new_result = true;
    }

    pub(crate) fn meta_has_changed(&mut self) {
        self.has_new_meta = true;
    }

    pub(crate) fn is_written(&self) -> bool {
        self.written.is_some()
    }

    pub(crate) fn has_columns(&self) -> bool {
        self.now.is_some()
    }

    /// What NocoBase does when a run pauses or ends.
    pub(crate) fn bring_up_to_date(&mut self, job: &Job, texts: &mut Texts) {
        self.now = Some(self.next(job, texts));
        (self.has_new_result, self.has_new_meta) = (false, false);
    }

    /// What is to be written of the row, if anything; from then on the database counts as having it. With
    /// `as_is` the row is what the job is now, though NocoBase would not have written it yet.
    pub(crate) fn take(
        &mut self,
        id: JobId,
        execution_id: i64,
        job: &Job,
        as_is: Option<&mut Texts>,
    ) -> Option<Change> {
        if self.is_hidden && job.status == PENDING {
            return None;
        }
        let columns = as_is.map_or_else(|| self.now.clone(), |texts| Some(self.next(job, texts)))?;
        if self.written.as_ref() == Some(&columns) {
            return None;
        }
        let Columns { status, result, meta } = columns.clone();
        Some(match self.written.replace(columns) {
            Some(_) => Change::Update(JobUpdate {
                id: id.0,
                status,
                result,
                meta,
                updated_at: self.settled_at.take(),
            }),
            None => Change::New(NewJob {
                id: id.0,
                execution_id,
                node_id: self.place.id,
                node_key: self.place.key.to_string(),
                upstream_id: self.upstream.map(|upstream| upstream.0),
                status,
                result,
                meta,
                log: self.log.clone(),
                created_at: self.saved_at,
                started_at: (!self.is_unstarted).then_some(self.saved_at),
            }),
        })
    }

    /// The row as NocoBase would write it now: it inserts a null as SQL NULL and updates it as JSON `null`.
    fn next(&self, job: &Job, texts: &mut Texts) -> Columns {
        let status = job.status;
        let Some(row) = &self.now else {
            return Columns { status, result: texts.inserted(&job.result), meta: texts.inserted(&job.meta) };
        };
        Columns {
            status,
            result: if self.has_new_result { texts.changed(&job.result) } else { row.result.clone() },
            meta: if self.has_new_meta { texts.changed(&job.meta) } else { row.meta.clone() },
        }
    }
}
