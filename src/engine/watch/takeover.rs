//! Takes over what instances have left that are gone, and picks up what belongs to this one and is not run.

use std::sync::{Arc, PoisonError};

use tokio::time::Instant;

use crate::engine::schedule::fetched::Room;
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
            resume(&engine, ids, &mut versions).await;
        }
    });
}

/// Picks executions up, as there are workers and memory for them.
async fn resume(engine: &Arc<Shared>, ids: &[i64], versions: &mut Versions) {
    let mut left = ids.to_vec();
    while !left.is_empty() {
        let Some(room) = room(engine).await else { return };
        match pick_up(engine, &left, false, versions, room).await {
            Ok(others) => left = others,
            Err(_) => return resume_each(engine, &left, versions).await,
        }
    }
}

/// Picks executions up one by one, where that fails because of one of them.
async fn resume_each(engine: &Arc<Shared>, ids: &[i64], versions: &mut Versions) {
    for id in ids {
        let Some(room) = room(engine).await else { return };
        if let Err(err) = pick_up(engine, &[*id], false, versions, room).await {
            tracing::warn!(execution.id = id, reason = %err, "an execution could not be resumed yet");
            engine.strand(vec![*id]);
        }
    }
}

/// Memory for some executions, as soon as there is some and a worker is free; none once no more work is taken.
async fn room(engine: &Shared) -> Option<Room> {
    let free = async {
        engine.workers.any_free().await;
        engine.settings.fetched.room().await
    };
    engine.stopping.run_until_cancelled(free).await.flatten()
}
