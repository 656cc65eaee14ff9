//! What the pools of all databases have in common, and those of servers beside that: their sockets, the replacing of
//! connections, and the question whether one that comes back is idle.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::SqlxError;
use sea_orm::sqlx::{self, Connection, pool::PoolOptions};

use super::socket;
use crate::store::instance::TIME_TO_LIVE;
use crate::store::pool::Retirement;

/// The server ends a transaction in which nothing has happened for so long: its process has been stopped, and
/// others wait for the rows that it has locked.
pub(super) const IDLE_TRANSACTION: Duration = TIME_TO_LIVE;

/// How long a statement waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection that comes back may take to show that it is idle. Without a limit one that is silently dead
/// would keep its place in the pool for ever.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(1500);
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

/// What is said to a connection.
pub(super) type Talk<DB, T> =
    for<'c> fn(&'c mut <DB as sqlx::Database>::Connection) -> BoxFuture<'c, Result<T, SqlxError>>;

/// The pool of a server that listens on `port`, in which connections are idle for no longer than `idle`. A connection
/// begins with `set_up`; one that comes back is closed unless `is_idle` is answered with true in time: the driver does
/// not know of a BEGIN whose answer nobody waited for.
pub(super) fn server_pool<DB: sqlx::Database>(
    max_connections: u32,
    port: u16,
    idle: Duration,
    retired: Retirement,
    set_up: impl for<'c> Fn(&'c mut DB::Connection) -> BoxFuture<'c, Result<(), SqlxError>>
    + Send
    + Sync
    + 'static,
    is_idle: Talk<DB, bool>,
) -> PoolOptions<DB> {
    let set_up = std::sync::Arc::new(set_up);
    pool_options(max_connections)
        .idle_timeout(idle)
        .after_connect(move |connection, _| {
            let set_up = set_up.clone();
            Box::pin(async move {
                socket::tune(port).await;
                set_up(connection).await
            })
        })
        .before_acquire(move |_, about| {
            let is_good = !retired.covers(about.age) && about.idle_for <= idle;
            Box::pin(async move { Ok(is_good) })
        })
        .after_release(move |connection, _| {
            Box::pin(async move {
                let asked = tokio::time::timeout(RELEASE_TIMEOUT, is_idle(connection)).await;
                Ok(matches!(asked, Ok(Ok(true))) && !connection.is_in_transaction())
            })
        })
}
