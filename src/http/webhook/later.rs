//! Requests for asynchronous workflows: they are answered as soon as their event is recorded, with what the trigger says.

use super::super::noted::Noted;
use super::untaken::unrecorded;
use crate::app::{App, Hook, Put, Unput};
use crate::engine::Event;
use crate::expr::{Scope, Value};
use crate::webhook::intake::Read;
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::Reply;

/// The context once more, where the configured answer reads it: columns that a template reads through an array stay on
/// it, and the run must not find them.
pub(super) fn context_for_reply(hook: &Hook, read: &Read) -> Value {
    match read {
        Read::Event { context, .. } if !hook.workflow.is_sync && hook.trigger.response.has_placeholders() => {
            context.detached()
        }
        _ => Value::Undefined,
    }
}

/// What the trigger says, which reads `context`.
pub(super) fn reply(app: &App, hook: &Hook, context: Value) -> Result<Reply, Refusal> {
    let scope = Scope {
        env: app.engine.environment(),
        system: app.engine.ids().clone(),
        ..Scope::of_context(context)
    };
    hook.trigger.response.reply(&scope)
}

/// Records the event, or stores it in the queue in front of the database, then answers.
pub(super) async fn enqueue(
    app: &App,
    event: Event,
    reply: Reply,
    noted: &mut Noted<'_>,
) -> Result<Reply, Refusal> {
    let Some(front) = &app.front else { return record(app, event, reply, noted).await };
    match front.put(app, event).await {
        Ok(Put::Stored) => Ok(reply),
        Ok(Put::Duplicate(first)) => {
            noted.not_taken(first);
            Ok(match first {
                Some(first) => reply.of_duplicate(first),
                None => reply,
            })
        }
        // What the queue does not take for its size goes past it.
        Err(Unput::TooLarge(event)) => record(app, *event, reply, noted).await,
        Err(Unput::Refused(fault)) => {
            noted.not_taken(None);
            tracing::warn!(reason = %fault, "an event was turned away");
            Err(Refusal::unavailable())
        }
    }
}

async fn record(app: &App, event: Event, reply: Reply, noted: &mut Noted<'_>) -> Result<Reply, Refusal> {
    let recorded = app.engine.enqueue(event).await.map_err(|err| unrecorded(app, &err, noted))?;
    if recorded.is_duplicate {
        noted.not_taken(Some(recorded.id));
        tracing::debug!(execution.id = recorded.id, "a delivery is a duplicate");
        return Ok(reply.of_duplicate(recorded.id));
    }
    tracing::debug!(execution.id = recorded.id, "execution is recorded");
    Ok(reply)
}
