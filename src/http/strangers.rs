//! Addresses that ask for what is not there, or with wrong credentials, again and again: after a generous number they
//! are told to wait, whatever they ask for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::address;
use crate::webhook::quota::{Key, Limiter};
use crate::webhook::refusal::Refusal;

const MINUTE: Duration = Duration::from_secs(60);
/// So many addresses are kept waiting at a time.
const MAX_WAITING: usize = 10_000;
/// How often it is looked, where all those places are taken, for whom the wait is over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The failures of addresses.
pub(super) struct Strangers {
    /// None where there is no limit.
    limiter: Option<Limiter>,
    waiting: Mutex<Waiting>,
}

/// Until when addresses are kept waiting, in times since the start.
#[derive(Default)]
struct Waiting {
    until: HashMap<Key, Duration>,
    swept: Duration,
}

impl Strangers {
    /// Each address may fail so often in a minute.
    pub(super) fn new(limit: Option<NonZeroU32>) -> Self {
        let limiter = limit.map(|limit| Limiter::new(limit.get(), MINUTE, limit.get()));
        Self { limiter, waiting: Mutex::default() }
    }

    /// Turns away who has to wait. Private addresses do not have to: behind them may be a proxy that is not known to be
    /// one, and then they stand for everybody.
    pub(super) fn admit(&self, peer: Option<IpAddr>, now: Duration) -> Result<(), Refusal> {
        let Some((limiter, peer)) = self.counted(peer) else { return Ok(()) };
        let key = limiter.address(Some(peer));
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.until.get(&key).and_then(|until| until.checked_sub(now)) {
            Some(wait) if !wait.is_zero() => Err(Refusal::too_many_requests(wait, None)),
            _ => Ok(()),
        }
    }

    /// Notes what a request has come to.
    pub(super) fn note(&self, refusal: &Refusal, peer: Option<IpAddr>, now: Duration) {
        let Some((limiter, peer)) = self.counted(peer).filter(|_| matches!(refusal.status, 401 | 404)) else {
            return;
        };
        let key = limiter.address(Some(peer));
        let Err(wait) = limiter.count(key, now) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.until.len() >= MAX_WAITING && now >= waiting.swept + SWEEP_INTERVAL {
            waiting.until.retain(|_, until| *until > now);
            waiting.swept = now;
        }
        if waiting.until.len() < MAX_WAITING {
            waiting.until.insert(key, now + wait);
        }
    }

    fn counted(&self, peer: Option<IpAddr>) -> Option<(&Limiter, IpAddr)> {
        let peer = peer.filter(|peer| !address::is_private(*peer))?;
        Some((self.limiter.as_ref()?, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(limit: u32) -> Strangers {
        Strangers::new(NonZeroU32::new(limit))
    }

    fn peer(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    /// The status of a request that would be refused, at that second.
    fn status(strangers: &Strangers, by: &str, refusal: &Refusal, second: u64) -> u16 {
        let now = Duration::from_secs(second);
        if let Err(refusal) = strangers.admit(peer(by), now) {
            return refusal.status;
        }
        strangers.note(refusal, peer(by), now);
        refusal.status
    }

    #[test]
    fn who_fails_too_often_has_to_wait() {
        let strangers = strangers(60);
        for refusal in [Refusal::not_found(), Refusal::unauthorized()] {
            for _ in 0..30 {
                assert_eq!(status(&strangers, "8.8.8.8", &refusal, 0), refusal.status);
            }
        }
        assert_eq!(
            status(&strangers, "8.8.8.8", &Refusal::not_found(), 0),
            404,
            "the first that is too many"
        );
        assert_eq!(status(&strangers, "8.8.8.8", &Refusal::not_found(), 0), 429);
        assert_eq!(
            status(&strangers, "8.8.4.4", &Refusal::not_found(), 0),
            404,
            "others are not kept waiting"
        );
        assert_eq!(status(&strangers, "8.8.8.8", &Refusal::not_found(), 1), 404, "one more a second");
        assert_eq!(status(&strangers, "8.8.8.8", &Refusal::unauthorized(), 1), 401);
        assert_eq!(status(&strangers, "8.8.8.8", &Refusal::unauthorized(), 1), 429);
        assert_eq!(status(&strangers, "8.8.8.8", &Refusal::unauthorized(), 120), 401);
    }

    #[test]
    fn other_refusals_and_private_addresses_do_not_count() {
        let strangers = strangers(1);
        for (by, refusal) in [
            ("8.8.8.8", Refusal::bad_request("x")),
            ("8.8.8.8", Refusal::unavailable()),
            ("10.0.0.1", Refusal::not_found()),
            ("127.0.0.1", Refusal::unauthorized()),
            ("", Refusal::not_found()),
        ] {
            for _ in 0..5 {
                assert_eq!(status(&strangers, by, &refusal, 0), refusal.status, "{by}");
            }
        }
        let off = Strangers::new(None);
        for _ in 0..5 {
            assert_eq!(status(&off, "8.8.8.8", &Refusal::not_found(), 0), 404);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let strangers = strangers(1);
        for i in 0..30_000_u32 {
            let by = std::net::Ipv4Addr::from_bits(0x0800_0000 + i).to_string();
            for _ in 0..3 {
                status(&strangers, &by, &Refusal::not_found(), 0);
            }
        }
        let waiting = strangers.waiting.lock().expect("a lock").until.len();
        assert!(waiting <= MAX_WAITING, "{waiting}");
    }
}
