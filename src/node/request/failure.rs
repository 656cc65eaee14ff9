//! A request that has failed: NocoBase's result and status for it (`responseFailure` and `failureStatus` of
//! `RequestInstruction.ts`), with the codes and texts of axios and Node.js.

use entity::status::job::{ABORTED, FAILED, RESOLVED};

use super::answer::Answer;
use crate::expr::{Object, Thrown, Value};

/// Why there is no result.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub message: String,
    pub code: Option<String>,
    /// What the server answered, as far as it had come.
    pub answer: Option<Box<Answer>>,
}

/// axios's code for a timeout, which NocoBase records as aborted.
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

    pub fn with_answer(mut self, answer: Answer) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    /// `{message, code, status, statusText, data}`, as far as there are such. Nothing of the request enters
    /// it: its URL, headers and body can hold secrets.
    pub fn to_result(&self) -> Value {
        let mut result = Object::new();
        result.insert("message", Value::text(self.message.as_str()));
        if let Some(code) = &self.code {
            result.insert("code", Value::text(code.as_str()));
        }
        if let Some(answer) = &self.answer {
            result.insert("status", Value::from(i32::from(answer.status)));
            result.insert("statusText", Value::text(answer.status_text.as_str()));
            result.insert("data", answer.data.clone());
        }
        Value::Object(result.into())
    }

    /// The status of the job.
    pub fn status(&self, ignore_fail: bool) -> i32 {
        match self.code.as_deref() {
            _ if ignore_fail => RESOLVED,
            Some(TIMED_OUT) => ABORTED,
            _ => FAILED,
        }
    }
}

impl From<Thrown> for Failure {
    fn from(thrown: Thrown) -> Self {
        Self::plain(thrown.message)
    }
}
