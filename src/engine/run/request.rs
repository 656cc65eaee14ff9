//! The request that has brought an event, on its way into the request log: its row goes with the first record of the
//! execution, and what is known at the end only with the last one, so that neither is there without the other.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use entity::request;
use entity::status::execution::STARTED;

use super::ended::Ended;
use crate::store::recorder::Record;
use crate::store::request::Answered;

/// What is told to callers who do not wait for the end.
const TIMED_OUT: u16 = 408;

/// What is kept of a body: as text, and how that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub text: String,
    pub encoding: &'static str,
}

/// A request that has brought an event.
pub struct Request {
    /// As far as it is known before the execution begins. With a status it is whole.
    pub row: request::Model,
    /// The body for the case that the run fails, where the row has none.
    pub body: Option<Kept>,
    /// Whether it leaves a row only if the run fails.
    pub only_failed: bool,
    /// The status of the answer to a caller who waits for the end of the run.
    pub status_of: fn(&Ended) -> u16,
    /// Dropped with it.
    pub hold: Option<Box<dyn Any + Send + Sync>>,
    pub state: State,
}

/// How much of it has gone into records.
#[derive(Debug, Default)]
pub struct State {
    has_begun: AtomicBool,
    is_whole: AtomicBool,
}

impl Request {
    /// The row for the first record of an execution whose end is not known yet.
    pub fn begin(&self, execution_id: i64) -> Option<Box<request::Model>> {
        if self.only_failed {
            return None;
        }
        self.state.has_begun.store(true, Ordering::Relaxed);
        self.state.is_whole.store(self.row.status.is_some(), Ordering::Relaxed);
        Some(Box::new(request::Model { execution_id: Some(execution_id), ..self.row.clone() }))
    }

    /// Adds to a record what it can tell of the request. `ended` is the end of the run, once there is one, and
    /// `is_awaited` whether the caller has waited for it.
    pub fn note(&self, ended: Option<&Ended>, is_awaited: bool, now: DateTime<Utc>, record: &mut Record) {
        let id = record.execution_id;
        match ended {
            None if record.create.is_some() => record.request = self.begin(id),
            None => {}
            Some(ended) => {
                let answered = self.end(ended, is_awaited, now);
                self.state.is_whole.store(true, Ordering::Relaxed);
                if self.state.has_begun.load(Ordering::Relaxed) {
                    record.answered = Some(answered);
                } else if !self.only_failed || is_failure(ended.status, answered.status) {
                    record.request = Some(Box::new(self.whole(id, answered)));
                }
            }
        }
    }

    /// Whether all that is to be said of it has gone into records.
    pub fn is_whole(&self) -> bool {
        self.state.is_whole.load(Ordering::Relaxed)
    }

    /// Whether its row has gone into a record.
    pub fn has_begun(&self) -> bool {
        self.state.has_begun.load(Ordering::Relaxed)
    }

    /// What is known at the end.
    pub fn end(&self, ended: &Ended, is_awaited: bool, now: DateTime<Utc>) -> Answered {
        let status = i32::from(if is_awaited { (self.status_of)(ended) } else { TIMED_OUT });
        let body = self.body.clone().filter(|_| is_failure(ended.status, status));
        Answered {
            id: self.row.id,
            status,
            duration_ms: (now.timestamp_millis() - self.row.received_at).max(0),
            body: body.map(|kept| (kept.text, kept.encoding.to_owned())),
        }
    }

    /// The row with what is known at the end.
    pub fn whole(&self, execution_id: i64, answered: Answered) -> request::Model {
        let mut row = request::Model {
            execution_id: Some(execution_id),
            status: Some(answered.status),
            duration_ms: Some(answered.duration_ms),
            ..self.row.clone()
        };
        if let Some((text, encoding)) = answered.body {
            (row.body, row.body_encoding) = (Some(text), Some(encoding));
        }
        row
    }
}

/// Whether a request has failed whose execution and answer have these statuses.
pub(crate) fn is_failure(execution: i32, answer: i32) -> bool {
    execution < STARTED || answer >= 400
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::execution::{ExecutionUpdate, NewExecution};

    fn request(only_failed: bool) -> Request {
        Request {
            row: request::Model { id: 7, received_at: 1_000, ..request::Model::default() },
            body: Some(Kept { text: "body".to_owned(), encoding: "utf-8" }),
            only_failed,
            status_of: |ended| if ended.status == 1 { 200 } else { 500 },
            hold: None,
            state: State::default(),
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_250).expect("a time")
    }

    fn first() -> Record {
        let row = NewExecution {
            id: 5,
            workflow_id: 1,
            key: "k".to_owned(),
            event_key: "e".to_owned(),
            context: "{}".to_owned(),
            status: Some(0),
            reason: None,
            output: None,
            created_at: now(),
            updated_at: now(),
            started_at: None,
            expires_at: None,
            parent_execution_id: None,
            stack: None,
        };
        Record { execution_id: 5, create: Some(row), ..Record::default() }
    }

    fn later() -> Record {
        Record { execution_id: 5, update: Some(ExecutionUpdate::default()), ..Record::default() }
    }

    fn noted(request: &Request, status: Option<i32>, mut record: Record) -> Record {
        let ended = status.map(|status| Ended { status, ..Ended::default() });
        request.note(ended.as_ref(), true, now(), &mut record);
        record
    }

    #[test]
    fn a_run_of_one_record_has_the_whole_row_in_it() {
        let good = request(false);
        let row = noted(&good, Some(1), first()).request.expect("a row");
        assert_eq!((row.status, row.duration_ms, row.execution_id), (Some(200), Some(250), Some(5)));
        assert!(row.body.is_none() && good.is_whole());
        let row = noted(&request(false), Some(-1), first()).request.expect("a row");
        assert_eq!((row.status, row.body.as_deref()), (Some(500), Some("body")));
    }

    #[test]
    fn a_run_of_several_records_completes_its_row() {
        let request = request(false);
        let row = noted(&request, None, first()).request.expect("a row");
        assert!(row.status.is_none() && request.has_begun() && !request.is_whole());
        let between = noted(&request, None, later());
        assert!(between.request.is_none() && between.answered.is_none());
        let last = noted(&request, Some(-1), later());
        let answered = last.answered.expect("the end");
        assert!(last.request.is_none() && request.is_whole());
        assert_eq!((answered.id, answered.status, answered.duration_ms), (7, 500, 250));
        assert_eq!(answered.body, Some(("body".to_owned(), "utf-8".to_owned())));
    }

    #[test]
    fn where_only_failures_are_logged_the_row_comes_at_the_end() {
        assert!(noted(&request(true), Some(1), first()).request.is_none());
        let request = request(true);
        assert!(noted(&request, None, first()).request.is_none());
        let last = noted(&request, Some(-1), later());
        assert!(last.answered.is_none());
        assert_eq!(last.request.expect("a row").status, Some(500));
    }

    #[test]
    fn a_caller_who_is_gone_was_told_408() {
        let mut record = first();
        request(false).note(Some(&Ended { status: 1, ..Ended::default() }), false, now(), &mut record);
        assert_eq!(record.request.expect("a row").status, Some(408));
    }
}
