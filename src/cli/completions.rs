//! `sidehook completions` and `sidehook man`: what shells and manuals know of the command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

use super::output;

/// Prints a script that lets a shell complete commands and options.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook completions bash > /etc/bash_completion.d/sidehook
  sidehook completions zsh > ~/.zfunc/_sidehook
  sidehook completions fish > ~/.config/fish/completions/sidehook.fish")]
pub(super) struct Completions {
    shell: Shell,
}

/// Prints the manual page, or writes the pages of all commands into a folder.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook man | man -l -
  sidehook man --folder /usr/local/share/man/man1")]
pub(super) struct Man {
    /// A folder that is there
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(self, mut command: Command) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "sidehook", &mut script);
        print(&script)
    }
}

impl Man {
    pub(super) fn run(self, command: Command) -> anyhow::Result<()> {
        if let Some(folder) = self.folder {
            return clap_mangen::generate_to(command, &folder)
                .with_context(|| format!("the pages cannot be written into {}", folder.display()));
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        print(&page)
    }
}

fn print(text: &[u8]) -> anyhow::Result<()> {
    output::line(String::from_utf8_lossy(text).trim_end())
}
