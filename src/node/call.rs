//! What a node says of another workflow that is to be run for it, and what it learns of that.

use std::time::Duration;

use crate::expr::{Value, json};

/// Another workflow that is to be run for a job.
pub struct Call {
    /// `workflows.key`.
    pub workflow: String,
    pub context: Value,
    /// `jobs.id` of the job that calls: what it has called already is not called again.
    pub job: i64,
    /// Whether only a synchronous workflow can be called.
    pub is_sync: bool,
}

/// An execution that was called.
pub struct Called {
    /// None while it goes on.
    pub status: Option<i32>,
    /// What its output nodes have set.
    pub output: Value,
    /// After which time it is to be looked at again: for as long as it has existed.
    pub look_again: Duration,
}

impl Called {
    /// From what the database has.
    pub fn new(status: Option<i32>, output: Option<&str>, look_again: Duration) -> Self {
        let output = output.and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or(Value::Null);
        Self { status, output, look_again }
    }
}
