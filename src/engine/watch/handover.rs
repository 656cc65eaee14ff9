//! Nodes of types that sidehook does not run are left to NocoBase, with all that comes after them: the pending
//! job is recorded, the lease given up, and NocoBase told to run the node (`executions:rerun`). Until it has
//! begun, a row in `sidehook_handovers` sees to it that it is told again.

use std::sync::Arc;
use std::time::Duration;

use entity::handover;
use entity::status::job::ERROR;
use sea_orm::DbErr;

use crate::engine::run::position::Position;
use crate::engine::run::waiting::HANDOVER_TIMEOUT;
use crate::engine::shared::Shared;
use crate::expr::{Thrown, json};
use crate::node::JobId;
use crate::outbound::NocoBase;
use crate::store::handover::Handover;
use crate::store::job::JobUpdate;
use crate::store::lease::Lease;
use crate::store::recorder::{LeaseChange, Record};

/// How often handovers are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// At most so many are looked at together.
const BATCH: u64 = 200;
/// When a request that failed is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// After so many requests that NocoBase has taken without any effect the node counts as one that it cannot run.
const MAX_ATTEMPTS: i32 = 3;

/// Tells NocoBase of what it is to run, until it does.
pub(crate) async fn watch(shared: Arc<Shared>) {
    while shared.stopping.run_until_cancelled(tokio::time::sleep(WATCH_INTERVAL)).await.is_some() {
        if let Err(err) = look(&shared).await {
            tracing::warn!(reason = %err, "what was handed over cannot be followed");
        }
    }
}

async fn look(shared: &Shared) -> Result<(), DbErr> {
    for Handover { row, is_done } in shared.limited(shared.store.handovers(BATCH)).await? {
        let now = shared.ids.now().timestamp_millis();
        if is_done {
            shared.store.drop_handover(row.job_id).await?;
        } else if row.due_at > now {
            continue;
        } else if row.attempts >= MAX_ATTEMPTS {
            take_back(shared, &row).await?;
        } else if let Some(nocobase) = &shared.services.nocobase {
            let due_at = now + HANDOVER_TIMEOUT.as_millis() as i64;
            let next = handover::Model { due_at, attempts: row.attempts + 1, ..row.clone() };
            if shared.store.move_handover(&row, &next).await? {
                tell(shared, nocobase, next).await?;
            }
        }
    }
    Ok(())
}

/// Tells NocoBase at once of what has just been recorded.
pub(crate) fn tell_at_once(shared: &Arc<Shared>, rows: Vec<handover::Model>) {
    if rows.is_empty() {
        return;
    }
    let engine = shared.clone();
    shared.errands.spawn(async move {
        let Some(nocobase) = &engine.services.nocobase else { return };
        for row in rows {
            if let Err(err) = tell(&engine, nocobase, row).await {
                tracing::warn!(reason = %err, "what was handed over cannot be followed");
            }
        }
    });
}

/// Tells NocoBase of a job whose row counts on it; it is told again soon when it does not take it.
async fn tell(shared: &Shared, nocobase: &NocoBase, row: handover::Model) -> Result<(), DbErr> {
    if let Err(reason) = nocobase.rerun(row.execution_id, row.node_id).await {
        tracing::warn!(execution.id = row.execution_id, reason, "NocoBase did not take a handover");
        let due_at = (shared.ids.now() + RETRY_DELAY).timestamp_millis();
        let again = handover::Model { due_at, attempts: row.attempts - 1, ..row.clone() };
        shared.store.move_handover(&row, &again).await?;
    }
    Ok(())
}

/// Takes an execution back whose node NocoBase does not run either: the job is an error, and the run goes on
/// from there, up to the nodes around it or to its end.
async fn take_back(shared: &Shared, row: &handover::Model) -> Result<(), DbErr> {
    let executions = shared.store.find_executions(&[row.execution_id]).await?;
    let Some(workflow_id) = executions.first().and_then(|execution| execution.workflow_id) else {
        return shared.store.drop_handover(row.job_id).await;
    };
    // Of several instances one takes it back; the row stays until that is recorded.
    let due_at = (shared.ids.now() + RETRY_DELAY).timestamp_millis();
    let mine = handover::Model { due_at, attempts: row.attempts + 1, ..row.clone() };
    if !shared.store.move_handover(row, &mine).await? {
        return Ok(());
    }
    let thrown = Thrown::error("NocoBase was asked to run this node and did not begin with it");
    let job = JobUpdate {
        id: row.job_id,
        status: ERROR,
        result: Some(json::stringify_or_null(&thrown.to_result()).into()),
        meta: None,
        updated_at: Some(shared.ids.now()),
    };
    let position = Some(Position::resuming(row.node_id, JobId(row.job_id)).text());
    let record = Record {
        execution_id: row.execution_id,
        job_updates: vec![job],
        lease: LeaseChange::Take(Lease { workflow_id, position, due_at: 0 }),
        ..Record::default()
    };
    match shared.recorder.write(record).await {
        Ok(_) => {
            // The next heartbeat picks it up.
            shared.strand(vec![row.execution_id]);
            shared.store.drop_handover(row.job_id).await
        }
        Err(err) => {
            tracing::warn!(execution.id = row.execution_id, reason = %err, "a failed handover could not be recorded");
            Ok(())
        }
    }
}
