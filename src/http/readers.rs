//! The threads that large bodies are read on, one for each core at a time: on those that serve, a few of them would keep
//! everybody waiting.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

use crate::webhook::refusal::Refusal;

pub(super) struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores)))
    }
}

impl Readers {
    /// Runs what takes long, as soon as a thread is free.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let unreadable = || Refusal::internal("The request cannot be read.");
        let permit = self.0.clone().acquire_owned().await.map_err(|_| unreadable())?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        working.await.map_err(|_| unreadable())
    }
}
