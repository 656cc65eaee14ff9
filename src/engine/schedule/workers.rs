//! The workers: the right of asynchronous executions to run, at most a number of them at a time, and of these a
//! share for one workflow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The workers: the right of asynchronous executions to run.
pub struct Workers {
    count: usize,
    free: Arc<Semaphore>,
    /// How many workers each workflow uses.
    busy: Arc<Mutex<HashMap<i64, usize>>>,
    /// How many of them one workflow may use, so that another always finds one.
    share: usize,
    /// Told when a worker is free again.
    pub freed: Arc<Notify>,
}

/// One worker in use. It is free again when this is dropped.
pub struct Worker {
    _permit: OwnedSemaphorePermit,
    workflow_id: i64,
    busy: Arc<Mutex<HashMap<i64, usize>>>,
    freed: Arc<Notify>,
}

impl Workers {
    pub fn new(count: usize) -> Self {
        let count = count.max(1);
        let (busy, freed) = (Arc::default(), Arc::default());
        Self { count, free: Arc::new(Semaphore::new(count)), busy, share: count - count / 4, freed }
    }

    /// A worker for an execution that begins; `None` when none is free for its workflow.
    pub fn try_enter(&self, workflow_id: i64) -> Option<Worker> {
        (self.share_left(workflow_id) > 0)
            .then(|| self.free.clone().try_acquire_owned().ok())?
            .map(|permit| self.employ(permit, workflow_id))
    }

    /// A worker for an execution that goes on, as soon as one is free.
    pub async fn enter(&self, workflow_id: i64) -> Option<Worker> {
        let permit = self.free.clone().acquire_owned().await.ok()?;
        Some(self.employ(permit, workflow_id))
    }

    fn employ(&self, permit: OwnedSemaphorePermit, workflow_id: i64) -> Worker {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner).entry(workflow_id).or_default() += 1;
        Worker { _permit: permit, workflow_id, busy: self.busy.clone(), freed: self.freed.clone() }
    }

    /// How many workers run something, and how many are free.
    pub fn busy_and_free(&self) -> (usize, usize) {
        let free = self.free.available_permits();
        (self.count.saturating_sub(free), free)
    }

    /// How many more workers a workflow may use.
    pub fn share_left(&self, workflow_id: i64) -> usize {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        self.share.saturating_sub(busy.get(&workflow_id).copied().unwrap_or_default())
    }

    /// Waits until a worker is free; returns how many are.
    pub async fn any_free(&self) -> usize {
        // The permit goes back at once: whose worker it becomes is decided by what is waiting.
        let permit = self.free.acquire().await;
        drop(permit);
        self.free.available_permits()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.workflow_id) {
            *count -= 1;
            if *count == 0 {
                busy.remove(&self.workflow_id);
            }
        }
        self.freed.notify_one();
    }
}
