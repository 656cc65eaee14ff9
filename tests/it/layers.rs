//! A request travels one way through the code: which module may use which others. And no file grows beyond what one
//! can read at a sitting.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the library with those that it may use, beside itself. What is not listed uses nothing.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "app",
        &["clock", "collection", "config", "engine", "expr", "http", "node", "script", "store", "webhook"],
    ),
    ("cli", &["app", "clock", "config", "engine", "expr", "http", "node", "store", "telemetry", "webhook"]),
    ("clock", &["expr"]),
    ("collection", &["expr", "store"]),
    ("config", &[]),
    ("engine", &["clock", "expr", "node", "script", "store"]),
    ("expr", &[]),
    ("http", &["app", "engine", "expr", "store", "webhook"]),
    ("main", &["cli"]),
    ("node", &["collection", "expr", "script"]),
    ("script", &["expr"]),
    ("store", &[]),
    ("telemetry", &["config"]),
    ("webhook", &["expr"]),
];

/// Lines of code, without blank ones, comments and tests.
const LONGEST_FILE: usize = 400;

/// A source file without what does not matter here.
struct Source {
    /// Relative to `src`.
    path: PathBuf,
    /// Lines of code before the tests.
    lines: Vec<String>,
}

impl Source {
    fn read(root: &Path, file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a source file");
        let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        let lines = code.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
        let path = file.strip_prefix(root).expect("a file in src").to_owned();
        Self { path, lines: lines.map(str::to_owned).collect() }
    }

    /// The module of the library that it belongs to.
    fn module(&self) -> String {
        let first = self.path.iter().next().expect("a name").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The modules that follow `crate::` anywhere in it, those of groups (`use crate::{a, b::c}`) included.
    fn uses(&self) -> BTreeSet<String> {
        let code = self.lines.join("\n");
        // Only `main.rs` is outside of the library.
        let prefix = if self.module() == "main" { "sidehook::" } else { "crate::" };
        code.split(prefix).skip(1).flat_map(first_names).collect()
    }
}

/// The first name of a path, or of each path of a group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&group[start..i]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&group[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source::read(&root, &path));
            }
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    sources
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module();
        // The library's root only names its modules.
        if module == "lib" {
            continue;
        }
        let allowed = MAY_USE.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        let Some(allowed) = allowed else {
            wrong.push(format!("{module} is not on the list in tests/it/layers.rs"));
            continue;
        };
        let uses = source.uses();
        let forbidden = uses.iter().filter(|name| **name != module && !allowed.contains(&name.as_str()));
        wrong.extend(forbidden.map(|name| format!("{} uses {name}", source.path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file that a test module has been moved out to is a test, too.
fn is_test(source: &Source) -> bool {
    source.path.file_name().is_some_and(|name| name == "tests.rs")
}

#[test]
fn sql_is_in_the_store_only() {
    let builders = ["sea_query", "ConnectionTrait", "execute_unprepared"];
    let outside =
        sources().into_iter().filter(|source| !["store", "collection"].contains(&&*source.module()));
    let found: Vec<String> = outside
        .filter(|source| !is_test(source))
        .filter(|source| builders.iter().any(|name| source.lines.iter().any(|line| line.contains(name))))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn http_types_are_in_one_folder_only() {
    let outside = sources().into_iter().filter(|source| source.module() != "http");
    let found: Vec<String> = outside
        .filter(|source| source.lines.iter().any(|line| line.contains("poem::")))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn no_file_is_longer_than_can_be_read_at_a_sitting() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines.len() > LONGEST_FILE && !is_test(source))
        .map(|source| format!("{}: {} lines of code", source.path.display(), source.lines.len()))
        .collect();
    assert!(long.is_empty(), "more than {LONGEST_FILE} lines of code:\n{}", long.join("\n"));
}

#[test]
fn names_are_found_in_paths_and_groups() {
    let source =
        |code: &str| Source { path: "x.rs".into(), lines: code.lines().map(str::to_owned).collect() };
    let uses = |code: &str| source(code).uses().into_iter().collect::<Vec<_>>();
    assert_eq!(uses("use crate::expr::{Value, json};\nlet x = crate::clock::now();"), ["clock", "expr"]);
    assert_eq!(uses("use crate::{a::{b, c}, d,\n    e_f::g};\nuse other::h;"), ["a", "d", "e_f"]);
}
