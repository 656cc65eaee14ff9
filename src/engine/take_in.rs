//! Takes events that have waited in a queue in front of the database: each is recorded, to be run by whoever comes to it.
//! An event may come several times, and becomes one execution.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::request;

use super::claim::{ATTEMPTS, Delivery, gives_way};
use super::run::workflow::Workflow;
use super::shared::Shared;
use crate::store::execution::{NewExecution, State};
use crate::store::fault::describe;
use crate::store::lease::Lease;
use crate::store::recorder::{FreedKey, LeaseChange, Record, RecordError};

/// What was known of the earlier deliveries of an event when it was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    Nothing,
    /// The execution of one, which gives way to another.
    Past(i64),
    /// The execution of one, which stands for all of them.
    Standing(i64),
    /// Nothing can be known at the moment.
    Unknown,
}

/// An event out of a queue.
pub(crate) struct Arrived {
    pub workflow: Arc<Workflow>,
    /// JSON.
    pub context: String,
    /// `executions.eventKey`.
    pub event_key: String,
    /// Set when several deliveries of it are one event: what was known of them, and after how long one with the same key
    /// is another event.
    pub earlier: Option<(Earlier, Option<Duration>)>,
    /// When it was let in.
    pub at: DateTime<Utc>,
    /// For the request log; an id of 0 is replaced.
    pub request: Option<request::Model>,
}

/// An event with the row that it is to become, however often that has to be tried.
pub(crate) struct Prepared {
    row: NewExecution,
    request: Option<Box<request::Model>>,
    earlier: Option<(Earlier, Option<Duration>)>,
    at: DateTime<Utc>,
}

/// See [`super::Engine::prepare`].
pub(super) fn prepare(shared: &Shared, arrived: Arrived) -> Result<Prepared, RecordError> {
    let unavailable = |err: &dyn std::fmt::Display| RecordError::Unavailable(err.to_string());
    let id = shared.ids.execution_id().map_err(|err| unavailable(&err))?;
    let now = shared.ids.now();
    let mut row = NewExecution {
        id,
        workflow_id: arrived.workflow.id,
        key: arrived.workflow.key.clone(),
        event_key: arrived.event_key,
        context: arrived.context,
        created_at: now,
        updated_at: now,
        ..NewExecution::default()
    };
    row.queue();
    let request = match arrived.request {
        Some(mut request) => {
            if request.id == 0 {
                request.id = shared.ids.job_id().map_err(|err| unavailable(&err))?;
            }
            request.execution_id = Some(id);
            Some(Box::new(request))
        }
        None => None,
    };
    Ok(Prepared { row, request, earlier: arrived.earlier, at: arrived.at })
}

/// See [`super::Engine::take_in`].
pub(super) async fn take_in(shared: &Shared, event: &Prepared) -> Result<(), RecordError> {
    let row = &event.row;
    let freed = |execution_id| FreedKey { execution_id, event_key: row.event_key.clone() };
    let mut frees = match event.earlier {
        Some((Earlier::Past(id), _)) => Some(freed(id)),
        _ => None,
    };
    for _ in 0..ATTEMPTS {
        let record = Record {
            execution_id: row.id,
            create: Some(row.clone()),
            frees: frees.take(),
            lease: LeaseChange::Wait(Lease { workflow_id: row.workflow_id, ..Lease::default() }),
            request: event.request.clone(),
            ..Record::default()
        };
        match shared.recorder.write_event(record).await {
            Ok(_) => {
                shared.add_to_backlog(row.workflow_id);
                return Ok(());
            }
            Err(RecordError::Duplicate) if event.earlier.is_none() => return Ok(()),
            Err(RecordError::Duplicate) => {}
            Err(err) => return Err(err),
        }
        let found = shared.limited(shared.store.find_by_event_key(&row.event_key)).await;
        let found = found.map_err(|err| RecordError::Unavailable(describe(&err)))?;
        match found {
            Some(found) if event.replaces(&found) => frees = Some(freed(found.id)),
            Some(_) => return Ok(()),
            None => {}
        }
    }
    Err(RecordError::Unavailable("other deliveries of the same event come and go".to_owned()))
}

impl Prepared {
    /// Whether this event is to be run although an execution has its key: one that was there when it was let in, and has
    /// failed or is old. An execution of a later time is that of this very event, or of another delivery that came with
    /// it.
    fn replaces(&self, found: &State) -> bool {
        match self.earlier {
            Some((Earlier::Past(id), _)) => found.id == id,
            Some((Earlier::Unknown, ttl)) => {
                let is_before = found.created_at.is_some_and(|at| at < self.at);
                is_before && gives_way(found, ttl, self.at)
            }
            _ => false,
        }
    }
}

/// See [`super::Engine::earlier`].
pub(super) async fn earlier(shared: &Shared, delivery: &Delivery) -> Earlier {
    match shared.store.find_by_event_key(&delivery.event_key).await {
        Ok(None) => Earlier::Nothing,
        Ok(Some(found)) if gives_way(&found, delivery.ttl, shared.ids.now()) => Earlier::Past(found.id),
        Ok(Some(found)) => Earlier::Standing(found.id),
        Err(_) => Earlier::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(earlier: Earlier) -> Prepared {
        let at = DateTime::from_timestamp(1_000, 0).expect("a time");
        let ttl = Some(Duration::from_secs(60));
        Prepared { row: NewExecution::default(), request: None, earlier: Some((earlier, ttl)), at }
    }

    fn found(id: i64, status: i32, second: i64) -> State {
        State { id, workflow_id: None, status: Some(status), created_at: DateTime::from_timestamp(second, 0) }
    }

    #[test]
    fn an_event_that_comes_again_does_not_follow_its_own_execution() {
        let failed_since = found(5, -1, 1_001);
        for earlier in [Earlier::Nothing, Earlier::Past(4), Earlier::Unknown] {
            assert!(!prepared(earlier).replaces(&failed_since), "{earlier:?}");
        }
    }

    #[test]
    fn an_event_follows_what_had_failed_or_was_old_when_it_came() {
        assert!(prepared(Earlier::Past(5)).replaces(&found(5, -1, 999)));
        let unknown = prepared(Earlier::Unknown);
        assert!(unknown.replaces(&found(5, -1, 999)), "it had failed");
        assert!(unknown.replaces(&found(5, 1, 900)), "it was old");
        assert!(!unknown.replaces(&found(5, 1, 999)), "it is the same event");
        assert!(!unknown.replaces(&found(5, 0, 900)), "it is under way");
    }
}
