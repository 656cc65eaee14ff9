//! Running workflows: how many at a time, and for how long.

use std::time::Duration;

use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct Engine {
    /// `SIDEHOOK_WORKERS`: how many asynchronous executions run at a time.
    pub workers: usize,
    /// `SIDEHOOK_SYNC_TIMEOUT`: how long a caller waits for a synchronous workflow, written like `5m`.
    pub sync_timeout: Duration,
    /// `WORKFLOW_LOOP_LIMIT`: the most rounds of a loop node.
    pub loop_limit: Option<u64>,
    /// `SIDEHOOK_NUMBER_LOOP_LIMIT`: the most rounds of a loop over a number where `WORKFLOW_LOOP_LIMIT` is not
    /// set.
    pub number_loop_limit: u64,
    /// `SIDEHOOK_ABANDON_AFTER`: how long a synchronous run goes on whose caller is gone, where it changes nothing
    /// but its own rows, written like `10m`.
    pub abandon_after: Duration,
    /// `SIDEHOOK_SQL_TIMEOUT`: how long a statement of an sql node may take, written like `5m`.
    pub sql_timeout: Duration,
}

impl Engine {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let five_minutes = Duration::from_secs(300);
        Self {
            workers: reader.number("SIDEHOOK_WORKERS", 1..=10_000).unwrap_or(16),
            sync_timeout: reader.duration("SIDEHOOK_SYNC_TIMEOUT", five_minutes),
            loop_limit: reader
                .with("WORKFLOW_LOOP_LIMIT", "a number of rounds", |text| text.parse().ok())
                .filter(|limit| *limit > 0),
            number_loop_limit: reader.number("SIDEHOOK_NUMBER_LOOP_LIMIT", 1..=u64::MAX).unwrap_or(100_000),
            abandon_after: reader.duration("SIDEHOOK_ABANDON_AFTER", Duration::from_secs(600)),
            sql_timeout: reader.duration("SIDEHOOK_SQL_TIMEOUT", five_minutes),
        }
    }
}
