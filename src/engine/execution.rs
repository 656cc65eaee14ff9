//! An execution about to run, and the caller who waits for it.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::run::request::Request;
use super::run::restore::Start;
use super::run::workflow::Workflow;
use crate::expr::Value;
use crate::store::execution::NewExecution;
use crate::trace::Cause;

/// Something that is kept for as long as the context of an execution is in memory, such as a permit for it.
pub(crate) type Hold = Box<dyn Any + Send + Sync>;

/// An execution about to run.
pub(super) struct Execution {
    pub id: i64,
    pub workflow: Arc<Workflow>,
    pub context: Value,
    pub expires_at: Option<DateTime<Utc>>,
    /// The row that has yet to be inserted; `None` when the database has it.
    pub unrecorded: Option<NewExecution>,
    pub start: Start,
    /// Set when a caller waits for the end.
    pub caller: Option<Absence>,
    /// The request that the caller has sent, where the request log is to say how it ends.
    pub request: Option<Arc<Request>>,
    /// What it is run for, as traces tell it.
    pub cause: Cause,
    /// Dropped with the run.
    pub hold: Option<Hold>,
}

/// A caller who waits, until this is dropped.
#[derive(Default)]
pub(super) struct Caller(Absence);

/// Since when a caller is gone.
#[derive(Clone, Default)]
pub(super) struct Absence(Arc<OnceLock<Instant>>);

impl Caller {
    pub(super) fn absence(&self) -> Absence {
        self.0.clone()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.0.0.set(Instant::now());
    }
}

impl Absence {
    /// Whether the caller is gone.
    pub(super) fn is_absent(&self) -> bool {
        self.0.get().is_some()
    }

    /// For how long the caller has been gone; nothing while he waits.
    pub(super) fn duration(&self) -> Duration {
        self.0.get().map(Instant::elapsed).unwrap_or_default()
    }
}
