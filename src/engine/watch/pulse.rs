//! When this instance has last given a sign of life, and whether it may judge others by theirs.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::store::instance::TIME_TO_LIVE;

/// After so long without an answer of the database it counts as having been away.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// The signs of life, for those who wait for them.
pub struct Pulse(watch::Sender<Beat>);

/// What is known since the last attempt to give a sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    /// When the database has taken the last one.
    pub last: Instant,
    /// Since when the database has answered without a break.
    answers_since: Option<Instant>,
}

impl Pulse {
    /// That of an instance that has just been registered.
    pub fn new(now: Instant) -> Self {
        Self(watch::Sender::new(Beat { last: now, answers_since: None }))
    }

    /// The database has taken a sign of life.
    pub fn answered(&self, now: Instant) {
        self.0.send_modify(|beat| beat.answered(now));
    }

    /// It has not.
    pub fn failed(&self) {
        self.0.send_if_modified(|beat| {
            beat.answers_since = None;
            // Nobody waits for this.
            false
        });
    }

    /// How long ago the database has taken the last sign of life.
    pub fn age(&self) -> Duration {
        self.0.borrow().last.elapsed()
    }

    /// Those to come.
    pub fn beats(&self) -> watch::Receiver<Beat> {
        self.0.subscribe()
    }
}

impl Beat {
    /// Whether others may be judged by their silence: not while the database itself is or has just been away,
    /// because nobody could give a sign of life then.
    pub fn may_judge(&self, now: Instant) -> bool {
        self.answers_since.is_some_and(|since| now.duration_since(since) >= TIME_TO_LIVE)
    }

    fn answered(&mut self, now: Instant) {
        let is_gap = now.duration_since(self.last) > LONGEST_GAP;
        if self.answers_since.is_none() || is_gap {
            self.answers_since = Some(now);
        }
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_judged_until_a_time_to_live_after_the_database_was_away() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let pulse = Pulse::new(start);
        let may_judge = |seconds: u64| pulse.0.borrow().may_judge(at(seconds));
        assert!(!may_judge(0));
        let long_enough = TIME_TO_LIVE.as_secs();
        for second in 0..=10 {
            pulse.answered(at(second));
            assert_eq!(may_judge(second), second >= long_enough);
        }
        pulse.failed();
        pulse.answered(at(12));
        assert!(!may_judge(13));
        for second in 13..23 {
            pulse.answered(at(second));
        }
        assert!(may_judge(22));
        pulse.answered(at(40));
        assert!(!may_judge(41), "it was silent in between");
    }

    #[test]
    fn a_failed_attempt_wakes_nobody() {
        let pulse = Pulse::new(Instant::now());
        let beats = pulse.beats();
        pulse.failed();
        assert!(!beats.has_changed().expect("the sender lives"));
        pulse.answered(Instant::now());
        assert!(beats.has_changed().expect("the sender lives"));
    }
}
