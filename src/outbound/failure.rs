//! A request that has failed, with the codes and texts of axios and Node.js.

use super::answer::Answer;
use crate::expr::Thrown;

/// Why there is no result.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub message: String,
    pub code: Option<String>,
    /// What the server answered, as far as it had come.
    pub answer: Option<Box<Answer>>,
}

/// axios's code for a timeout.
const TIMED_OUT: &str = "ECONNABORTED";

impl Failure {
    /// An error without a code.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, answer: None }
    }

    pub fn coded(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Some(code.into()), answer: None }
    }

    pub fn invalid_url() -> Self {
        Self::coded("ERR_INVALID_URL", "Invalid URL")
    }

    /// `timeout` is the configured value, as text.
    pub fn timed_out(timeout: &str) -> Self {
        Self::coded(TIMED_OUT, format!("timeout of {timeout}ms exceeded"))
    }

    /// The server closed the connection before it had answered.
    pub fn hung_up() -> Self {
        Self::coded("ECONNRESET", "socket hang up")
    }

    /// The execution was aborted while the request was under way.
    pub fn canceled() -> Self {
        Self::coded("ERR_CANCELED", "canceled")
    }

    /// A hop that could not be followed (`RedirectionError` of follow-redirects).
    pub fn in_redirect(cause: &Failure) -> Self {
        let message = format!("Redirected request failed: {}", cause.message);
        Self::coded("ERR_FR_REDIRECTION_FAILURE", message)
    }

    /// Whether the time that the request had was over.
    pub fn is_timeout(&self) -> bool {
        self.code.as_deref() == Some(TIMED_OUT)
    }

    pub fn with_answer(mut self, answer: Answer) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }
}

impl From<Thrown> for Failure {
    fn from(thrown: Thrown) -> Self {
        Self::plain(thrown.message)
    }
}
