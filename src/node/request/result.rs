//! What the job of a request gets: NocoBase's result and status of an answer and of a failure
//! (`responseSuccess`, `responseFailure` and `failureStatus` of `RequestInstruction.ts`).

use entity::status::job::{ABORTED, FAILED, RESOLVED};

use crate::expr::{Object, Value};
use crate::node::Settled;
use crate::outbound::{Answer, Failure};

/// A resolved job with `{status, statusText, headers, data}`, or with only the data.
pub(super) fn answered(answer: Answer, only_data: bool) -> Settled {
    let result = if only_data {
        answer.data
    } else {
        Value::object([
            ("status", Value::from(i32::from(answer.status))),
            ("statusText", Value::from(answer.status_text)),
            ("headers", answer.headers),
            ("data", answer.data),
        ])
    };
    Settled { status: RESOLVED, result }
}

/// A job with `{message, code, status, statusText, data}`, as far as there are such. Nothing of the request
/// enters it: its URL, headers and body can hold secrets.
pub(super) fn failed(failure: &Failure, ignore_fail: bool) -> Settled {
    let mut result = Object::new();
    result.insert("message", Value::text(failure.message.as_str()));
    if let Some(code) = &failure.code {
        result.insert("code", Value::text(code.as_str()));
    }
    if let Some(answer) = &failure.answer {
        result.insert("status", Value::from(i32::from(answer.status)));
        result.insert("statusText", Value::text(answer.status_text.as_str()));
        result.insert("data", answer.data.clone());
    }
    let status = if ignore_fail {
        RESOLVED
    } else if failure.is_timeout() {
        ABORTED
    } else {
        FAILED
    };
    Settled { status, result: Value::from(result) }
}
