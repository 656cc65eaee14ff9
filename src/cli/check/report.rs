//! The text that `check` prints: aligned, line by line as it becomes known.

use std::fmt;

use crate::cli::output;

/// How wide the labels are.
const LABEL: usize = 19;

/// What has been said so far.
#[derive(Default)]
pub struct Report {
    errors: usize,
    faults: usize,
    warnings: usize,
    /// Why nothing more can be printed.
    unprinted: Option<anyhow::Error>,
}

impl Report {
    /// Something about the deployment.
    pub fn fact(&mut self, label: &str, text: &str) {
        self.print(format_args!("{label:LABEL$}{text}"));
    }

    /// A line of its own.
    pub fn heading(&mut self, text: &str) {
        self.print(format_args!("\n{text}"));
    }

    /// Something about what the last heading names.
    pub fn detail(&mut self, label: &str, text: &str) {
        self.print(format_args!("  {label:width$}{text}", width = LABEL - 2));
    }

    /// What keeps sidehook from serving.
    pub fn error(&mut self, text: &str) {
        self.errors += 1;
        self.detail("ERROR", text);
    }

    /// What keeps a webhook from being served, but no others.
    pub fn fault(&mut self, text: &str) {
        self.faults += 1;
        self.detail("ERROR", text);
    }

    /// What to do about the errors before.
    pub fn hint(&mut self, text: &str) {
        self.detail("", text);
    }

    /// What does not work as it was meant.
    pub fn warning(&mut self, text: &str) {
        self.warnings += 1;
        self.detail("WARNING", text);
    }

    /// What may be meant, or not.
    pub fn note(&mut self, text: &str) {
        self.detail("note", text);
    }

    /// Says what it comes to; an error is what makes the command fail.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let count = |count| if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        if self.errors > 0 {
            anyhow::bail!("this database cannot be served: {}, see above", count(self.errors + self.faults));
        }
        if self.faults > 0 {
            anyhow::bail!("a webhook cannot be served: {}, see above", count(self.faults));
        }
        match self.warnings {
            0 => self.heading("sidehook can serve this database."),
            1 => self.heading("sidehook can serve this database; there is 1 warning."),
            count => self.heading(&format!("sidehook can serve this database; there are {count} warnings.")),
        }
        self.unprinted.map_or(Ok(()), Err)
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        if self.unprinted.is_none() {
            self.unprinted = output::line(line).err();
        }
    }
}
