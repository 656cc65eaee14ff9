//! Keeps the request log within its bounds: removes rows that are too old or too many, some at a time.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::Instant;

use crate::clock::{Clock, SystemClock};
use crate::config::RequestLog as Settings;
use crate::store::Store;
use crate::store::fault::describe;
use crate::store::request_log::RequestLog;

/// How often it is looked for rows that are too old.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Whether a look may come before.
const TICK: Duration = Duration::from_secs(1);
/// How often at least the rows are counted, which takes longer than the look for old ones.
const COUNT_EVERY: Duration = Duration::from_secs(600);
/// So many are removed in one statement.
const STEP: u64 = 1_000;
/// Of the database's time at most about one part in so many is taken.
const SHARE: u32 = 5;
/// The shortest wait between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// Removes what is too old or too much, for as long as it is polled. Every instance does it: they remove the same rows
/// from the oldest on, and find nothing to do where another one was faster.
pub(super) async fn tidy(store: Store, log: RequestLog, settings: Settings) {
    let mut looked: Option<Instant> = None;
    let mut counted: Option<(Instant, u64)> = None;
    // So many rows may be too many before anybody looks again.
    let slack = (settings.max / 20).max(100);
    loop {
        tokio::time::sleep(TICK).await;
        let is_due = |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
        let counts = is_due(counted.map(|(at, _)| at), COUNT_EVERY)
            || counted.is_some_and(|(_, written)| log.written() - written >= slack);
        if !counts && !is_due(looked, LOOK_EVERY) {
            continue;
        }
        looked = Some(Instant::now());
        let written = log.written();
        match round(&store, &log, &settings, counts).await {
            Ok(removed) if removed > 0 => tracing::debug!(requests = removed, "old requests were removed"),
            Ok(_) => {}
            Err(err) => tracing::debug!(reason = describe(&err), "old requests could not be removed"),
        }
        if counts {
            counted = Some((Instant::now(), written));
        }
    }
}

async fn round(store: &Store, log: &RequestLog, settings: &Settings, counts: bool) -> Result<u64, DbErr> {
    let keep = super::retention::kept(store, settings).await?;
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = SystemClock.now().timestamp_millis().saturating_sub(keep);
    let surplus = if counts { store.surplus_request(settings.max).await? } else { None };
    // What comes in faster than it can be removed is not taken meanwhile.
    log.set_full(surplus.is_some());
    let mut removed = 0;
    loop {
        let started = Instant::now();
        match store.remove_requests(before, surplus, STEP).await {
            Ok(0) => break,
            Ok(count) => removed += count,
            Err(err) => {
                log.set_full(false);
                return Err(err);
            }
        }
        tokio::time::sleep((started.elapsed() * (SHARE - 1)).max(PAUSE)).await;
    }
    log.set_full(false);
    Ok(removed)
}
