//! Logs: readable on a terminal, JSON otherwise. They never carry credentials, signatures or bodies, and whoever reads
//! them, or does not, decides over nothing else.

mod latest;
mod queue;

use std::any::Any;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::panic;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::TryInitError;

pub(crate) use latest::latest;
pub(crate) use queue::Log;

use self::latest::Keeper;
use self::queue::Queue;
use crate::config::LogFormat;

/// Sets up logging to standard error, until the end of the process. `filter` is a filter of tracing-subscriber.
pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<Log> {
    let filter = EnvFilter::try_new(filter).map_err(|err| {
        anyhow::anyhow!("SIDEHOOK_LOG must be a filter such as info or sidehook=debug: {err}")
    })?;
    let (is_terminal, sink) = {
        let stderr = std::io::stderr();
        // A handle of its own: one that waits for a reader holds no lock that others need.
        (stderr.is_terminal(), stderr.as_fd().try_clone_to_owned().context("standard error cannot be used")?)
    };
    let (queue, ending) = Queue::start(File::from(sink)).context("no thread can be started")?;
    let writer = move || queue.clone();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    let is_text = match format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started: Result<(), TryInitError> = if is_text {
        use tracing_subscriber::util::SubscriberInitExt;
        log.with_target(false).with_ansi(is_terminal).finish().with(Keeper).try_init()
    } else {
        use tracing_subscriber::util::SubscriberInitExt;
        log.json().flatten_event(true).with_span_list(false).finish().with(Keeper).try_init()
    };
    started.map_err(|err| anyhow::anyhow!("logging is set up already: {err}"))?;
    // Otherwise a panic would be printed past the queue.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a task has panicked: {}", words(panic.payload()));
    }));
    Ok(ending)
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let words = payload.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| payload.downcast_ref().copied()).unwrap_or("without a text")
}
