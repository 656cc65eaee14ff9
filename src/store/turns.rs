//! Turns at something that only so many may have at a time, in the order in which they ask. A queue that moves is waited in
//! however long it is; one that stands still is told to those in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// So many turns. Whoever has one must not ask for another.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    count: u32,
    /// When the last one was given.
    given_at: Mutex<Instant>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(
    #[expect(dead_code, reason = "it is given back when it is dropped")] OwnedSemaphorePermit,
);

impl Turns {
    pub(super) fn new(count: u32) -> Self {
        let free = Arc::new(Semaphore::new(count as usize));
        Self { free, count, given_at: Mutex::new(Instant::now()) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Waits for a turn. `None` when nobody has been given one for so long.
    pub(super) async fn take(&self, patience: Duration) -> Option<Turn> {
        let mut since = Instant::now();
        let mut turn = std::pin::pin!(self.free.clone().acquire_owned());
        loop {
            match timeout_at(since + patience, &mut turn).await {
                Ok(permit) => {
                    *self.given_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    return permit.ok().map(Turn);
                }
                Err(_) => {
                    let given_at = *self.given_at.lock().unwrap_or_else(PoisonError::into_inner);
                    if given_at <= since {
                        return None;
                    }
                    since = given_at;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    /// Nothing here takes so long.
    const LONG: Duration = Duration::from_secs(5);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_queue_that_moves_is_waited_in_however_long_it_is() {
        let turns = Turns::new(1);
        let given = join_all((0..60).map(async |number| {
            let turn = turns.take(LONG / 5).await;
            sleep(LONG / 100).await;
            turn.map(|_turn| number)
        }));
        assert_eq!(given.await, (0..60).map(Some).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_queue_that_stands_still_is_told() {
        let turns = Turns::new(1);
        let held = turns.take(LONG).await.expect("a free turn");
        assert!(turns.take(SHORT).await.is_none());
        assert!(turns.take(SHORT).await.is_none());
        drop(held);
        assert!(turns.take(LONG).await.is_some());
    }

    #[tokio::test]
    async fn who_leaves_takes_no_turn_along() {
        let turns = Turns::new(1);
        let held = turns.take(LONG).await.expect("a free turn");
        assert!(tokio::time::timeout(SHORT, turns.take(LONG)).await.is_err(), "it waits");
        drop(held);
        assert!(turns.take(LONG).await.is_some());
    }
}
