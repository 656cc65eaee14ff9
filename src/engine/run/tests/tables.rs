//! What a database has of one execution.

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::status::job::PENDING;
use entity::{JsonText, job, timer};

use super::super::position::Position;
use super::super::restore::{Recorded, Start};
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
}

impl Tables {
    pub(super) fn write(&mut self, record: Record) {
        let json = |text: Option<String>| text.map(JsonText);
        for row in record.new_jobs {
            let known = self.jobs.insert(
                row.id,
                job::Model {
                    id: row.id,
                    execution_id: Some(row.execution_id),
                    node_id: Some(row.node_id),
                    node_key: Some(row.node_key),
                    upstream_id: row.upstream_id,
                    status: Some(row.status),
                    meta: json(row.meta),
                    result: json(row.result),
                },
            );
            assert!(known.is_none(), "a job is inserted twice");
        }
        for row in record.job_updates {
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
