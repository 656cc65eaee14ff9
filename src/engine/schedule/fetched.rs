//! The memory of executions that are fetched from the database: how much of it their contexts may take at a time. What a
//! request brings has its bound elsewhere; what waits in the database was let in long before, and all of it together may be
//! larger than any memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::expr::{Value, json};

/// What a value takes for a byte of its text, until that is known: usual ones take less, `[[1],…]` takes 20.
const FACTOR: usize = 8;
/// What is counted in.
const UNIT: usize = 1 << 10;
/// Of all the memory so much is kept free for one fetch: as many parts.
const PARTS: u32 = 2;

/// The memory that fetched executions may take.
#[derive(Debug)]
pub struct Fetched {
    units: Arc<Semaphore>,
    /// What one fetch has.
    part: u32,
    /// How long the contexts of the last fetch were, in bytes, on average.
    usual: AtomicUsize,
}

/// The memory of one fetch. What its executions do not take is free again when it is dropped.
pub struct Room(OwnedSemaphorePermit);

/// The memory of one execution, free again when it is dropped.
pub struct Taken(
    #[expect(dead_code, reason = "it counts for as long as it is there")] Option<OwnedSemaphorePermit>,
);

impl Fetched {
    /// At most so many bytes, beside one execution that alone is larger.
    pub fn new(bytes: usize) -> Self {
        let part = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX / PARTS).max(PARTS) / PARTS;
        let units = Arc::new(Semaphore::new((part * PARTS) as usize));
        Self { units, part, usual: AtomicUsize::new(0) }
    }

    /// Room for a fetch, if there is any now.
    pub fn try_room(&self) -> Option<Room> {
        self.units.clone().try_acquire_many_owned(self.part).ok().map(Room)
    }

    /// Room for a fetch, as soon as there is some.
    pub async fn room(&self) -> Option<Room> {
        self.units.clone().acquire_many_owned(self.part).await.ok().map(Room)
    }

    /// About so many executions have room in a fetch, at least one.
    pub fn fitting(&self) -> usize {
        let usual = self.usual.load(Ordering::Relaxed).max(1);
        (self.part as usize * UNIT / FACTOR / usual).max(1)
    }

    /// Tells how long the contexts of a fetch were: so many bytes in so many of them.
    pub fn note(&self, bytes: usize, contexts: usize) {
        if let Some(usual) = bytes.checked_div(contexts) {
            self.usual.store(usual, Ordering::Relaxed);
        }
    }
}

impl Room {
    /// How long the texts may be, in bytes, that have room together.
    pub fn text(&self) -> usize {
        self.0.num_permits() * UNIT / FACTOR
    }

    /// What a context takes, as far as there is still room: the text of one may be longer than all of it.
    pub fn take(&mut self, context: &Value) -> Taken {
        let units = json::weight(context).div_ceil(UNIT).clamp(1, self.0.num_permits().max(1));
        Taken(self.0.split(units))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_fetched_takes_its_part_until_it_is_gone() {
        let fetched = Fetched::new(80 << 10);
        let mut room = fetched.try_room().expect("room");
        assert_eq!(room.text(), 5 << 10);
        let small = room.take(&Value::Null);
        let large = room.take(&Value::from("a".repeat(100 << 10)));
        assert_eq!(room.text(), 0, "the larger one has all that is left");
        drop(room);
        let other = fetched.try_room().expect("the other part");
        assert!(fetched.try_room().is_none());
        let mut next = Box::pin(fetched.room());
        assert!(next.as_mut().now_or_never().is_none());
        drop(large);
        assert!(next.as_mut().now_or_never().is_none(), "a fetch gets its whole part");
        drop(small);
        assert!(next.now_or_never().flatten().is_some());
        drop(other);
        assert_eq!(fetched.units.available_permits(), 80);
    }

    #[test]
    fn as_many_are_fetched_as_have_room() {
        let fetched = Fetched::new(8 << 20);
        assert_eq!(fetched.fitting(), 512 << 10);
        fetched.note(0, 0);
        fetched.note(1 << 20, 8);
        assert_eq!(fetched.fitting(), 4);
        fetched.note(64 << 20, 1);
        assert_eq!(fetched.fitting(), 1);
    }
}
