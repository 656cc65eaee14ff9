//! Logs: readable on a terminal, JSON otherwise. They never carry credentials, signatures or bodies.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::config::LogFormat;

/// Sets up logging to standard error. `filter` is a filter of tracing-subscriber.
pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|err| {
        anyhow::anyhow!("SIDEHOOK_LOG must be a filter such as info or sidehook=debug: {err}")
    })?;
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lenient).log_internal_errors(false);
    let is_text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started: Result<(), TryInitError> = if is_text {
        use tracing_subscriber::util::SubscriberInitExt;
        log.with_target(false).with_ansi(std::io::stderr().is_terminal()).finish().try_init()
    } else {
        use tracing_subscriber::util::SubscriberInitExt;
        log.json().flatten_event(true).with_span_list(false).finish().try_init()
    };
    started.map_err(|err| anyhow::anyhow!("logging is set up already: {err}"))
}

/// Standard error that takes everything: a log that cannot be written (the disk is full, the reader has gone)
/// decides over nothing else.
struct Lenient;

impl Write for Lenient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
