//! The text that `check` prints: aligned, line by line as it becomes known.

use std::fmt;

use crate::cli::output;

/// How wide the labels are.
const LABEL: usize = 19;

/// What has been said so far.
#[derive(Default)]
pub(super) struct Report {
    errors: usize,
    faults: usize,
    warnings: usize,
    /// Nothing is printed.
    is_silent: bool,
    /// What it is about at the moment.
    subject: String,
    found: Vec<Found>,
    /// Why nothing more can be printed.
    unprinted: Option<anyhow::Error>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it is wrong with: a part of the deployment, or the title of a workflow.
    pub subject: String,
    pub fault: String,
    /// What to do about it, where that is not said already.
    pub mend: String,
}

impl Report {
    /// One that prints nothing.
    pub(super) fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    /// Errors and warnings.
    pub(super) fn found(self) -> Vec<Found> {
        self.found
    }

    /// Something about the deployment.
    pub(super) fn fact(&mut self, label: &str, text: &str) {
        label.clone_into(&mut self.subject);
        self.print(format_args!("{label:LABEL$}{text}"));
    }

    /// A line of its own.
    pub(super) fn heading(&mut self, text: &str) {
        text.clone_into(&mut self.subject);
        self.print(format_args!("\n{text}"));
    }

    /// Something about what the last heading names.
    pub(super) fn detail(&mut self, label: &str, text: &str) {
        self.print(format_args!("  {label:width$}{text}", width = LABEL - 2));
    }

    /// What keeps sidehook from serving.
    pub(super) fn error(&mut self, text: &str) {
        self.errors += 1;
        self.note_down(text);
        self.detail("ERROR", text);
    }

    /// What keeps a webhook from being served, or a workflow of NocoBase's from being run, but no others.
    pub(super) fn fault(&mut self, text: &str) {
        self.faults += 1;
        self.note_down(text);
        self.detail("ERROR", text);
    }

    /// What to do about the errors before.
    pub(super) fn hint(&mut self, text: &str) {
        if let Some(last) = self.found.last_mut() {
            let space = if last.mend.is_empty() { "" } else { " " };
            last.mend = format!("{}{space}{text}", last.mend);
        }
        self.detail("", text);
    }

    /// What does not work as it was meant.
    pub(super) fn warning(&mut self, text: &str) {
        self.warnings += 1;
        self.note_down(text);
        self.detail("WARNING", text);
    }

    /// What may be meant, or not.
    pub(super) fn note(&mut self, text: &str) {
        self.detail("note", text);
    }

    /// Says what it comes to; an error is what makes the command fail.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let count = |count| if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        if self.errors > 0 {
            anyhow::bail!("this database cannot be served: {}, see above", count(self.errors + self.faults));
        }
        if self.faults > 0 {
            anyhow::bail!("a webhook or workflow cannot be served: {}, see above", count(self.faults));
        }
        match self.warnings {
            0 => self.heading("sidehook can serve this database."),
            1 => self.heading("sidehook can serve this database; there is 1 warning."),
            count => self.heading(&format!("sidehook can serve this database; there are {count} warnings.")),
        }
        self.unprinted.map_or(Ok(()), Err)
    }

    fn note_down(&mut self, text: &str) {
        let (subject, fault) = (self.subject.clone(), text.to_owned());
        self.found.push(Found { subject, fault, mend: String::new() });
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        if self.unprinted.is_none() && !self.is_silent {
            self.unprinted = output::line(line).err();
        }
    }
}
