//! Puts events back into their order that a server has given out to somebody who has died, or whose connection has: they
//! come again a moment later, behind those that follow them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What has come too early, by its number.
pub(super) struct Sequence<T> {
    /// The number that is to come next.
    next: u64,
    early: BTreeMap<u64, T>,
    waits: Option<Waiting>,
    patience: Duration,
}

/// What is waited for.
#[derive(Clone, Copy)]
struct Waiting {
    number: u64,
    since: Instant,
    /// The last one that had come when the waiting began: all that is missing before it has been missing as long.
    last: u64,
}

impl<T> Sequence<T> {
    /// Begins with that number. What has not come after so long is gone.
    pub(super) fn new(next: u64, patience: Duration) -> Self {
        Self { next, early: BTreeMap::new(), waits: None, patience }
    }

    /// Takes what has come, and returns what is its turn, in order: all that is older than what has been given out
    /// already, and what follows that without a gap.
    pub(super) fn sort(&mut self, come: impl IntoIterator<Item = (u64, T)>, now: Instant) -> Vec<T> {
        self.early.extend(come);
        let mut sorted = Vec::new();
        self.take_before(self.next, &mut sorted);
        self.take_run(&mut sorted);
        let waiting = self.wait(now);
        if let Some(waiting) = waiting.filter(|waiting| now.duration_since(waiting.since) >= self.patience) {
            // A thousand gaps are given up together, or they would be waited for one after the other.
            self.next = waiting.last + 1;
            self.take_before(self.next, &mut sorted);
            self.take_run(&mut sorted);
            self.wait(now);
        }
        sorted
    }

    /// What is waited for from now on, or has been for a while.
    fn wait(&mut self, now: Instant) -> Option<Waiting> {
        let last = self.early.last_key_value().map(|(last, _)| *last);
        let number = self.next;
        let goes_on = self.waits.filter(|waiting| waiting.number == number);
        self.waits = last.map(|last| goes_on.unwrap_or(Waiting { number, since: now, last }));
        self.waits
    }

    fn take_before(&mut self, number: u64, sorted: &mut Vec<T>) {
        let later = self.early.split_off(&number);
        sorted.extend(std::mem::replace(&mut self.early, later).into_values());
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
        let meanwhile = now + PATIENCE / 2;
        assert!(sequence.sort(pairs(&[7]), meanwhile).is_empty());
        assert_eq!(sequence.sort(pairs(&[]), now + PATIENCE), [2, 4], "all that is missing before 4");
        assert!(sequence.sort(pairs(&[]), now + PATIENCE).is_empty(), "5 and 6 are waited for");
        assert_eq!(sequence.sort(pairs(&[5]), now + PATIENCE), [5]);
        assert!(sequence.sort(pairs(&[]), now + PATIENCE * 2 - PATIENCE / 2).is_empty());
        assert_eq!(sequence.sort(pairs(&[3, 8]), now + PATIENCE * 2), [3, 7, 8]);
    }

    #[test]
    fn many_gaps_take_as_long_as_one() {
        let (mut sequence, now) = (Sequence::new(1, PATIENCE), Instant::now());
        let even: Vec<u64> = (1..=1_000).map(|number| number * 2).collect();
        assert!(sequence.sort(pairs(&even), now).is_empty());
        assert_eq!(sequence.sort(pairs(&[]), now + PATIENCE), even);
        assert_eq!(sequence.sort(pairs(&[2_001]), now + PATIENCE), [2_001]);
    }
}
