//! How far a long command is: a bar on standard error, where that is a terminal.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::output;

const WIDTH: usize = 30;
/// Between two looks of it.
const INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    total: usize,
    done: usize,
    is_shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        Self { total, done: 0, is_shown: std::io::stderr().is_terminal(), drawn: None }
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        if self.is_shown && self.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL) {
            self.drawn = Some(Instant::now());
            draw(&bar(self.done, self.total));
        }
    }

    /// Prints a line above the bar.
    pub(super) fn line(&mut self, text: impl Display) -> anyhow::Result<()> {
        self.end();
        output::line(text)
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if self.is_shown && self.drawn.take().is_some() {
            draw("");
        }
    }
}

/// In the place of what stood in this line before.
fn draw(text: &str) {
    // What is wrong with the terminal shows elsewhere.
    let _ = write!(std::io::stderr(), "\r\u{1b}[K{text}");
}

fn bar(done: usize, total: usize) -> String {
    let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH).min(WIDTH);
    format!("[{}{}] {done} of {total}", "#".repeat(filled), " ".repeat(WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_up() {
        assert_eq!(bar(1, 2), format!("[{}{}] 1 of 2", "#".repeat(15), " ".repeat(15)));
        assert!(bar(2, 2).starts_with(&format!("[{}]", "#".repeat(30))));
        assert!(bar(0, 0).ends_with("0 of 0"));
    }
}
