//! Moments as arguments name them.

use anyhow::bail;
use chrono::DateTime;

use crate::measure::duration;

/// A moment, by its distance from now or as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So many milliseconds ago.
    Ago(i64),
    /// In milliseconds since 1970.
    At(i64),
}

/// Reads `90s`, `1h`, `7d` or a time as RFC 3339 writes it.
pub fn moment(text: &str) -> anyhow::Result<Moment> {
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
