//! How much room a stream has left, as it is counted here. Servers before 2.9.24 and 2.10.5 reckon a message shorter than they
//! keep it: where it does not quite fit they take it all the same and throw the oldest one away that waits
//! (nats-server issues 4771 and 4775). So no stream may become full by its own measure.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::Fault;

/// A stream has room for so much more than it may hold, in bytes: for what all sidehooks store between two looks at it.
pub(super) const RESERVE: usize = 64 << 20;
/// What a server keeps beside a message, about: its subject, headers and a checksum.
const BESIDE: u64 = 200;

/// The room of one stream.
pub(super) struct Room {
    most: u64,
    held: AtomicU64,
}

impl Room {
    /// Of a stream that may hold so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most as u64, held: AtomicU64::new(0) }
    }

    /// The stream has just said how much it holds.
    pub(super) fn holds(&self, bytes: u64) {
        self.held.store(bytes, Ordering::Relaxed);
    }

    /// Takes the room of a message of so many bytes, until the stream says what it holds.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Fault> {
        let whole = bytes as u64 + BESIDE;
        let take = |held: u64| held.checked_add(whole).filter(|held| *held <= self.most);
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| Fault::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_since_the_last_look_counts() {
        let room = Room::new(1_000);
        room.holds(300);
        assert!(room.take(400).is_ok());
        assert!(matches!(room.take(0), Err(Fault::Full)));
        room.holds(0);
        assert!(room.take(800).is_ok());
    }
}
