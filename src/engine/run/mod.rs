//! One execution, as it is run: its workflow, where it stands, and the jobs that it has had.

pub mod graph;
pub mod journal;
pub mod position;
pub mod step;
pub mod waits;
pub mod workflow;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::timer;

pub use self::workflow::Workflow;
use crate::expr::Value;
use crate::store::execution::NewExecution;
use crate::store::job::NewestJob;

/// An execution about to run.
pub struct Execution {
    pub id: i64,
    pub workflow: Arc<Workflow>,
    pub context: Value,
    pub expires_at: Option<DateTime<Utc>>,
    /// The row that has yet to be inserted; `None` when the database has it.
    pub unrecorded: Option<NewExecution>,
    pub start: Start,
    /// Whether a caller waits for the end.
    pub is_awaited: bool,
}

/// Where a run begins.
pub enum Start {
    /// At the first node.
    Fresh,
    /// At the first node; an earlier run may have left jobs, which this one replaces.
    Over,
    /// Where an earlier run has come to.
    At(Left),
}

/// What an earlier run has left.
pub struct Left {
    /// See [`position::Position`].
    pub position: String,
    pub jobs: Vec<NewestJob>,
    pub timers: Vec<timer::Model>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The final status of the execution; 0 when it waits for something.
    pub status: i32,
    /// Whether its time was over.
    pub is_timeout: bool,
    /// What a response node answered: `{statusCode, headers, body}`.
    pub reply: Option<Value>,
}
