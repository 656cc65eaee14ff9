//! Deliveries of one event that come to this instance at the same time: they are looked at one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Lets deliveries of one event be claimed one after the other. Those that come to this instance then find the first
/// one in the database, and do not meet it in a transaction with others.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Place>>>);

type Place = Arc<tokio::sync::Mutex<()>>;

/// The turn of one delivery, until it is dropped.
pub struct Turn {
    turns: Turns,
    key: String,
    place: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub async fn enter(&self, key: &str) -> Turn {
        let place = self.places().entry(key.to_owned()).or_default().clone();
        Turn { turns: self.clone(), key: key.to_owned(), place: Some(place.lock_owned().await) }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut places = self.turns.places();
        self.place = None;
        // Whoever waits for it holds it, too.
        if places.get(&self.key).is_some_and(|place| Arc::strong_count(place) == 1) {
            places.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn turns_of_one_key_come_one_after_the_other_and_leave_nothing_behind() {
        let (turns, inside) = (Turns::default(), AtomicUsize::new(0));
        let visit = async |key: &str| {
            let turn = turns.enter(key).await;
            let others = inside.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::Relaxed);
            drop(turn);
            others
        };
        assert!(join_all((0..50).map(|_| visit("a"))).await.iter().all(|others| *others == 0));
        assert!(join_all(["a", "b"].map(visit)).await.contains(&1), "other keys do not wait");
        let waiting = turns.enter("a").await;
        assert!(tokio::time::timeout(Duration::from_millis(10), turns.enter("a")).await.is_err());
        drop(waiting);
        assert!(turns.places().is_empty());
    }
}
