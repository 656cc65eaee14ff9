//! Whether events can be recorded at the moment, as far as this instance knows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// After so long without a sign of life the database counts as away. One is given each second.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(3);

/// Why no events should be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    #[error("sidehook is about to stop")]
    Leaving,
    #[error("a background task has ended; sidehook is about to stop")]
    Failed,
    #[error("the database does not answer")]
    Silent,
    #[error("the database does not take events; `sidehook check` and the log say why")]
    Unwritable,
    #[error("the queue in front of the database does not answer; the log says why")]
    NoQueue,
}

/// What is known beside the signs of life.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    is_leaving: AtomicBool,
    /// An event could not be recorded, or nobody has looked yet.
    is_doubtful: AtomicBool,
    is_unwritable: AtomicBool,
}

impl Readiness {
    /// Nothing is to be sent here any more.
    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    /// Something could not be recorded: it has to be looked into why.
    pub(super) fn doubt(&self) {
        self.is_doubtful.store(true, Ordering::Release);
    }

    /// Whether it has to be tried out if events can be recorded.
    pub(super) fn is_to_be_tried(&self) -> bool {
        self.is_doubtful.swap(false, Ordering::AcqRel) || self.is_unwritable.load(Ordering::Acquire)
    }

    /// What has come of trying; returns whether it was different before.
    pub(super) fn tried(&self, is_writable: bool) -> bool {
        self.is_unwritable.swap(!is_writable, Ordering::AcqRel) == is_writable
    }

    /// `silent_for` is how old the last sign of life is, and `queue` whether the one in front of the database, where there
    /// is one, answers: then it takes events without the database.
    pub(super) fn check(
        &self,
        has_failed: bool,
        silent_for: Duration,
        queue: Option<bool>,
    ) -> Result<(), Unready> {
        if self.is_leaving.load(Ordering::Acquire) {
            Err(Unready::Leaving)
        } else if has_failed {
            Err(Unready::Failed)
        } else if let Some(answers) = queue {
            if answers { Ok(()) } else { Err(Unready::NoQueue) }
        } else if silent_for > MAX_SILENCE {
            Err(Unready::Silent)
        } else if self.is_unwritable.load(Ordering::Acquire) {
            Err(Unready::Unwritable)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_writable_stays_so_until_it_was_tried_again() {
        let readiness = Readiness::default();
        let check = || readiness.check(false, Duration::ZERO, None);
        assert!(!readiness.is_to_be_tried() && check().is_ok());
        readiness.doubt();
        assert!(check().is_ok(), "one event may have been refused for its own sake");
        assert!(readiness.is_to_be_tried() && readiness.tried(false));
        assert_eq!(check(), Err(Unready::Unwritable));
        assert!(readiness.is_to_be_tried() && !readiness.tried(false));
        assert!(readiness.tried(true) && check().is_ok() && !readiness.is_to_be_tried());
    }

    #[test]
    fn silence_failure_and_leaving_are_told() {
        let readiness = Readiness::default();
        assert_eq!(readiness.check(false, MAX_SILENCE * 2, None), Err(Unready::Silent));
        assert_eq!(readiness.check(false, MAX_SILENCE * 2, Some(true)), Ok(()), "the queue takes events");
        assert_eq!(readiness.check(false, Duration::ZERO, Some(false)), Err(Unready::NoQueue));
        assert_eq!(readiness.check(true, Duration::ZERO, Some(true)), Err(Unready::Failed));
        readiness.leave();
        assert_eq!(readiness.check(true, Duration::ZERO, None), Err(Unready::Leaving));
    }
}
