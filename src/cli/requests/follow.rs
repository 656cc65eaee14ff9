//! Follows the request log like a tail.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use entity::request;

use super::selection::UNREAD;
use crate::clock::{Clock, SystemClock};
use crate::store::Store;
use crate::store::request::RequestFilter;

/// How often the database is asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// At most so many are printed at a time.
const AT_ONCE: u64 = 1_000;
/// Rows come somewhat out of order: an id is given out before its row is committed, and clocks differ. So far back is
/// looked, in the milliseconds that are the upper part of ids.
const BACK: i64 = 30_000 << 22;
/// How long a request without an answer is waited for, so that its line has one.
const ANSWERED_WITHIN_MS: i64 = 2_000;

/// Prints what was found, newest first, in the order of its arrival, and then what arrives, until nobody reads it any
/// more.
pub(crate) async fn follow(
    store: &Store,
    filter: RequestFilter,
    found: Vec<request::Model>,
    print: impl Fn(&request::Model) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for row in found.iter().rev() {
        print(row)?;
        seen.insert(row.id);
    }
    // What is older than the oldest of these was left out on purpose.
    let first = seen.first().copied().unwrap_or(0);
    let mut newest = newest_of(store).await?;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let above = (newest - BACK).max(first - 1);
        newest = newest_of(store).await?;
        let later = RequestFilter { above: Some(above), ..filter.clone() };
        let rows = store.find_requests(&later, AT_ONCE).await.context(UNREAD)?;
        let now = SystemClock.now().timestamp_millis();
        for row in rows.iter().rev().filter(|row| !seen.contains(&row.id)).collect::<Vec<_>>() {
            if row.status.is_none() && now - row.received_at < ANSWERED_WITHIN_MS {
                continue;
            }
            print(row)?;
            seen.insert(row.id);
        }
        seen = seen.split_off(&above);
    }
}

/// The newest id of all; 0 where there is none.
async fn newest_of(store: &Store) -> anyhow::Result<i64> {
    let found = store.find_requests(&RequestFilter::default(), 1).await.context(UNREAD)?;
    Ok(found.first().map_or(0, |row| row.id))
}
