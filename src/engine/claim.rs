//! Sees to it that of several deliveries of one event only the first is run. What tells is the unique column `eventKey`
//! of NocoBase's executions; here is what becomes of a delivery that finds its key taken.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::status::execution::STARTED;

use super::run::request::Request;
use super::shared::Shared;
use crate::store::execution::{NewExecution, State};
use crate::store::fault::describe;
use crate::store::lease::Lease;
use crate::store::recorder::{FreedKey, LeaseChange, Record, RecordError};

/// How often a claim is tried: another instance may be faster, and its execution be over and gone before it is looked
/// at.
pub(super) const ATTEMPTS: usize = 5;

/// By what the deliveries of one event are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `executions.eventKey` of the event.
    pub event_key: String,
    /// After so long a delivery with the same key is another event; without it never, as long as the execution is kept.
    pub ttl: Option<Duration>,
}

/// What became of a delivery.
pub(super) enum Claim {
    /// It is the first: its execution is recorded.
    New,
    /// Another one was.
    Taken(State),
}

/// Writes the first row of an execution that a caller waits for, then begins it at once; where an earlier delivery has a
/// row, that one's state is returned. It is to be done in a task of its own: what is recorded has to be run, whether or
/// not the caller is still there.
pub(super) async fn record_and_begin<T>(
    shared: Arc<Shared>,
    delivery: Delivery,
    row: NewExecution,
    request: Option<Arc<Request>>,
    begin: impl FnOnce() -> T,
) -> Result<Result<T, State>, RecordError> {
    let id = row.id;
    let lease = LeaseChange::Take(Lease { workflow_id: row.workflow_id, ..Lease::default() });
    let request = request.and_then(|request| request.begin(id));
    let record = Record { execution_id: id, create: Some(row), lease, request, ..Record::default() };
    Ok(match record_first(&shared, Some(&delivery), record).await? {
        Claim::New => Ok(begin()),
        Claim::Taken(state) => Err(state),
    })
}

/// Writes the first row of an execution, unless an earlier delivery has one.
pub(super) async fn record_first(
    shared: &Shared,
    delivery: Option<&Delivery>,
    record: Record,
) -> Result<Claim, RecordError> {
    let id = record.execution_id;
    let recorded = match delivery {
        Some(delivery) => claim(shared, delivery, record).await,
        None => shared.recorder.write_event(record).await.map(|_| Claim::New),
    };
    // The database may have taken it, with only its answer lost.
    if matches!(recorded, Err(RecordError::Unavailable(_))) {
        shared.strand(vec![id]);
    }
    recorded
}

/// Records the first row of an execution, unless an earlier delivery of the same event has been taken on.
///
/// One that has failed gives its key up, because its sender was told so and tries again; so does one that has ended and
/// is older than the delivery's ttl. That happens in the transaction that records the new execution.
async fn claim(shared: &Shared, delivery: &Delivery, mut record: Record) -> Result<Claim, RecordError> {
    let _turn = shared.turns.enter(&delivery.event_key).await;
    for _ in 0..ATTEMPTS {
        let found = shared.limited(shared.store.find_by_event_key(&delivery.event_key)).await;
        let found = found.map_err(|err| RecordError::Unavailable(describe(&err)))?;
        record.frees = match found {
            Some(found) if gives_way(&found, delivery.ttl, shared.ids.now()) => {
                Some(FreedKey { execution_id: found.id, event_key: delivery.event_key.clone() })
            }
            Some(found) => return Ok(Claim::Taken(found)),
            None => None,
        };
        match shared.recorder.write_event(record.clone()).await {
            Ok(_) => return Ok(Claim::New),
            // Another instance was faster.
            Err(RecordError::Duplicate) => {}
            Err(err) => return Err(err),
        }
    }
    Err(RecordError::Unavailable("other deliveries of the same event come and go".to_owned()))
}

/// Whether the execution of an earlier delivery gives its key up to one that has come `at` that time: it has failed, or has
/// ended and is at least as old as `ttl`.
pub(super) fn gives_way(found: &State, ttl: Option<Duration>, at: DateTime<Utc>) -> bool {
    let Some(status) = found.status.filter(|status| *status != STARTED) else { return false };
    let ttl = ttl.and_then(|ttl| TimeDelta::from_std(ttl).ok());
    let is_old = || ttl.is_some_and(|ttl| found.created_at.is_some_and(|created_at| at - created_at >= ttl));
    status < STARTED || is_old()
}
