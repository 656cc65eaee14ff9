//! Moments as arguments name them, and as they are printed.

use anyhow::bail;
use chrono::{DateTime, Local, TimeDelta, Utc};

use crate::measure::duration;

/// A moment, by its distance from now or as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So many milliseconds ago.
    Ago(i64),
    /// In milliseconds since 1970.
    At(i64),
}

impl Moment {
    /// As a time; none of one that is too far away to be any.
    pub(super) fn time(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Ago(ms) => now.checked_sub_signed(TimeDelta::milliseconds(ms)),
            Self::At(ms) => DateTime::from_timestamp_millis(ms),
        }
    }
}

/// A time as this machine tells it.
pub(super) fn local(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// Reads `90s`, `1h`, `7d` or a time as RFC 3339 writes it.
pub(super) fn moment(text: &str) -> anyhow::Result<Moment> {
    if let Some(length) = duration(text) {
        return Ok(Moment::Ago(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)));
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(Moment::At(time.timestamp_millis())),
        Err(_) => bail!("a time is written like 1h or 2026-11-27T08:00:00Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_lengths_or_moments() {
        assert_eq!(moment("1h").ok(), Some(Moment::Ago(3_600_000)));
        assert_eq!(moment("7d").ok(), Some(Moment::Ago(604_800_000)));
        assert_eq!(moment("1970-01-01T00:00:01Z").ok(), Some(Moment::At(1000)));
        assert!(moment("yesterday").is_err());
    }
}
