//! Watches for executions of this process that somebody else has ended.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::shared::Shared;

/// How often the database is asked; an abort is noticed within this time.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Every so many looks those executions are looked at, too, that wait for a time.
const LOOKS_AT_WAITING: u32 = 5;
/// So many of them at a time.
const LOOKED_AT: u64 = 10_000;

/// Cancels runs whose executions have been ended by NocoBase: by its screen or its timeout manager. Those
/// that wait for a time, and are in nobody's memory, become due at once.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let (mut looks, mut after) = (0_u32, 0);
    while shared.stopped.run_until_cancelled(tokio::time::sleep(WATCH_INTERVAL)).await.is_some() {
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS_AT_WAITING) {
            after = wake_ended(&shared, after).await;
        }
        let watched = shared.running.watched();
        if watched.is_empty() {
            continue;
        }
        match shared.limited(shared.store.ended_among(&watched)).await {
            Ok(ended) => {
                for id in ended {
                    tracing::info!(execution.id = id, "execution was ended outside sidehook");
                    shared.running.abort(id);
                }
            }
            Err(err) => tracing::warn!(reason = %err, "running executions could not be checked"),
        }
    }
}

/// Looks at some of those that wait for a time, and returns after which one the next look begins.
async fn wake_ended(shared: &Shared, after: i64) -> i64 {
    match shared.limited(shared.store.wake_ended(shared.ids.now(), after, LOOKED_AT)).await {
        Ok(woken) => {
            if woken.executions > 0 {
                tracing::info!(
                    executions = woken.executions,
                    "waiting executions were ended outside sidehook"
                );
                shared.backlog_grew.notify_one();
            }
            woken.after
        }
        Err(err) => {
            tracing::warn!(reason = %err, "waiting executions could not be checked");
            after
        }
    }
}
