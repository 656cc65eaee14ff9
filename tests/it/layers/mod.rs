//! A request travels one way through the code: which module may use which others, and no files use each other in a
//! circle. And no file grows beyond what one can read at a sitting.

mod dependencies;
mod imports;
mod way;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the library with those that it may use, beside itself. What is not listed uses nothing.
const MAY_USE: &[(&str, &[&str])] = &[
    ("address", &[]),
    (
        "app",
        &[
            "clock",
            "collection",
            "config",
            "engine",
            "expr",
            "ids",
            "metrics",
            "node",
            "outbound",
            "queue",
            "script",
            "store",
            "supervision",
            "trace",
            "webhook",
        ],
    ),
    ("apps", &["app", "config", "expr", "metrics", "store"]),
    (
        "cli",
        &[
            "app",
            "apps",
            "clock",
            "config",
            "control",
            "engine",
            "expr",
            "http",
            "ids",
            "measure",
            "metrics",
            "node",
            "outbound",
            "queue",
            "store",
            "telemetry",
            "trace",
            "webhook",
        ],
    ),
    ("clock", &[]),
    ("collection", &["expr", "store"]),
    ("config", &["address", "measure", "store", "webhook"]),
    ("control", &[]),
    (
        "engine",
        &["clock", "expr", "ids", "metrics", "node", "outbound", "script", "store", "supervision", "trace"],
    ),
    ("expr", &[]),
    ("field", &["expr"]),
    (
        "http",
        &[
            "address", "app", "apps", "config", "control", "engine", "expr", "field", "metrics", "store",
            "trace", "webhook",
        ],
    ),
    ("ids", &["clock", "expr"]),
    ("main", &["cli"]),
    ("measure", &[]),
    ("metrics", &[]),
    ("node", &["collection", "expr", "field", "outbound", "script"]),
    ("outbound", &["expr", "field"]),
    ("queue", &["config"]),
    ("script", &["expr"]),
    ("store", &["metrics"]),
    ("supervision", &[]),
    ("telemetry", &["clock", "config"]),
    ("trace", &["config", "outbound"]),
    ("webhook", &["address", "expr", "field", "measure"]),
];

/// Circles of files that are still to be opened, with all files of each. A line that names no circle any more has to
/// go.
const CIRCLES: &[&[&str]] = &[];

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
        Self::of(file.strip_prefix(root).expect("a file in src"), &text)
    }

    fn of(path: impl Into<PathBuf>, text: &str) -> Self {
        let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        let lines = code.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
        Self { path: path.into(), lines: lines.map(str::to_owned).collect() }
    }

    /// Its name below `src`.
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn code(&self) -> String {
        self.lines.join("\n")
    }

    /// The module of the library that it belongs to.
    fn module(&self) -> String {
        let first = self.path.iter().next().expect("a name").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The path of its module; the root of the library has none.
    fn module_path(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let mut names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        names.pop_if(|last| ["lib", "mod"].contains(&last.as_str()));
        names
    }

    /// The modules that follow `crate::` anywhere in it, those of groups (`use crate::{a, b::c}`) included.
    fn uses(&self) -> BTreeSet<String> {
        let code = self.code();
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
            wrong.push(format!("{module} is not on the list in tests/it/layers/mod.rs"));
            continue;
        };
        let uses = source.uses();
        let forbidden = uses.iter().filter(|name| **name != module && !allowed.contains(&name.as_str()));
        wrong.extend(forbidden.map(|name| format!("{} uses {name}", source.path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_list_itself_has_no_circle() {
    let graph = MAY_USE.iter().map(|(module, allowed)| {
        ((*module).to_owned(), allowed.iter().map(|name| (*name).to_owned()).collect())
    });
    let circles = imports::circles(&graph.collect());
    assert!(circles.is_empty(), "{circles:?}");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources: Vec<Source> = sources().into_iter().filter(|source| !is_test(source)).collect();
    let graph = imports::graph(&sources);
    let found = imports::circles(&graph);
    let known: Vec<BTreeSet<String>> =
        CIRCLES.iter().map(|files| files.iter().map(|file| (*file).to_owned()).collect()).collect();
    let mut wrong = Vec::new();
    for circle in found.iter().filter(|circle| !known.iter().any(|files| circle.is_subset(files))) {
        wrong.push(format!("these use each other in a circle:\n{}", edges(&graph, circle)));
    }
    for files in known.iter().filter(|files| !found.iter().any(|circle| circle.is_subset(files))) {
        wrong.push(format!("there is no such circle any more, take it off CIRCLES: {files:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The uses that make up a circle, a line for each file.
fn edges(graph: &imports::Graph, circle: &BTreeSet<String>) -> String {
    let uses = |file: &String| graph[file].intersection(circle).cloned().collect::<Vec<_>>().join(", ");
    circle.iter().map(|file| format!("  {file} -> {}\n", uses(file))).collect()
}

/// A file or folder that a test module has been moved out to is a test, too.
fn is_test(source: &Source) -> bool {
    source.path.iter().any(|name| name == "tests.rs" || name == "tests")
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
    let uses = |code: &str| Source::of("x.rs", code).uses().into_iter().collect::<Vec<_>>();
    assert_eq!(uses("use crate::expr::{Value, json};\nlet x = crate::clock::now();"), ["clock", "expr"]);
    assert_eq!(uses("use crate::{a::{b, c}, d,\n    e_f::g};\nuse other::h;"), ["a", "d", "e_f"]);
}
