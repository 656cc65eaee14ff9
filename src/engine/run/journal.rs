//! The jobs of one run, as nodes see them. What their rows will be is [`super::rows`]' business; the journal knows
//! which of them have to be written.

mod changes;
mod pause;
mod superseded;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::status::job::PENDING;

use super::rows::{Change, Extent, JobRow, Place, texts::Texts};
use crate::expr::{Object, Value};
use crate::node::{Draft, Job, JobId, NodeIndex};
use crate::store::job::{JobUpdate, NewJob};

#[derive(Default)]
pub(crate) struct Journal {
    jobs: HashMap<JobId, Entry>,
    /// The job of each node that was saved last.
    newest: HashMap<NodeIndex, JobId>,
    /// The youngest job of each node. Work that a loop has left behind is saved after it when it ends.
    youngest: HashMap<NodeIndex, JobId>,
    /// How many jobs each node has had.
    runs: HashMap<NodeIndex, u32>,
    /// Node key → result as templates see it.
    results: Arc<Object>,
    /// Jobs saved since the last flush, by id, which is the order of their first save.
    unsaved: BTreeSet<JobId>,
    /// Of the unsaved ones those that may be something else than what was last written of them.
    fresh: BTreeSet<JobId>,
    /// Jobs whose rows are up to date and have yet to be written.
    unwritten: BTreeSet<JobId>,
    /// Jobs that are not the newest of their node; they are forgotten as soon as nothing can refer to them any more.
    superseded: BTreeSet<JobId>,
    /// Those of them that have not been looked at since.
    newly_superseded: Vec<JobId>,
    /// How many rows have been looked at to find out what is to be written.
    #[cfg(test)]
    pub looked_at: usize,
}

struct Entry {
    job: Job,
    row: JobRow,
    /// Which of the jobs of its node it is, from 1.
    run: u32,
}

impl Journal {
    /// Adds a new job. Its result is from now on the newest of its node.
    pub(crate) fn save(&mut self, id: JobId, place: Place, draft: Draft, now: DateTime<Utc>) {
        let node = place.index;
        let job = Job { node, status: draft.status, result: draft.result, meta: draft.meta };
        let row = JobRow::new(place, draft.upstream, draft.log, now);
        let run = self.runs.entry(node).or_default();
        *run += 1;
        self.jobs.insert(id, Entry { job, row, run: *run });
        // The one before may have been superseded by an older one.
        self.newly_superseded.extend(self.youngest.insert(node, id));
        self.save_again(id);
    }

    /// Makes a job the newest of its node and shows its result to templates.
    pub(crate) fn save_again(&mut self, id: JobId) {
        if self.jobs.contains_key(&id) {
            self.set_newest(id);
            self.unsaved.insert(id);
            self.fresh.insert(id);
        }
    }

    fn set_newest(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get(&id) else { return };
        if let Some(other) = self.newest.insert(entry.job.node, id).filter(|other| *other != id) {
            self.superseded.insert(other);
            self.newly_superseded.push(other);
        }
        self.superseded.remove(&id);
        Arc::make_mut(&mut self.results).insert(entry.row.place.key.clone(), entry.job.result.clone());
    }

    pub(crate) fn job(&self, id: JobId) -> &Job {
        &self.jobs[&id].job
    }

    pub(crate) fn newest(&self, node: NodeIndex) -> Option<JobId> {
        self.newest.get(&node).copied()
    }

    /// How many jobs a node has had.
    pub(crate) fn runs(&self, node: NodeIndex) -> u32 {
        self.runs.get(&node).copied().unwrap_or_default()
    }

    /// Which of the jobs of its node a job is, from 1.
    pub(crate) fn run_of(&self, id: JobId) -> Option<u32> {
        self.jobs.get(&id).map(|entry| entry.run)
    }

    /// `$jobsMapByNodeKey`.
    pub(crate) fn results(&self) -> &Arc<Object> {
        &self.results
    }

    /// Whether a job is pending; one that is no longer known has settled.
    pub(crate) fn is_pending(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|entry| entry.job.status == PENDING)
    }

    /// How many jobs wait to be written, or to be saved in NocoBase's sense.
    pub(crate) fn waiting(&self) -> usize {
        self.unsaved.len() + self.unwritten.len()
    }

    /// How many of them have not been saved in NocoBase's sense.
    pub(crate) fn unsaved(&self) -> usize {
        self.unsaved.len()
    }

    /// Brings the rows up to date: what NocoBase does when a run pauses or ends.
    pub(crate) fn flush(&mut self) {
        let mut texts = Texts::default();
        for id in std::mem::take(&mut self.unsaved) {
            self.bring_up_to_date(id, &mut texts);
        }
    }

    fn bring_up_to_date(&mut self, id: JobId, texts: &mut Texts) {
        self.fresh.remove(&id);
        if let Some(Entry { job, row, .. }) = self.jobs.get_mut(&id) {
            row.bring_up_to_date(job, texts);
            self.unwritten.insert(id);
        }
    }

    /// Takes the rows that have yet to be written, and forgets the jobs that nothing can refer to any more.
    pub(crate) fn take_rows(&mut self, execution_id: i64, extent: Extent) -> (Vec<NewJob>, Vec<JobUpdate>) {
        let (mut new, mut updates, mut texts) = (Vec::new(), Vec::new(), Texts::default());
        let mut open = std::mem::take(&mut self.unwritten);
        if extent == Extent::Everything {
            open.append(&mut self.fresh);
        }
        #[cfg(test)]
        {
            self.looked_at += open.len();
        }
        for id in &open {
            let Some(Entry { job, row, .. }) = self.jobs.get_mut(id) else { continue };
            let as_is = extent == Extent::Everything && self.unsaved.contains(id);
            match row.take(*id, execution_id, job, as_is.then_some(&mut texts)) {
                Some(Change::New(row)) => new.push(row),
                Some(Change::Update(row)) => updates.push(row),
                None => {}
            }
            // What it holds may change without the job being touched.
            if as_is && holds_live(&job.result) {
                self.fresh.insert(*id);
            }
        }
        let superseded = std::mem::take(&mut self.newly_superseded);
        open.into_iter().chain(superseded).for_each(|id| self.forget(id));
        (new, updates)
    }
}

/// Whether a value is, or has somewhere in it, an object that its owner still changes.
fn holds_live(value: &Value) -> bool {
    match value {
        Value::Live(_) => true,
        Value::Array(array, _) => array.items().iter().any(holds_live),
        Value::Object(object, _) => object.iter().any(|(_, value)| holds_live(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Live;

    const NODE: NodeIndex = NodeIndex(0);

    fn place() -> Place {
        Place { index: NODE, id: 10, key: "n".into() }
    }

    fn journal_with(result: Value) -> Journal {
        let mut journal = Journal::default();
        journal.save(JobId(1), place(), Draft { result, ..Draft::default() }, DateTime::UNIX_EPOCH);
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
        journal.save(JobId(2), place(), Draft::default(), DateTime::UNIX_EPOCH);
        journal.flush();
        assert_eq!(journal.take_rows(5, Extent::Flushed).0.len(), 2);
        journal.reread();
        assert!(journal.is_pending(JobId(1)));
        journal.settle(JobId(1), 1, &Value::from(5), DateTime::UNIX_EPOCH);
        let (_, changed) = journal.take_rows(5, Extent::Flushed);
        assert_eq!((changed[0].id, changed[0].result.as_deref()), (1, Some("5")));
    }

    #[test]
    fn only_superseded_jobs_leave_early() {
        let mut journal = journal_with(Value::from(1));
        journal.save(JobId(2), place(), Draft::default(), DateTime::UNIX_EPOCH);
        journal.flush_superseded();
        let (new, _) = journal.take_rows(5, Extent::Flushed);
        assert_eq!(new.iter().map(|row| row.id).collect::<Vec<_>>(), [1]);
        assert_eq!(journal.waiting(), 1);
    }

    #[test]
    fn what_has_been_written_is_not_looked_at_again() {
        const NODES: i64 = 5_000;
        let mut journal = Journal::default();
        for id in 1..=NODES {
            let place = Place { index: NodeIndex(id as usize), id, key: format!("n{id}").into() };
            journal.save(JobId(id), place, Draft::default(), DateTime::UNIX_EPOCH);
            let (new, changed) = journal.take_rows(5, Extent::Everything);
            assert_eq!((new.len(), changed.len()), (1, 0));
        }
        assert_eq!(journal.looked_at, NODES as usize);
    }

    #[test]
    fn what_holds_a_live_object_is_written_as_that_changes() {
        let live = Arc::new(Live::new([("n", Value::from(1))].into_iter().collect()));
        let mut journal = journal_with(Value::array(vec![Value::Live(live.clone())]));
        journal.take_rows(5, Extent::Everything);
        live.set([("n", Value::from(2))].into_iter().collect());
        let (_, changed) = journal.take_rows(5, Extent::Everything);
        assert_eq!(changed[0].result.as_deref(), Some(r#"[{"n":2}]"#));
    }

    #[test]
    fn jobs_of_earlier_rounds_are_forgotten() {
        let mut journal = Journal::default();
        for id in 1..=100 {
            journal.save(JobId(id), place(), Draft { status: 1, ..Draft::default() }, DateTime::UNIX_EPOCH);
            journal.flush_superseded();
            journal.take_rows(5, Extent::Everything);
        }
        assert_eq!(journal.jobs.len(), 1);
        assert!(journal.superseded.is_empty() && journal.newly_superseded.is_empty());
    }
}
