//! What commands print. A reader who has gone (`| head`) ends the command quietly, a full disk is an error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Nobody reads on; the command has nothing more to do.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
pub(super) struct ReaderGone;

/// Prints a line.
pub(super) fn line(text: impl Display) -> anyhow::Result<()> {
    checked(writeln!(io::stdout().lock(), "{text}"))
}

/// A text of somebody else on its way to a terminal, which nothing in it can steer.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Makes sure that everything has been written, at the end of a command.
pub(super) fn flush() -> anyhow::Result<()> {
    checked(io::stdout().flush())
}

fn checked(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        other => other.map_err(|err| anyhow::anyhow!("nothing can be printed: {err}")),
    }
}
