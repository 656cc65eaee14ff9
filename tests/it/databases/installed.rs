//! Finds the programs of the database servers, which distributions do not always put into `PATH`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where servers usually are. A `*` stands for any name, which ends in a version.
const USUAL_FOLDERS: [&str; 8] = [
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/*/bin",
    "/usr/local/opt/*/bin",
];

/// The first folder that holds all of `programs`; of the usual ones the one with the newest version.
pub fn folder_with(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(USUAL_FOLDERS.iter().flat_map(|pattern| expand(pattern)));
    folders.into_iter().find(|folder| programs.iter().all(|program| folder.join(program).is_file()))
}

/// The first of `names`, which are other names of the same program, that is installed.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    names.iter().find_map(|name| Some(folder_with(&[name])?.join(name)))
}

/// The folders that `pattern` stands for, the newest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>();
    names.retain(|name| name.starts_with(prefix));
    names.sort_by_key(|name| std::cmp::Reverse(version(name)));
    names.iter().map(|name| Path::new(parent).join(format!("{name}{after}"))).collect()
}

/// The number that `name` ends in, 0 when there is none: as texts, 9 would come after 16.
fn version(name: &str) -> u32 {
    let digits = name.rsplit(|character: char| !character.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_version_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["pgsql-9", "pgsql-16", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = folder.path().display();
        let expected = [format!("{root}/pgsql-16/bin"), format!("{root}/pgsql-9/bin")].map(PathBuf::from);
        assert_eq!(expand(&format!("{root}/pgsql-*/bin")), expected);
    }

    #[test]
    fn programs_are_found_in_the_path() {
        assert!(program(&["no-such-program", "sh"]).is_some_and(|path| path.ends_with("sh")));
        assert_eq!(folder_with(&["sh", "no-such-program"]), None);
    }
}
