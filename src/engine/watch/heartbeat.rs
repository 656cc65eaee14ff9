//! The sign of life of this instance. It goes by a connection of its own, so that neither a full pool nor busy threads
//! hold it up, and no answer is waited for longer than a few seconds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::DbErr;
use tokio::time::{Instant, timeout};

use crate::engine::shared::Shared;
use crate::store::Store;
use crate::store::instance::InstanceError;

/// How often an instance gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long its answer is waited for, and a connection.
const BEAT_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens a connection of its own to the engine's database.
pub(crate) type Open = Box<dyn Fn() -> BoxFuture<'static, Result<Store, DbErr>> + Send + Sync>;

/// Keeps this instance alive until nothing runs any more. Returns an error when another one has taken its
/// number.
pub(crate) async fn keep_alive(shared: Arc<Shared>, open: Open) -> Result<(), InstanceError> {
    let mut own = None;
    loop {
        if own.is_none() {
            own = connect(&open).await;
        }
        let store = own.as_ref().unwrap_or(&shared.store);
        let is_alive = match timeout(BEAT_TIMEOUT, beat(&shared, store)).await {
            Ok(Ok(())) => true,
            Ok(Err(InstanceError::Database(err))) => {
                tracing::warn!(reason = %err, "no sign of life could be given");
                false
            }
            Ok(Err(err)) => return Err(err),
            Err(_) => {
                tracing::warn!("no sign of life could be given: the database does not answer");
                false
            }
        };
        if !is_alive {
            shared.pulse.failed();
            // The connection may be a dead one.
            own = None;
        }
        if shared.stopped.run_until_cancelled(tokio::time::sleep(HEARTBEAT)).await.is_none() {
            return Ok(());
        }
    }
}

/// Gives a sign of life and reserves ids.
pub(crate) async fn beat(shared: &Shared, store: &Store) -> Result<(), InstanceError> {
    let until = shared.ids.next_reservation();
    store.heartbeat(shared.owner, until).await?;
    shared.ids.reserve(until);
    shared.pulse.answered(Instant::now());
    Ok(())
}

/// A connection; none when there is none left for this, or the database is away.
async fn connect(open: &Open) -> Option<Store> {
    match timeout(BEAT_TIMEOUT, open()).await {
        Ok(Ok(store)) => Some(store),
        Ok(Err(err)) => {
            tracing::warn!(reason = %err, "there is no connection for signs of life alone");
            None
        }
        Err(_) => {
            tracing::warn!("there is no connection for signs of life alone: the database does not answer");
            None
        }
    }
}
