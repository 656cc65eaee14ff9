//! What scripts write to their console, in the log: at debug, so many lines and bytes of a script. It may hold what
//! the script works with, bodies included.

use std::cell::Cell;

/// So many lines of a script are told.
const LINES: usize = 200;
/// So many bytes of a script are told.
const BYTES: usize = 16 << 10;

/// The console of one script.
pub(in crate::script) struct Console {
    /// Whose it is: the run of a node, as `Context::effect_key` names it.
    run: String,
    lines: Cell<usize>,
    bytes: Cell<usize>,
}

impl Console {
    pub(in crate::script) fn new(run: &str) -> Self {
        Self { run: run.to_owned(), lines: Cell::new(0), bytes: Cell::new(0) }
    }

    /// Whether anybody listens.
    pub(in crate::script) fn is_told() -> bool {
        tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Tells one output; whether there may be more.
    pub(in crate::script) fn tell(&self, method: &str, text: &str) -> bool {
        let mut parts = self.run.splitn(2, ':');
        let (execution, node) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        for line in text.split('\n') {
            let left = BYTES.saturating_sub(self.bytes.get());
            if self.lines.get() >= LINES || left == 0 {
                tracing::debug!(
                    execution.id = execution,
                    node.run = node,
                    "a script writes more than is told"
                );
                return false;
            }
            let end = (0..=left.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            self.lines.set(self.lines.get() + 1);
            self.bytes.set(self.bytes.get() + end.max(1));
            tracing::debug!(
                execution.id = execution,
                node.run = node,
                method,
                output = &line[..end],
                "a script writes"
            );
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_writes_much_is_cut_short() {
        let console = Console::new("5:node:1");
        assert!(console.tell("log", &"x\n".repeat(LINES / 2)));
        assert!(!console.tell("log", &"x\n".repeat(LINES)));
        let console = Console::new("5:node:1");
        assert!(console.tell("log", &"ü".repeat(BYTES)));
        assert!(console.bytes.get() <= BYTES && !console.tell("log", "x"));
    }
}
