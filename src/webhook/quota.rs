//! How much a sender may ask for in a time, for any number of senders in bounded memory. Time is what the caller says
//! it is; what an answer says of it is not decided here.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::address;

/// So many keys have a count of their own. When more are in use at a time, all share [`SHARED`] counts until some are
/// unused again: an attacker with many addresses gets no more than that many shares.
const MAX_KEYS: usize = 10_000;
const SHARED: u64 = 1024;
/// How often unused keys are looked for where all places are taken.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The longest time of a quota. With it and [`MAX_BURST`] the counts stay within 64 bits of nanoseconds.
pub const MAX_PERIOD: Duration = Duration::from_secs(86_400);
/// The most requests of a quota.
pub const MAX_BURST: u32 = 100_000;

/// Who is counted: a digest, so that its length does not depend on what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// Counts by keys, each of which may do so much.
pub struct Limiter {
    limiter: RateLimiter<Key, HashMapStateStore<Key>, Now, NoOpMiddleware<Duration>>,
    now: Now,
    /// When unused keys were last looked for, in nanoseconds.
    swept: AtomicU64,
    hasher: RandomState,
}

/// The time that was last told, in nanoseconds.
#[derive(Clone, Debug, Default)]
struct Now(Arc<AtomicU64>);

impl Clock for Now {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Limiter {
    /// Each key may do `requests` things `per` time on average, and at most `burst` at once. The bounds are
    /// [`MAX_PERIOD`] and [`MAX_BURST`]; what is beyond or 0 is set to them or to 1.
    pub fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let count = |number: u32| NonZeroU32::new(number.clamp(1, MAX_BURST)).unwrap_or(NonZeroU32::MIN);
        let each = per.min(MAX_PERIOD) / count(requests).get();
        let quota = Quota::with_period(each.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN)).allow_burst(count(burst));
        let now = Now::default();
        let limiter = RateLimiter::hashmap_with_clock(quota, now.clone());
        Self { limiter, now, swept: AtomicU64::default(), hasher: RandomState::new() }
    }

    /// The key of a sender: an IPv4 address or the first 64 bits of an IPv6 address, all unknown ones together.
    pub fn address(&self, address: Option<IpAddr>) -> Key {
        Key(self.hasher.hash_one(address.map(address::sender)))
    }

    /// The key of a text.
    pub fn text(&self, text: &str) -> Key {
        Key(self.hasher.hash_one(text))
    }

    /// Counts one thing; where that is too much it is not counted, and the error is how long to wait. `now` is a time
    /// that never goes back, such as the time since the start.
    pub fn count(&self, key: Key, now: Duration) -> Result<(), Duration> {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX / 2);
        self.now.0.fetch_max(nanos, Ordering::Relaxed);
        let key = if self.has_place(nanos) { key } else { Key(key.0 % SHARED) };
        self.limiter.check_key(&key).map_err(|until| until.wait_time_from(self.now.now()))
    }

    /// Whether another key can have a count of its own.
    fn has_place(&self, now: u64) -> bool {
        if self.limiter.len() < MAX_KEYS {
            return true;
        }
        let (last, interval) = (self.swept.load(Ordering::Relaxed), SWEEP_INTERVAL.as_nanos() as u64);
        if last != 0 && now < last.saturating_add(interval) {
            return false;
        }
        // One thread looks; the others need not wait for it.
        if self.swept.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.limiter.retain_recent();
        }
        self.limiter.len() < MAX_KEYS
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("keys", &self.limiter.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_key_may_do_its_burst_at_once_and_then_its_share() {
        let limiter = Limiter::new(60, 60 * SECOND, 3);
        let key = limiter.text("a");
        let count = |ms| limiter.count(key, Duration::from_millis(ms));
        assert_eq!([count(0), count(0), count(0)], [Ok(()); 3]);
        assert_eq!(count(0), Err(SECOND));
        assert_eq!((count(400), count(1000), count(1000)), (Err(SECOND * 6 / 10), Ok(()), Err(SECOND)));
        assert_eq!(limiter.count(limiter.text("b"), SECOND), Ok(()), "others are counted for themselves");
        assert_eq!(count(500), Err(SECOND), "time does not go back");
    }

    #[test]
    fn an_address_of_ipv6_counts_with_its_64_bits() {
        let limiter = Limiter::new(1, 60 * SECOND, 1);
        let key = |text: &str| limiter.address(Some(text.parse().expect("an address")));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:0:0:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_ne!(key("192.0.2.1"), limiter.address(None));
    }

    #[test]
    fn memory_is_bounded_and_full_places_come_back() {
        let limiter = Limiter::new(1, 10 * SECOND, 1);
        for i in 0..2 * MAX_KEYS {
            let _ = limiter.count(limiter.text(&i.to_string()), SECOND);
        }
        let keys = limiter.limiter.len();
        assert!(keys <= MAX_KEYS + SHARED as usize, "{keys}");
        let fresh = (0..100).filter(|i| limiter.count(limiter.text(&format!("new {i}")), SECOND).is_ok());
        assert!(fresh.count() < 5, "the shared counts are used up as well");
        assert_eq!(limiter.count(limiter.text("later"), 30 * SECOND), Ok(()));
        assert!(limiter.limiter.len() < 10, "{}", limiter.limiter.len());
    }

    #[test]
    fn extreme_quotas_do_not_overflow() {
        for (requests, per, burst) in [
            (1, Duration::MAX, u32::MAX),
            (0, Duration::ZERO, 0),
            (u32::MAX, Duration::from_nanos(1), u32::MAX),
        ] {
            let limiter = Limiter::new(requests, per, burst);
            let key = limiter.text("a");
            for now in [Duration::ZERO, SECOND, Duration::MAX] {
                for _ in 0..3 {
                    let _ = limiter.count(key, now);
                }
            }
        }
    }
}
