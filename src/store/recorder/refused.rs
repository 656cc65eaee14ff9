//! Batches that the database refuses: which of their records is to blame.

use std::collections::{HashMap, HashSet};

use sea_orm::DbErr;

use super::failure::Failure;
use super::{Writer, event_key};
use crate::store::fault::Fault;
use crate::store::record::{Record, RecordError, Waiting, Written};

impl Writer {
    /// What is left to be written of a batch that could not be written as one transaction; tells the callers of what is
    /// not. Of a batch that was refused that is all but the events that are known to be taken, or halves that find the
    /// one bad row of many without failing its neighbours.
    pub(super) async fn apart(&self, mut part: Vec<Waiting>, err: RecordError) -> Vec<Vec<Waiting>> {
        if part.len() == 1 || !matches!(err, RecordError::Refused(_) | RecordError::Duplicate) {
            part.into_iter().for_each(|one| self.answer(one, Err(err.clone())));
            return Vec::new();
        }
        let records: Vec<&Record> = part.iter().map(|waiting| &*waiting.record).collect();
        let is_duplicate = matches!(err, RecordError::Duplicate);
        let taken = if is_duplicate { self.taken(&records).await } else { HashSet::new() };
        if taken.is_empty() {
            let second = part.split_off(part.len() / 2);
            return vec![second, part];
        }
        // Two instances that get the same deliveries have many of these at once.
        for duplicate in part.extract_if(.., |waiting| taken.contains(&waiting.record.execution_id)) {
            self.answer(duplicate, Err(RecordError::Duplicate));
        }
        vec![part]
    }

    /// The ids of the executions among the records whose event another execution has; none where that cannot be found
    /// out.
    async fn taken(&self, records: &[&Record]) -> HashSet<i64> {
        let created: HashMap<&str, &Record> =
            records.iter().filter_map(|record| Some((event_key(record)?, *record))).collect();
        let keys: Vec<&str> = created.keys().copied().collect();
        let holders = self.store.find_holders(&keys).await.unwrap_or_default();
        let is_other = |record: &Record, holder: i64| {
            holder != record.execution_id
                && record.frees.as_ref().is_none_or(|freed| freed.execution_id != holder)
        };
        let held = holders.iter().filter_map(|(holder, key)| Some((*holder, *created.get(&**key)?)));
        held.filter(|(holder, record)| is_other(record, *holder))
            .map(|(_, record)| record.execution_id)
            .collect()
    }

    /// A refused record, unless its own row turns out to be there: then an earlier attempt was committed and
    /// only the answer got lost.
    pub(super) async fn refused(&self, records: &[&Record], err: DbErr) -> Result<Vec<Written>, RecordError> {
        if Fault::of(&err) != Fault::Duplicate {
            return Err(Failure::Database(err).into_error());
        }
        if let [record] = records
            && self.is_there(record).await
        {
            return Ok(vec![Written::Committed]);
        }
        Err(RecordError::Duplicate)
    }

    /// Whether the database has the first row that a record inserts. Ids are given out once, so the row came
    /// from an earlier attempt at this very record.
    async fn is_there(&self, record: &Record) -> bool {
        match (&record.create, record.new_jobs.first()) {
            (Some(row), _) => {
                self.store.find_executions(&[row.id]).await.is_ok_and(|found| !found.is_empty())
            }
            (None, Some(job)) => self.store.has_job(job.id).await.unwrap_or(false),
            (None, None) => false,
        }
    }
}
