//! Calls other workflows for subflow nodes: an execution with its caller and its stack, recorded once for each job that
//! calls, and left to whoever has a free worker. The caller is woken when it ends.

use std::time::Duration;

use entity::status::execution::STARTED;
use sea_orm::DbErr;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::run::workflow::Workflow;
use super::shared::Shared;
use crate::expr::{Thrown, Value, json};
use crate::node::{Call, Called};
use crate::store::execution::NewExecution;
use crate::store::fault::describe;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record, RecordError};

/// At most so many executions call each other, whatever the stack limits of their workflows say.
const DEEPEST: usize = 64;

/// How long a run waits where it is for what it has called; it keeps its worker meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);
/// The same where it keeps no worker.
const PATIENCE_FOR_CALLER: Duration = Duration::from_secs(1);

/// When it is looked for the first time whether a called execution has ended. The time doubles with each look.
const SOONEST: Duration = Duration::from_millis(5);
/// The longest time between two looks, where nobody tells: it has ended in NocoBase.
const LATEST: Duration = Duration::from_secs(30);
/// The same where a caller waits.
const LATEST_FOR_CALLER: Duration = Duration::from_millis(100);

/// When an execution is looked at again that cannot be looked at now.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How what a job of an execution calls is going: it begins now, unless it has begun before. Short ones are waited for;
/// `has_caller` says that the calling run stays in memory for somebody and keeps no worker meanwhile.
pub(super) async fn call(
    shared: &Shared,
    caller: i64,
    call: Call,
    has_caller: bool,
) -> Result<Called, Thrown> {
    let event_key = event_key(caller, call.job);
    let patience = if has_caller { PATIENCE_FOR_CALLER } else { PATIENCE };
    let (begun, mut delay) = (Instant::now(), SOONEST);
    loop {
        match try_call(shared, caller, &call, &event_key).await {
            Ok(Ok(mut called)) if called.status.is_none() => {
                if begun.elapsed() >= patience || shared.is_stopping() {
                    let latest = if has_caller { LATEST_FOR_CALLER } else { LATEST };
                    called.look_again = called.look_again.clamp(PATIENCE, latest);
                    return Ok(called);
                }
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(LATEST_FOR_CALLER);
            }
            Ok(called) => return called,
            Err(_) if shared.is_stopping() => return Ok(Called::new(None, None, LATEST)),
            // What is known of it is in the database.
            Err(reason) => {
                tracing::warn!(execution.id = caller, reason, "a called execution cannot be looked at yet");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// The outer error says what is in the way of the database.
async fn try_call(
    shared: &Shared,
    caller: i64,
    call: &Call,
    event_key: &str,
) -> Result<Result<Called, Thrown>, String> {
    let found = shared.limited(shared.store.find_called(event_key)).await.map_err(|err| describe(&err))?;
    if let Some(found) = found {
        let age = (shared.ids.now() - found.created_at).to_std().unwrap_or_default();
        let status = found.status.filter(|status| *status != STARTED);
        return Ok(Ok(Called::new(status, found.output.as_ref().map(|text| text.0.as_str()), age)));
    }
    let workflow = match called_workflow(shared, call).await.map_err(|err| describe(&err))? {
        Ok(workflow) => workflow,
        Err(thrown) => return Ok(Err(thrown)),
    };
    let stack = match stack(shared, caller, &workflow).await.map_err(|err| describe(&err))? {
        Ok(stack) => stack,
        Err(thrown) => return Ok(Err(thrown)),
    };
    let row = row(shared, caller, &stack, &workflow, call, event_key)?;
    let lease = LeaseChange::Wait(Lease { workflow_id: workflow.id, ..Lease::default() });
    let record = Record { execution_id: row.id, create: Some(row), lease, ..Record::default() };
    match shared.recorder.write_event(record).await {
        Ok(_) => {
            shared.add_to_backlog(workflow.id);
            Ok(Ok(Called::new(None, None, Duration::ZERO)))
        }
        // An earlier attempt has recorded it whose answer got lost.
        Err(RecordError::Duplicate) => Ok(Ok(Called::new(None, None, Duration::ZERO))),
        Err(RecordError::Refused(reason)) => Ok(Err(Thrown::error(reason))),
        Err(err) => Err(err.to_string()),
    }
}

/// The version that is called.
async fn called_workflow(shared: &Shared, call: &Call) -> Result<Result<Workflow, Thrown>, DbErr> {
    let id = shared.limited(shared.store.version_to_call(&call.workflow)).await?;
    let definition = match id {
        Some(id) => shared.limited(shared.store.find_definition(id)).await?,
        None => None,
    };
    let Some(definition) = definition else {
        let message = format!("There is no workflow with the key {:?}", call.workflow);
        return Ok(Err(Thrown::error(message)));
    };
    let workflow = Workflow::build_called(&definition);
    if call.is_sync && !workflow.is_sync {
        let message =
            format!("A synchronous workflow cannot call {:?}, which is asynchronous", call.workflow);
        return Ok(Err(Thrown::error(message)));
    }
    Ok(Ok(workflow))
}

/// The executions above the one that is called, the outermost first.
async fn stack(shared: &Shared, caller: i64, workflow: &Workflow) -> Result<Result<Vec<i64>, Thrown>, DbErr> {
    let rows = shared.limited(shared.store.find_executions(&[caller])).await?;
    if rows.first().is_none_or(|row| row.status != Some(STARTED)) {
        return Ok(Err(Thrown::error("The execution was ended by somebody else")));
    }
    let above = rows.first().and_then(|row| row.stack.as_ref()).map(|text| text.0.as_str());
    let mut stack = above.map(ids).unwrap_or_default();
    stack.push(caller);
    let count = shared.limited(shared.store.count_of_version(workflow.id, &stack)).await?;
    let limit = workflow.options.stack_limit.max(1);
    if count >= limit {
        let message = format!(
            "The workflow {:?} is called by itself: {count} of its executions wait for this one, and its stack limit is {limit}",
            workflow.key
        );
        return Ok(Err(Thrown::error(message)));
    }
    if stack.len() >= DEEPEST {
        let message = format!("{DEEPEST} executions wait for each other: more cannot call another one");
        return Ok(Err(Thrown::error(message)));
    }
    Ok(Ok(stack))
}

/// The ids of a stack, which are numbers or texts.
fn ids(text: &str) -> Vec<i64> {
    let stack = json::parse(text.as_bytes()).unwrap_or_default();
    let id = |value: &Value| match value {
        Value::Number(number) => Some(*number as i64),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    stack.as_array().map(|array| array.items().iter().filter_map(id).collect()).unwrap_or_default()
}

fn row(
    shared: &Shared,
    caller: i64,
    stack: &[i64],
    workflow: &Workflow,
    call: &Call,
    event_key: &str,
) -> Result<NewExecution, String> {
    let id = shared.ids.execution_id().map_err(|err| err.to_string())?;
    let now = shared.ids.now();
    let stack: Vec<String> = stack.iter().map(i64::to_string).collect();
    Ok(NewExecution {
        id,
        workflow_id: workflow.id,
        key: workflow.key.clone(),
        event_key: event_key.to_owned(),
        context: json::stringify_or_null(&call.context),
        created_at: now,
        updated_at: now,
        parent_execution_id: Some(caller),
        stack: Some(format!("[{}]", stack.join(","))),
        ..NewExecution::default()
    })
}

/// A UUID, as NocoBase has it, that is the same whenever a job calls.
fn event_key(caller: i64, job: i64) -> String {
    let hash = Sha256::digest(format!("subflow:{caller}:{job}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Wakes the caller of an execution that has ended. Where that fails he looks by himself.
pub(super) async fn wake_caller(shared: &Shared, called: i64) {
    match shared.limited(shared.store.wake_caller(called, shared.ids.now())).await {
        Ok(Some(workflow_id)) => shared.add_to_backlog(workflow_id),
        Ok(None) => {}
        Err(err) => tracing::warn!(execution.id = called, reason = %err, "a caller cannot be woken"),
    }
}

/// Aborts what an execution has called whose time is over, before that is recorded: after a crash it is found again.
pub(super) async fn abort_called(shared: &Shared, caller: i64) {
    while !shared.is_stopping() {
        match shared.limited(shared.store.abort_called(caller, shared.ids.now())).await {
            Ok(0) => return,
            Ok(aborted) => {
                tracing::info!(
                    execution.id = caller,
                    aborted,
                    "called executions were aborted with their caller"
                );
                return;
            }
            Err(err) => {
                tracing::warn!(execution.id = caller, reason = %err, "called executions cannot be aborted yet");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_keys_are_those_of_their_calls() {
        assert_eq!(event_key(7, 1), event_key(7, 1));
        assert!(event_key(7, 1) != event_key(7, 2) && event_key(7, 1) != event_key(8, 1));
        assert_eq!(event_key(7, 1).len(), 36);
    }

    #[test]
    fn stacks_hold_numbers_and_texts() {
        assert_eq!(ids("[1,\"399048560541699\",null,{}]"), [1, 399_048_560_541_699]);
        for odd in ["null", "5", "{"] {
            assert_eq!(ids(odd), [0_i64; 0], "{odd}");
        }
    }
}
