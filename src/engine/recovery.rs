//! The life of this instance among others: its sign of life, and taking over what instances have left that
//! are gone.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::store::instance::InstanceError;

/// How often an instance gives a sign of life and looks for the leases of others.
const HEARTBEAT: Duration = Duration::from_secs(1);

impl Engine {
    /// Keeps this instance alive until nothing runs any more. Returns an error when another one has taken its
    /// number.
    pub async fn keep_alive(self: Arc<Self>) -> Result<(), InstanceError> {
        loop {
            match self.beat().await {
                Ok(()) if self.is_stopping() => {}
                Ok(()) => self.take_over().await,
                Err(InstanceError::Database(err)) => {
                    tracing::warn!(reason = %err, "no sign of life could be given: the database does not answer");
                }
                Err(err) => return Err(err),
            }
            if self.stopped.run_until_cancelled(tokio::time::sleep(HEARTBEAT)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Gives a sign of life and reserves ids.
    pub async fn beat(&self) -> Result<(), InstanceError> {
        let until = self.ids.next_reservation();
        self.store.heartbeat(self.owner, until).await?;
        self.ids.reserve(until);
        Ok(())
    }

    async fn take_over(self: &Arc<Self>) {
        match self.store.take_over(self.owner).await {
            Ok(executions) if executions.is_empty() => {}
            Ok(executions) => {
                tracing::info!(executions = executions.len(), "taking over what another instance has left");
                self.strand(executions);
            }
            Err(err) => tracing::warn!(reason = %err, "leases could not be checked"),
        }
        let executions = std::mem::take(&mut *self.stranded.lock().unwrap_or_else(PoisonError::into_inner));
        if executions.is_empty() {
            return;
        }
        let engine = self.clone();
        self.tasks.spawn(async move {
            for id in executions {
                if engine.stopping.run_until_cancelled(engine.workers.any_free()).await.is_none() {
                    return;
                }
                if let Err(err) = engine.pick_up(&[id], false).await {
                    tracing::warn!(execution.id = id, reason = %err, "an execution could not be resumed yet");
                    engine.strand(vec![id]);
                }
            }
        });
    }

    /// Leaves executions of this instance for the next heartbeat to pick up.
    pub(super) fn strand(&self, executions: Vec<i64>) {
        self.stranded.lock().unwrap_or_else(PoisonError::into_inner).extend(executions);
    }
}
