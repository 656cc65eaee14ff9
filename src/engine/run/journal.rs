//! The jobs of one run: what nodes see of them, and what their rows will be.
//!
//! NocoBase writes jobs at certain moments only, and how a null is stored depends on them: SQL NULL in a
//! row that is inserted, the JSON text `null` in one that is changed later. The journal keeps NocoBase's
//! moments ([`Journal::flush`]) apart from the moments at which sidehook really writes
//! ([`Journal::take_rows`]), so that rows are the same however often sidehook writes.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::expr::{Live, Object, Value, json};
use crate::node::{Draft, Job, JobId, NodeIndex};
use crate::store::job::{JobUpdate, NewJob};

#[derive(Default)]
pub struct Journal {
    jobs: HashMap<JobId, Entry>,
    newest: HashMap<NodeIndex, JobId>,
    /// How many jobs each node has had.
    runs: HashMap<NodeIndex, u32>,
    /// Node key → result as templates see it.
    results: Arc<Object>,
    /// Jobs saved since the last flush, in the order of their first save.
    unsaved: Vec<JobId>,
    /// Jobs whose rows sidehook has yet to write, in the same order.
    unwritten: Vec<JobId>,
}

struct Entry {
    job: Job,
    node_id: i64,
    node_key: Arc<str>,
    upstream: Option<JobId>,
    log: Option<String>,
    saved_at: DateTime<Utc>,
    /// What has changed since the row was last brought up to date.
    changed: Changed,
    /// The row as NocoBase would have written it by now.
    row: Option<Row>,
    /// The row that the database has.
    written: Option<Row>,
    /// When work in the background has settled the job, as long as that is not written.
    settled_at: Option<DateTime<Utc>>,
    /// While it is pending the job has no row, because NocoBase would resume it.
    is_hidden: bool,
    /// Whether `startedAt` stays empty, because NocoBase is to run the job.
    is_unstarted: bool,
    is_unsaved: bool,
    is_unwritten: bool,
}

#[derive(Clone, Copy, Default)]
struct Changed {
    result: bool,
    meta: bool,
}

#[derive(Clone, PartialEq)]
struct Row {
    status: i32,
    result: Option<String>,
    meta: Option<String>,
}

/// A job that an earlier part of the run has left.
pub struct Left {
    pub id: JobId,
    pub owner: Owner,
    /// How many jobs the node has had so far, later ones included.
    pub runs: u32,
    pub upstream: Option<JobId>,
    pub status: i32,
    /// JSON; `None` for NULL.
    pub result: Option<String>,
    /// JSON; `None` for NULL.
    pub meta: Option<String>,
    /// When the job was saved, for one that has no row yet.
    pub hidden_since: Option<DateTime<Utc>>,
}

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those that NocoBase would have written by now.
    Flushed,
    /// All, as they are now: for a run that may have to be resumed from what is written.
    Everything,
}

/// What a timer keeps of its job.
pub struct Hidden {
    pub node_id: i64,
    pub node_key: Arc<str>,
    pub upstream: Option<JobId>,
    /// JSON; `None` for NULL.
    pub result: Option<String>,
    pub saved_at: DateTime<Utc>,
}

/// The node that a job belongs to.
pub struct Owner {
    pub index: NodeIndex,
    pub id: i64,
    pub key: Arc<str>,
}

impl Journal {
    /// Adds a new job. Its result is from now on the newest of its node.
    pub fn save(&mut self, id: JobId, owner: Owner, draft: Draft, now: DateTime<Utc>) {
        let job = Job { node: owner.index, status: draft.status, result: draft.result, meta: draft.meta };
        let entry = Entry {
            job,
            node_id: owner.id,
            node_key: owner.key,
            upstream: draft.upstream,
            log: draft.log,
            saved_at: now,
            changed: Changed::default(),
            row: None,
            written: None,
            settled_at: None,
            is_hidden: false,
            is_unstarted: false,
            is_unsaved: false,
            is_unwritten: false,
        };
        *self.runs.entry(entry.job.node).or_default() += 1;
        self.jobs.insert(id, entry);
        self.save_again(id);
    }

    /// Goes on from the jobs that an earlier part of the run has left, by id: the newest of each node, and those
    /// that wait without a row.
    pub fn restore(&mut self, left: Vec<Left>) {
        for Left { id, owner, runs, upstream, status, result, meta, hidden_since } in left {
            let row = Row { status, result, meta };
            let node = owner.index;
            let job = Job { node, status, result: resumed(status, &row.result), meta: read(&row.meta) };
            Arc::make_mut(&mut self.results).insert(owner.key.clone(), job.result.clone());
            let entry = Entry {
                job,
                node_id: owner.id,
                node_key: owner.key,
                upstream,
                log: None,
                saved_at: hidden_since.unwrap_or_default(),
                changed: Changed::default(),
                written: hidden_since.is_none().then(|| row.clone()),
                row: Some(row),
                settled_at: None,
                is_hidden: hidden_since.is_some(),
                is_unstarted: false,
                is_unsaved: false,
                is_unwritten: false,
            };
            self.runs.insert(node, runs);
            self.newest.insert(node, id);
            self.jobs.insert(id, entry);
        }
    }

    /// Sees the results as they are in the database, as NocoBase does after each pause: of each node the
    /// newest job, its values plain JSON. Everything has to be flushed.
    pub fn reread(&mut self) {
        let newest = &self.newest;
        self.jobs.retain(|id, entry| {
            newest.get(&entry.job.node) == Some(id) || entry.is_unwritten || entry.is_pending()
        });
        self.results = Arc::default();
        let mut newest: Vec<JobId> = self.newest.values().copied().collect();
        newest.sort_unstable();
        for id in newest {
            let Some(Entry { row: Some(row), job, node_key, .. }) = self.jobs.get_mut(&id) else { continue };
            (job.result, job.meta) = (resumed(job.status, &row.result), read(&row.meta));
            Arc::make_mut(&mut self.results).insert(node_key.clone(), job.result.clone());
        }
    }

    /// What work in the background has made of a pending job. It is written as it is here, whatever the
    /// node says when it resumes.
    pub fn settle(&mut self, id: JobId, status: i32, result: &Value, now: DateTime<Utc>) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        let meta = entry.row.take().and_then(|row| row.meta);
        let row = Row { status, result: stored(result), meta };
        (entry.job.status, entry.job.result) = (status, read(&row.result));
        entry.row = Some(row);
        entry.settled_at = Some(now);
        if !std::mem::replace(&mut entry.is_unwritten, true) {
            self.unwritten.push(id);
        }
    }

    /// Makes an error of a job whose row was taken to be written and then was not. Returns its result as text.
    pub fn fail_written(&mut self, id: JobId, result: &Value) -> String {
        let text = json::stringify_or_null(result);
        let Some(entry) = self.jobs.get_mut(&id) else { return text };
        let meta = entry.written.take().and_then(|row| row.meta);
        let row = Row { status: entity::status::job::ERROR, result: Some(text.clone()), meta };
        (entry.job.status, entry.job.result) = (row.status, result.clone());
        Arc::make_mut(&mut self.results).insert(entry.node_key.clone(), result.clone());
        entry.changed = Changed::default();
        (entry.written, entry.row) = (Some(row.clone()), Some(row));
        text
    }

    /// Leaves a pending job without a row until it is over.
    pub fn hide(&mut self, id: JobId) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.is_hidden = true;
        }
    }

    /// Leaves `startedAt` of a job empty.
    pub fn leave_unstarted(&mut self, id: JobId) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.is_unstarted = true;
        }
    }

    /// Lets hidden jobs have their rows, because the execution is over and nothing resumes them any more.
    pub fn show_hidden(&mut self) {
        let hidden = self.jobs.iter_mut().filter(|(_, entry)| entry.is_hidden);
        for (id, entry) in hidden {
            entry.is_hidden = false;
            if entry.row.is_some() && !std::mem::replace(&mut entry.is_unwritten, true) {
                self.unwritten.push(*id);
            }
        }
    }

    /// The newest pending jobs with their nodes, by id.
    pub fn pending(&self) -> Vec<(JobId, NodeIndex)> {
        let newest = self.newest.values().filter(|id| self.is_pending(**id));
        let mut pending: Vec<_> = newest.map(|id| (*id, self.jobs[id].job.node)).collect();
        pending.sort_unstable();
        pending
    }

    /// What is kept of a job that has no row while it is pending.
    pub fn hidden(&self, id: JobId) -> Option<Hidden> {
        let entry = self.jobs.get(&id)?;
        Some(Hidden {
            node_id: entry.node_id,
            node_key: entry.node_key.clone(),
            upstream: entry.upstream,
            result: stored(&entry.job.result),
            saved_at: entry.saved_at,
        })
    }

    /// The job before this one, if its row says so.
    pub fn upstream(&self, id: JobId) -> Option<JobId> {
        self.jobs.get(&id)?.upstream
    }

    /// Makes a job the newest of its node and shows its result to templates.
    pub fn save_again(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        self.newest.insert(entry.job.node, id);
        Arc::make_mut(&mut self.results).insert(entry.node_key.clone(), entry.job.result.clone());
        if !std::mem::replace(&mut entry.is_unsaved, true) {
            self.unsaved.push(id);
        }
    }

    pub fn job(&self, id: JobId) -> &Job {
        &self.jobs[&id].job
    }

    pub fn set_status(&mut self, id: JobId, status: i32) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.status = status;
        }
    }

    pub fn set_result(&mut self, id: JobId, result: Value) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.result = result;
            entry.changed.result = true;
        }
    }

    /// Puts a live object in the place of an equal result.
    pub fn share_result(&mut self, id: JobId, live: Arc<Live>) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.result = Value::Live(live.clone());
            Arc::make_mut(&mut self.results).insert(entry.node_key.clone(), Value::Live(live));
        }
    }

    pub fn set_meta(&mut self, id: JobId, meta: Value) {
        if let Some(entry) = self.jobs.get_mut(&id) {
            entry.job.meta = meta;
            entry.changed.meta = true;
        }
    }

    pub fn newest(&self, node: NodeIndex) -> Option<JobId> {
        self.newest.get(&node).copied()
    }

    /// How many jobs a node has had.
    pub fn runs(&self, node: NodeIndex) -> u32 {
        self.runs.get(&node).copied().unwrap_or_default()
    }

    /// `$jobsMapByNodeKey`.
    pub fn results(&self) -> &Arc<Object> {
        &self.results
    }

    /// Whether a job is pending; one that is no longer known has settled.
    pub fn is_pending(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(Entry::is_pending)
    }

    /// The newest job that is still pending, if there is one.
    pub fn newest_pending(&self) -> Option<JobId> {
        let pending = self.jobs.iter().filter(|(_, entry)| entry.is_pending());
        pending.map(|(id, _)| *id).max()
    }

    /// Sets all pending jobs to aborted.
    pub fn abort_pending(&mut self) {
        for (id, entry) in &mut self.jobs {
            if entry.job.status == entity::status::job::PENDING {
                entry.job.status = entity::status::job::ABORTED;
                if !std::mem::replace(&mut entry.is_unsaved, true) {
                    self.unsaved.push(*id);
                }
            }
        }
        self.unsaved.sort_unstable();
    }

    /// How many jobs wait to be written.
    pub fn unwritten(&self) -> usize {
        self.unsaved.len() + self.unwritten.len()
    }

    /// Brings the rows up to date: what NocoBase does when a run pauses or ends.
    pub fn flush(&mut self) {
        for id in std::mem::take(&mut self.unsaved) {
            self.bring_up_to_date(id);
        }
    }

    /// Brings those rows up to date that cannot change any more, because their node has a newer job. Lets a
    /// long loop write what it has without changing what its rows will be.
    pub fn flush_settled(&mut self) {
        let (newest, jobs) = (&self.newest, &self.jobs);
        let is_settled =
            |id: &JobId| jobs.get(id).is_some_and(|entry| newest.get(&entry.job.node) != Some(id));
        let (settled, open): (Vec<_>, Vec<_>) = self.unsaved.iter().partition(|id| is_settled(id));
        self.unsaved = open;
        settled.into_iter().for_each(|id| self.bring_up_to_date(id));
    }

    fn bring_up_to_date(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        entry.is_unsaved = false;
        entry.row = Some(entry.next_row());
        entry.changed = Changed::default();
        if !std::mem::replace(&mut entry.is_unwritten, true) {
            self.unwritten.push(id);
        }
    }

    /// Takes the rows that have yet to be written, and forgets the jobs that nothing can refer to any more.
    pub fn take_rows(&mut self, execution_id: i64, extent: Extent) -> (Vec<NewJob>, Vec<JobUpdate>) {
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        let mut open = std::mem::take(&mut self.unwritten);
        if extent == Extent::Everything {
            open.extend(&self.unsaved);
        }
        for id in open {
            let Some(entry) = self.jobs.get_mut(&id) else { continue };
            let row = if entry.is_unsaved && extent == Extent::Everything {
                Some(entry.next_row())
            } else {
                entry.row.clone()
            };
            entry.is_unwritten = false;
            if entry.is_hidden && entry.job.status == entity::status::job::PENDING {
                continue;
            }
            let Some(row) = row.filter(|row| entry.written.as_ref() != Some(row)) else { continue };
            match entry.written.replace(row.clone()) {
                Some(_) => changed.push(JobUpdate {
                    id: id.0,
                    status: row.status,
                    result: row.result,
                    meta: row.meta,
                    updated_at: entry.settled_at.take(),
                }),
                None => new.push(entry.new_row(id, execution_id, row)),
            }
        }
        let newest = &self.newest;
        self.jobs.retain(|id, entry| {
            newest.get(&entry.job.node) == Some(id)
                || entry.written.is_none()
                || entry.is_unsaved
                || entry.is_pending()
        });
        (new, changed)
    }
}

impl Entry {
    /// Something is going to settle it, even when its node has a newer job: a branch of a race that has lost
    /// goes on while the loop around it does.
    fn is_pending(&self) -> bool {
        self.job.status == entity::status::job::PENDING
    }

    /// The row as NocoBase would write it now: it inserts a null as SQL NULL and updates it as JSON `null`.
    fn next_row(&self) -> Row {
        let (status, changed) = (self.job.status, self.changed);
        match self.row.clone() {
            None => Row { status, result: stored(&self.job.result), meta: stored(&self.job.meta) },
            Some(row) => Row {
                status,
                result: if changed.result {
                    Some(json::stringify_or_null(&self.job.result))
                } else {
                    row.result
                },
                meta: if changed.meta { Some(json::stringify_or_null(&self.job.meta)) } else { row.meta },
            },
        }
    }

    fn new_row(&self, id: JobId, execution_id: i64, row: Row) -> NewJob {
        NewJob {
            id: id.0,
            execution_id,
            node_id: self.node_id,
            node_key: self.node_key.to_string(),
            upstream_id: self.upstream.map(|upstream| upstream.0),
            status: row.status,
            result: row.result,
            meta: row.meta,
            log: self.log.clone(),
            created_at: self.saved_at,
            started_at: (!self.is_unstarted).then_some(self.saved_at),
        }
    }
}

/// A result that was read back. That of a job that goes on can change, and whoever takes it over from now on
/// shares it again: the counters of a loop.
fn resumed(status: i32, text: &Option<String>) -> Value {
    match read(text) {
        Value::Object(object) if status == entity::status::job::PENDING => {
            Value::Live(Arc::new(Live::new(object.as_ref().clone())))
        }
        result => result,
    }
}

/// A value as it comes back from a column.
fn read(text: &Option<String>) -> Value {
    text.as_ref().and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or(Value::Null)
}

/// A value for a column of a row that is inserted: null and undefined are SQL NULL.
fn stored(value: &Value) -> Option<String> {
    if value.is_nullish() { None } else { json::stringify(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeIndex = NodeIndex(0);

    fn owner() -> Owner {
        Owner { index: NODE, id: 10, key: "n".into() }
    }

    fn journal_with(result: Value) -> Journal {
        let mut journal = Journal::default();
        journal.save(JobId(1), owner(), Draft { result, ..Draft::default() }, DateTime::UNIX_EPOCH);
        journal
    }

    #[test]
    fn null_is_sql_null_when_inserted_and_json_null_when_changed() {
        let mut journal = journal_with(Value::Null);
        journal.flush();
        let (new, _) = journal.take_rows(5, Extent::Flushed);
        assert_eq!(new[0].result, None);
        journal.set_result(JobId(1), Value::Null);
        journal.save_again(JobId(1));
        journal.flush();
        let (new, changed) = journal.take_rows(5, Extent::Flushed);
        assert!(new.is_empty());
        assert_eq!(changed[0].result.as_deref(), Some("null"));
    }

    #[test]
    fn rows_do_not_depend_on_when_they_are_written() {
        let mut journal = journal_with(Value::Null);
        journal.flush();
        journal.set_result(JobId(1), Value::Null);
        journal.save_again(JobId(1));
        journal.flush();
        let (new, changed) = journal.take_rows(5, Extent::Flushed);
        assert!(changed.is_empty());
        assert_eq!(new[0].result.as_deref(), Some("null"));
    }

    #[test]
    fn a_live_result_is_seen_changing_but_a_row_that_was_saved_keeps_it() {
        let live = Arc::new(Live::new([("n", Value::from(1))].into_iter().collect()));
        let mut journal = journal_with(Value::Live(live.clone()));
        journal.flush();
        live.set([("n", Value::from(2))].into_iter().collect());
        let seen = journal.results().get("n").map(|result| result.member("n"));
        assert_eq!(seen.and_then(|n| n.as_number()), Some(2.0));
        journal.set_status(JobId(1), -1);
        journal.save_again(JobId(1));
        journal.flush();
        let (new, _) = journal.take_rows(5, Extent::Flushed);
        assert_eq!((new[0].status, new[0].result.as_deref()), (-1, Some(r#"{"n":1}"#)));
    }

    #[test]
    fn rows_written_early_are_corrected_later() {
        let mut journal = journal_with(Value::from(1));
        let (new, _) = journal.take_rows(5, Extent::Everything);
        assert_eq!(new[0].result.as_deref(), Some("1"));
        let (new, changed) = journal.take_rows(5, Extent::Everything);
        assert!(new.is_empty() && changed.is_empty());
        journal.set_result(JobId(1), Value::Null);
        journal.flush();
        let (new, changed) = journal.take_rows(5, Extent::Flushed);
        assert!(new.is_empty());
        assert_eq!(changed[0].result, None, "it is the first row that NocoBase would have written");
    }

    #[test]
    fn a_hidden_job_gets_its_row_when_it_is_over() {
        let mut journal = journal_with(Value::from(1_000));
        journal.hide(JobId(1));
        journal.flush();
        assert!(journal.take_rows(5, Extent::Everything).0.is_empty());
        journal.reread();
        assert_eq!(journal.pending(), [(JobId(1), NODE)]);
        journal.set_status(JobId(1), 1);
        journal.save_again(JobId(1));
        journal.flush();
        let (new, changed) = journal.take_rows(5, Extent::Flushed);
        assert_eq!((new[0].status, new[0].result.as_deref()), (1, Some("1000")));
        assert!(changed.is_empty());
    }

    #[test]
    fn a_pending_job_is_kept_beside_a_newer_one_of_its_node() {
        let mut journal = journal_with(Value::from(1));
        journal.save(JobId(2), owner(), Draft::default(), DateTime::UNIX_EPOCH);
        journal.flush();
        assert_eq!(journal.take_rows(5, Extent::Flushed).0.len(), 2);
        journal.reread();
        assert!(journal.is_pending(JobId(1)));
        journal.settle(JobId(1), 1, &Value::from(5), DateTime::UNIX_EPOCH);
        let (_, changed) = journal.take_rows(5, Extent::Flushed);
        assert_eq!((changed[0].id, changed[0].result.as_deref()), (1, Some("5")));
    }

    #[test]
    fn only_settled_jobs_leave_early() {
        let mut journal = journal_with(Value::from(1));
        journal.save(JobId(2), owner(), Draft::default(), DateTime::UNIX_EPOCH);
        journal.flush_settled();
        let (new, _) = journal.take_rows(5, Extent::Flushed);
        assert_eq!(new.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
        assert_eq!(journal.unwritten(), 1);
    }
}
