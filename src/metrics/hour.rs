//! What the last hour was like, minute by minute, for those who watch without a Prometheus.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::outcome::Outcome;

/// So many minutes are kept.
const MINUTES: usize = 60;
/// The steps of times: each is a quarter longer than the one before, from 0.1 ms to more than a minute.
const STEPS: usize = 62;
const FIRST_MS: f64 = 0.1;
const GROWTH: f64 = 1.25;

/// The last hour.
#[derive(Debug, Default)]
pub(super) struct Hour(Mutex<VecDeque<Counts>>);

/// What a minute is made of.
#[derive(Debug)]
struct Counts {
    /// Since the start.
    minute: u64,
    accepted: u64,
    refused: u64,
    failed: u64,
    times: [u32; STEPS],
}

/// What a minute was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minute {
    /// How long ago it began.
    pub ago: Duration,
    /// Requests that were answered as they wanted.
    pub accepted: u64,
    pub refused: u64,
    /// Requests that were answered with 500 or above, or whose sender has left before.
    pub failed: u64,
    /// The times to an answer that half, 95 and 99 of a hundred requests have kept to, in milliseconds; a quarter too
    /// long at most.
    pub percentiles: [f64; 3],
}

impl Hour {
    /// Counts a request that was answered so long after the start.
    pub(super) fn add(&self, at: Duration, outcome: Outcome, status: u16, took: Duration) {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = at.as_secs() / 60;
        // Of two that come at once the later one may count first.
        if minutes.back().is_none_or(|last| last.minute < minute) {
            if minutes.len() == MINUTES {
                minutes.pop_front();
            }
            minutes.push_back(Counts { minute, accepted: 0, refused: 0, failed: 0, times: [0; STEPS] });
        }
        let Some(last) = minutes.back_mut() else { return };
        match outcome {
            Outcome::Refused if status < 500 => last.refused += 1,
            Outcome::HungUp => last.failed += 1,
            _ if status >= 500 => last.failed += 1,
            _ => last.accepted += 1,
        }
        last.times[step(took)] += 1;
    }

    /// The minutes of the last hour in which there were requests, oldest first; now is so long after the start.
    pub(super) fn minutes(&self, now: Duration) -> Vec<Minute> {
        let is_late = |counts: &&Counts| counts.minute + MINUTES as u64 > now.as_secs() / 60;
        let minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.iter().filter(is_late).map(|counts| counts.summary(now)).collect()
    }
}

impl Counts {
    fn summary(&self, now: Duration) -> Minute {
        Minute {
            ago: now.saturating_sub(Duration::from_secs(self.minute * 60)),
            accepted: self.accepted,
            refused: self.refused,
            failed: self.failed,
            percentiles: [0.5, 0.95, 0.99].map(|share| self.percentile(share)),
        }
    }

    fn percentile(&self, share: f64) -> f64 {
        let all: u64 = self.times.iter().map(|count| u64::from(*count)).sum();
        let wanted = (all as f64 * share).ceil();
        let mut seen = 0.0;
        let reached = self.times.iter().position(|count| {
            seen += f64::from(*count);
            seen >= wanted
        });
        FIRST_MS * GROWTH.powi(i32::try_from(reached.unwrap_or(STEPS)).unwrap_or(i32::MAX))
    }
}

/// The first step that is not shorter.
fn step(took: Duration) -> usize {
    let steps = (took.as_secs_f64() * 1000.0 / FIRST_MS).max(1.0).log(GROWTH).ceil();
    (steps as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn requests_are_counted_by_minute_and_outcome() {
        let (hour, ms) = (Hour::default(), Duration::from_millis);
        for n in 0..100 {
            hour.add(at(120 + n % 60), Outcome::Event, 200, ms(if n < 90 { 10 } else { 1_000 }));
        }
        hour.add(at(185), Outcome::Refused, 401, ms(1));
        hour.add(at(186), Outcome::Refused, 503, ms(1));
        hour.add(at(187), Outcome::HungUp, 499, ms(1));
        hour.add(at(179), Outcome::Duplicate, 200, ms(1));
        let minutes = hour.minutes(at(190));
        let [first, second] = minutes.as_slice() else { panic!("{minutes:?}") };
        assert_eq!((first.ago, first.accepted, first.refused, first.failed), (at(70), 100, 0, 0));
        assert_eq!((second.ago, second.accepted, second.refused, second.failed), (at(10), 1, 1, 2));
        let [half, most, nearly_all] = first.percentiles;
        assert!((10.0..12.5).contains(&half), "{half}");
        assert!((1_000.0..1_250.0).contains(&most) && most == nearly_all, "{most} {nearly_all}");
    }

    #[test]
    fn no_more_than_an_hour_is_kept() {
        let hour = Hour::default();
        for minute in 0..200 {
            hour.add(at(minute * 60), Outcome::Event, 200, at(3_600));
        }
        let minutes = hour.minutes(at(199 * 60));
        assert_eq!((minutes.len(), minutes[0].ago), (MINUTES, at(59 * 60)));
        assert!(hour.minutes(at(199 * 60 + 3_600)).is_empty());
    }
}
