//! What the pools of all databases have in common.

use std::time::Duration;

use sea_orm::sqlx::{self, pool::PoolOptions};

use crate::store::instance::TIME_TO_LIVE;

/// The server ends a transaction in which nothing has happened for so long: its process has been stopped, and
/// others wait for the rows that it has locked.
pub(super) const IDLE_TRANSACTION: Duration = TIME_TO_LIVE;

/// How long a statement waits for a connection of the pool.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection that comes back may take to show that it is idle. Without a limit one that is silently dead
/// would keep its place in the pool for ever.
pub(super) const RELEASE_TIMEOUT: Duration = Duration::from_millis(1500);
/// A connection that nobody needs is closed after so long.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// What all pools have in common.
pub(super) fn pool_options<DB: sqlx::Database>(max_connections: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(max_connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .test_before_acquire(false)
}
