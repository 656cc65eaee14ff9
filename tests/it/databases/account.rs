//! The user that database servers run as when the tests run as root, which both servers refuse.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user of this machine without special rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The first of the accounts `names` that exists; None when there is no need to become another user, because
    /// `folder`, which this process has made, does not belong to root.
    pub fn instead_of_root(folder: &Path, names: &[&str]) -> io::Result<Option<Self>> {
        if fs::metadata(folder)?.uid() != 0 {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd")?;
        let found = names.iter().find_map(|name| Self::named(name, &accounts));
        let missing =
            || io::Error::other(format!("a database server can't run as root, and there is no {names:?}"));
        found.map(Some).ok_or_else(missing)
    }

    /// A line of `accounts` is `name:password:user:group:...`.
    fn named(name: &str, accounts: &str) -> Option<Self> {
        let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
        fields.into_iter().find_map(|fields| match fields.as_slice() {
            [account, _, user, group, ..] if *account == name => {
                Some(Self { user: user.parse().ok()?, group: group.parse().ok()? })
            }
            _ => None,
        })
    }

    pub fn give(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }

    pub fn become_in(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_found_by_its_whole_name() {
        let accounts =
            "postgresql:x:1:2::/:/bin/sh\npostgres:x:101:104:PostgreSQL:/var/lib:/bin/bash\nbroken\n";
        assert_eq!(Account::named("postgres", accounts), Some(Account { user: 101, group: 104 }));
        assert_eq!(Account::named("mysql", accounts), None);
    }
}
