//! Whether sidehook's plugin keeps NocoBase from beginning with executions that are run here. It says so again and again,
//! with another text each time: clocks of machines differ.

use std::time::Duration;

use tokio::time::Instant;

/// The plugin says it every two seconds. NocoBase takes longer than this to start again, without the plugin perhaps.
const VALID_FOR: Duration = Duration::from_secs(8);

/// What the plugin has said.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    last: Option<Option<String>>,
    changed_at: Option<Instant>,
}

impl Keeper {
    /// What is there now. What was there at the first look may be old.
    pub(super) fn hear(&mut self, told: Option<String>, now: Instant) {
        if self.last.as_ref() == Some(&told) {
            return;
        }
        self.changed_at = (self.last.is_some() && told.is_some()).then_some(now);
        self.last = Some(told);
    }

    pub(super) fn is_kept(&self, now: Instant) -> bool {
        self.changed_at.is_some_and(|at| now.duration_since(at) <= VALID_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_just_changed_counts() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut keeper = Keeper::default();
        keeper.hear(Some("1".to_owned()), at(0));
        assert!(!keeper.is_kept(at(0)), "it may be of yesterday");
        keeper.hear(Some("1".to_owned()), at(1));
        assert!(!keeper.is_kept(at(1)));
        keeper.hear(Some("2".to_owned()), at(2));
        assert!(keeper.is_kept(at(2)) && keeper.is_kept(at(10)) && !keeper.is_kept(at(11)));
        keeper.hear(None, at(3));
        assert!(!keeper.is_kept(at(3)), "the plugin has taken it back");
        keeper.hear(Some("3".to_owned()), at(4));
        assert!(keeper.is_kept(at(4)));
    }
}
