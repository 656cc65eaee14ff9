//! The latest warnings and errors of this process' log, for those who cannot read it.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::{Clock, SystemClock};

/// So many are kept.
const MOST: usize = 20;
/// The longest that is kept of each, in bytes.
const LONGEST: usize = 500;

/// What is kept. A process has one log, and so one of these.
static LATEST: Mutex<VecDeque<Noted>> = Mutex::new(VecDeque::new());

/// A warning or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub at: DateTime<Utc>,
    /// What the log says, with its values.
    pub message: String,
}

/// The latest of them, oldest first.
pub(crate) fn latest() -> Vec<Noted> {
    kept().iter().cloned().collect()
}

fn kept() -> MutexGuard<'static, VecDeque<Noted>> {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what passes the filter of the log.
pub(super) struct Keeper;

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::WARN {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let noted = Noted { at: SystemClock.now(), message: text.whole() };
        let mut kept = kept();
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back(noted);
    }
}

/// An event as a line: its message, then its values.
#[derive(Default)]
struct Text {
    message: String,
    values: String,
}

impl Text {
    fn whole(self) -> String {
        let mut whole = self.message + &self.values;
        if whole.len() > LONGEST {
            whole.truncate(whole.floor_char_boundary(LONGEST));
            whole.push('…');
        }
        whole
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.values, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => self.message.write_str(value),
            "reason" => write!(self.values, ": {value}"),
            name => write!(self.values, " {name}={value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_latest_warnings_are_kept_with_their_values() {
        let subscriber = tracing_subscriber::registry().with(Keeper);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("no warning");
            for n in 0..30 {
                tracing::warn!(n, reason = "away", "it is {}", "so");
            }
            tracing::error!("{}", "ü".repeat(1_000));
        });
        let kept = latest();
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept[MOST - 2].message, "it is so n=29: away");
        assert!(kept[MOST - 1].message.len() <= LONGEST + 3);
    }
}
