//! The request log: what is kept of requests, and for how long.

use std::time::Duration;

use super::reader::Reader;
use crate::webhook::logged::Level;

#[derive(Clone, Debug)]
pub struct RequestLog {
    /// `SIDEHOOK_REQUESTS`: what is kept where a webhook says nothing of it.
    pub level: Level,
    /// `SIDEHOOK_REQUESTS_BODY`: so much of a body is kept, in bytes, written like `64kb`.
    pub body: usize,
    /// `SIDEHOOK_REQUESTS_KEEP`: how long requests are kept, written like `7d`.
    pub keep: Duration,
    /// `SIDEHOOK_REQUESTS_MAX`: about so many requests are kept, the newest ones.
    pub max: u64,
}

impl RequestLog {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let level = reader.with("SIDEHOOK_REQUESTS", "off, refused, all or bodies", Level::named);
        Self {
            level: level.unwrap_or_default(),
            body: reader.size("SIDEHOOK_REQUESTS_BODY", 64 << 10),
            keep: reader.duration("SIDEHOOK_REQUESTS_KEEP", Duration::from_secs(7 * 86_400)),
            max: reader.number("SIDEHOOK_REQUESTS_MAX", 1..=1_000_000_000).unwrap_or(500_000),
        }
    }
}
