//! Takes over what instances have left that are gone, and picks up what belongs to this one and is not run.

use std::sync::{Arc, PoisonError};

use tokio::time::Instant;

use crate::engine::schedule::pickup::{Versions, pick_up};
use crate::engine::shared::Shared;
use crate::store::instance::Whose;

/// So many executions are picked up at a time.
const BATCH: usize = 32;

/// Looks now and after each sign of life, until no more work is taken.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut beats = shared.pulse.beats();
    beats.mark_changed();
    // Earlier holders of the own number write nothing more: once they have left nothing, they never will.
    let mut own_number = true;
    while let Some(Ok(())) = shared.stopping.run_until_cancelled(beats.changed()).await {
        let others = beats.borrow_and_update().may_judge(Instant::now());
        if take_over(&shared, Whose { others, own_number }).await {
            own_number = false;
        }
        run_stranded(&shared);
    }
}

/// Takes over what others have left; `false` where that could not be found out.
async fn take_over(shared: &Shared, whose: Whose) -> bool {
    let mut executions = Vec::new();
    let looking = shared.limited(shared.store.take_over(shared.owner, whose, &mut executions)).await;
    if let Err(err) = &looking {
        tracing::warn!(reason = %err, "the leases of other instances could not be checked");
    }
    if !executions.is_empty() {
        tracing::info!(executions = executions.len(), "taking over what another instance has left");
        shared.strand(executions);
    }
    looking.is_ok()
}

/// Runs what belongs to this instance and nobody runs.
fn run_stranded(shared: &Arc<Shared>) {
    let executions = std::mem::take(&mut *shared.stranded.lock().unwrap_or_else(PoisonError::into_inner));
    if executions.is_empty() {
        return;
    }
    let engine = shared.clone();
    shared.tasks.spawn(async move {
        let mut versions = Versions::default();
        for ids in executions.chunks(BATCH) {
            if engine.stopping.run_until_cancelled(engine.workers.any_free()).await.is_none() {
                return;
            }
            resume(&engine, ids, &mut versions).await;
        }
    });
}

/// Picks executions up: together, or one by one where that fails because of one of them.
async fn resume(engine: &Arc<Shared>, ids: &[i64], versions: &mut Versions) {
    if pick_up(engine, ids, false, versions).await.is_ok() {
        return;
    }
    for id in ids {
        if let Err(err) = pick_up(engine, &[*id], false, versions).await {
            tracing::warn!(execution.id = id, reason = %err, "an execution could not be resumed yet");
            engine.strand(vec![*id]);
        }
    }
}
