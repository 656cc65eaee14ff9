//! Work that is done piece by piece, in the order in which it has come, beside whoever brings it.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub(super) struct Lane {
    pieces: TaskTracker,
    turn: Arc<Semaphore>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { pieces: TaskTracker::new(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Lane {
    /// Does some work when all before it is done.
    pub(super) fn add(&self, work: impl Future<Output = ()> + Send + 'static) {
        let turn = self.turn.clone();
        self.pieces.spawn(async move {
            let _turn = turn.acquire_owned().await;
            work.await;
        });
    }

    /// Waits until all is done.
    pub(super) async fn end(self) {
        self.pieces.close();
        self.pieces.wait().await;
    }
}
