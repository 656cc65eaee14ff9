//! What a database has of one execution.

use std::collections::{BTreeMap, HashMap, HashSet};

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::status::job::PENDING;
use entity::{JsonText, job, timer};

use super::super::failure::{GoingOn, PastJob};
use super::super::position::Position;
use super::super::restore::{Recorded, Start};
use crate::store::job::NewJob;
use crate::store::left::LeftJob;
use crate::store::recorder::{LeaseChange, Record};

/// What the database has.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) jobs: BTreeMap<i64, job::Model>,
    pub(super) timers: BTreeMap<i64, timer::Model>,
    pub(super) position: Option<String>,
    pub(super) status: i32,
    pub(super) output: Option<String>,
    /// When each job was saved, and which of all changes of a status has ended it.
    times: BTreeMap<i64, (DateTime<Utc>, i64)>,
    changes: i64,
}

impl Tables {
    pub(super) fn write(&mut self, record: Record) {
        record.new_jobs.into_iter().for_each(|row| self.insert(row));
        for row in record.job_updates {
            self.changes += 1;
            if row.updated_at.is_some() {
                self.times.entry(row.id).and_modify(|(_, ended)| *ended = self.changes);
            }
            let known = self.jobs.get_mut(&row.id).expect("a job that is changed is there");
            (known.status, known.result, known.meta) = (Some(row.status), json(row.result), json(row.meta));
        }
        for row in record.timers {
            self.timers.insert(row.job_id, row);
        }
        for job in record.ended_timers {
            self.timers.remove(&job);
        }
        if let LeaseChange::Take(lease) | LeaseChange::Wait(lease) = record.lease {
            self.position = lease.position;
        }
        let update = record.update.expect("the execution has a row");
        self.status = update.status.unwrap_or(self.status);
        if let Some(output) = update.output {
            self.output = output;
        }
    }

    fn insert(&mut self, row: NewJob) {
        self.changes += 1;
        self.times.insert(row.id, (row.created_at, self.changes));
        let model = job::Model {
            id: row.id,
            execution_id: Some(row.execution_id),
            node_id: Some(row.node_id),
            node_key: Some(row.node_key),
            upstream_id: row.upstream_id,
            status: Some(row.status),
            meta: json(row.meta),
            result: json(row.result),
        };
        assert!(self.jobs.insert(row.id, model).is_none(), "a job is inserted twice");
    }

    /// What a new execution begins with.
    pub(super) fn begin(&mut self, going_on: GoingOn, output: Option<String>) {
        going_on.jobs.into_iter().for_each(|row| self.insert(row));
        self.timers = going_on.timers.into_iter().map(|row| (row.job_id, row)).collect();
        (self.position, self.output) = (Some(going_on.position.text()), output);
    }

    /// All jobs, as those of an execution that has ended.
    pub(super) fn past(&self) -> Vec<PastJob> {
        let past = |row: &job::Model| {
            let (created_at, ended) = self.times[&row.id];
            let row = NewJob {
                id: row.id,
                execution_id: row.execution_id.unwrap_or_default(),
                node_id: row.node_id.unwrap_or_default(),
                node_key: row.node_key.clone().unwrap_or_default(),
                upstream_id: row.upstream_id,
                status: row.status.unwrap_or_default(),
                result: row.result.clone().map(|json| json.0.into()),
                meta: row.meta.clone().map(|json| json.0.into()),
                log: None,
                created_at,
                started_at: None,
            };
            PastJob { row, ended_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ended) }
        };
        self.jobs.values().map(past).collect()
    }

    /// What the store gives of it.
    pub(super) fn recorded(&self) -> Start {
        let position = Position::parse(self.position.as_deref().expect("a position")).expect("its text");
        let named = position.jobs();
        let mut runs: HashMap<Option<i64>, u32> = HashMap::new();
        let mut newest: HashMap<Option<i64>, i64> = HashMap::new();
        let mut numbered = Vec::new();
        for row in self.jobs.values() {
            newest.insert(row.node_id, row.id);
            let run = runs.entry(row.node_id).or_default();
            *run += 1;
            numbered.push(LeftJob { row: row.clone(), run: *run });
        }
        let is_pending = |row: &job::Model| row.status == Some(PENDING);
        let before: HashSet<i64> =
            self.jobs.values().filter(|row| is_pending(row)).filter_map(|row| row.upstream_id).collect();
        numbered.retain(|LeftJob { row, .. }| {
            let is_needed = is_pending(row) || named.contains(&row.id) || before.contains(&row.id);
            is_needed || newest[&row.node_id] == row.id
        });
        let timers = self.timers.values().cloned().collect();
        Start::At(Recorded { position: Some(position), jobs: numbered, timers })
    }

    /// What NocoBase's screens show of it, with the places of jobs for their ids.
    pub(super) fn shown(&self) -> (i32, Option<String>, Vec<String>) {
        let places: HashMap<i64, usize> = self.jobs.keys().enumerate().map(|(i, id)| (*id, i)).collect();
        let text = |json: &Option<JsonText>| json.as_ref().map_or("null".to_owned(), |json| json.0.clone());
        let job = |row: &job::Model| {
            let upstream = row.upstream_id.map(|id| places[&id]);
            let key = row.node_key.clone().unwrap_or_default();
            format!("{key} {:?} {} {} {upstream:?}", row.status, text(&row.result), text(&row.meta))
        };
        (self.status, self.output.clone(), self.jobs.values().map(job).collect())
    }
}

/// A text as a column of a row has it.
fn json(text: Option<Arc<str>>) -> Option<JsonText> {
    text.map(|text| JsonText(text.to_string()))
}
