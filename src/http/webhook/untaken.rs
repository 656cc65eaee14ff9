//! Requests that leave no execution of their own: what they are answered, and who is told why.

use std::time::Duration;

use entity::status::execution::STARTED;
use tokio::time::timeout;

use super::super::noted::Noted;
use crate::app::{App, Hook};
use crate::engine::{Ended, First};
use crate::store::recorder::RecordError;
use crate::webhook::challenge::Greeting;
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

/// The answer to a browser that asks before it sends anything.
pub(super) fn preflight(headers: Vec<(String, String)>, noted: &mut Noted<'_>) -> Reply {
    noted.because("It is a browser's question who may call.");
    Reply { status: 204, headers, body: None }
}

/// The answer to a challenge.
pub(super) fn challenge(greeting: Greeting, noted: &mut Noted<'_>) -> Reply {
    noted.because("It is a challenge.");
    greeting.into()
}

/// The answer to a request that the filter does not let through. `thrown` is what the filter has thrown.
pub(super) fn filtered(hook: &Hook, reply: Reply, thrown: Option<String>, noted: &mut Noted<'_>) -> Reply {
    let (key, reason) = (&hook.workflow.key, thrown);
    tracing::debug!(workflow.key = key, reason, "a request does not meet the filter");
    noted.because("It does not meet the filter.");
    reply
}

/// The end of the execution of an earlier delivery, where there is one within the time.
pub(super) async fn end_of_first(
    first: &First,
    limit: Duration,
    noted: &mut Noted<'_>,
) -> Result<Ended, Refusal> {
    tracing::debug!(execution.id = first.id(), "a delivery is a duplicate");
    noted.not_taken(Some(first.id()));
    let ended = timeout(limit, first.ended()).await.ok().flatten();
    let ended = ended.filter(|ended| ended.is_left || ended.status != STARTED);
    ended.ok_or_else(Refusal::under_way)
}

/// Nobody but the log learns what has to be mended.
pub(super) fn tell_operator(hook: Option<&Hook>, refusal: &Refusal) {
    if let (Some(hook), Some(reason)) = (hook, &refusal.reason) {
        let key = &hook.workflow.key;
        tracing::warn!(workflow.key = key, reason, "the webhook lets nobody in; run `sidehook check`");
    }
}

/// What a caller is told when its event could not be recorded. Nothing of it is in the database then.
pub(super) fn unrecorded(app: &App, err: &RecordError, noted: &mut Noted<'_>) -> Refusal {
    noted.not_taken(None);
    if !matches!(err, RecordError::Full | RecordError::Duplicate) {
        app.doubt();
    }
    match err {
        RecordError::Full | RecordError::Unavailable(_) | RecordError::Fenced => {
            tracing::warn!(reason = %err, "an event was turned away");
            Refusal::unavailable()
        }
        RecordError::Duplicate | RecordError::Refused(_) => {
            tracing::error!(reason = %err, "an event could not be recorded");
            Refusal::internal("The event could not be recorded.")
        }
    }
}
