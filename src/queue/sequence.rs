//! Puts events back into their order that a server has given out to somebody who has died, or whose connection has: they
//! come again a moment later, behind those that follow them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What has come too early, by its number.
pub(super) struct Sequence<T> {
    /// The number that is to come next.
    next: u64,
    early: BTreeMap<u64, T>,
    waits_since: Option<Instant>,
    patience: Duration,
}

impl<T> Sequence<T> {
    /// Begins with that number. What has not come after so long is gone.
    pub(super) fn new(next: u64, patience: Duration) -> Self {
        Self { next, early: BTreeMap::new(), waits_since: None, patience }
    }

    /// Takes what has come, and returns what is its turn, in order: all that is older than what has been given out
    /// already, and what follows that without a gap.
    pub(super) fn sort(&mut self, come: impl IntoIterator<Item = (u64, T)>, now: Instant) -> Vec<T> {
        self.early.extend(come);
        let mut sorted = Vec::new();
        let later = self.early.split_off(&self.next);
        sorted.extend(std::mem::replace(&mut self.early, later).into_values());
        self.take_run(&mut sorted);
        let Some((first, _)) = self.early.first_key_value() else {
            self.waits_since = None;
            return sorted;
        };
        let first = *first;
        if !sorted.is_empty() {
            self.waits_since = None;
        }
        let since = *self.waits_since.get_or_insert(now);
        if now.duration_since(since) >= self.patience {
            self.next = first;
            self.waits_since = None;
            self.take_run(&mut sorted);
        }
        sorted
    }

    fn take_run(&mut self, sorted: &mut Vec<T>) {
        while let Some(one) = self.early.remove(&self.next) {
            sorted.push(one);
            self.next += 1;
        }
    }

    /// What has come too early.
    pub(super) fn early(&self) -> impl Iterator<Item = &T> {
        self.early.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn pairs(numbers: &[u64]) -> Vec<(u64, u64)> {
        numbers.iter().map(|number| (*number, *number)).collect()
    }

    #[test]
    fn what_comes_too_early_waits_for_what_is_missing() {
        let (mut sequence, now) = (Sequence::new(3, PATIENCE), Instant::now());
        assert_eq!(sequence.sort(pairs(&[3, 5, 6]), now), [3]);
        assert_eq!(sequence.early().count(), 2);
        assert!(sequence.sort(pairs(&[8]), now + Duration::from_secs(1)).is_empty());
        assert_eq!(sequence.sort(pairs(&[4]), now + Duration::from_secs(2)), [4, 5, 6]);
        assert_eq!(sequence.sort(pairs(&[2, 7]), now + Duration::from_secs(2)), [2, 7, 8]);
        assert_eq!(sequence.early().count(), 0);
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let (mut sequence, now) = (Sequence::new(1, PATIENCE), Instant::now());
        assert!(sequence.sort(pairs(&[2, 4]), now).is_empty());
        assert_eq!(sequence.sort(pairs(&[]), now + PATIENCE), [2]);
        assert!(sequence.sort(pairs(&[]), now + PATIENCE).is_empty(), "each gap is waited for");
        assert_eq!(sequence.sort(pairs(&[]), now + PATIENCE * 2), [4]);
    }
}
