//! How a run ended.

use crate::expr::Value;

/// How a run ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// The final status of the execution; 0 when it waits for something.
    pub status: i32,
    /// Whether its time was over.
    pub is_timeout: bool,
    /// What a response node answered: `{statusCode, headers, body}`.
    pub reply: Option<Value>,
    /// Whether the execution goes on after the caller has to be let go, because this instance stops.
    pub is_left: bool,
}
