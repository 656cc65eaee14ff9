//! The manifests: dependencies are in alphabetical order, and each is used.

use std::fs;
use std::path::{Path, PathBuf};

/// A table of dependencies with the folders and files whose code may use them.
const USED_IN: [(&str, &str, &[&str]); 8] = [
    ("Cargo.toml", "dependencies", &["src"]),
    ("Cargo.toml", "dev-dependencies", &["src", "tests", "benches"]),
    ("Cargo.toml", "build-dependencies", &["build.rs"]),
    ("Cargo.toml", "workspace.dependencies", &["src", "entity/src", "migration/src", "tests", "benches"]),
    ("entity/Cargo.toml", "dependencies", &["entity/src"]),
    ("migration/Cargo.toml", "dependencies", &["migration/src"]),
    ("migration/Cargo.toml", "dev-dependencies", &["migration/src", "migration/tests"]),
    ("fuzz/Cargo.toml", "dependencies", &["fuzz/targets"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in a table of a manifest.
fn names(manifest: &str, table: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
    let parsed: toml::Table = text.parse().expect("a manifest in TOML");
    let mut found = &parsed;
    for part in table.split('.') {
        match found.get(part).and_then(toml::Value::as_table) {
            Some(inner) => found = inner,
            None => return Vec::new(),
        }
    }
    // In the order of the text: a table of this parser is sorted.
    let mut names: Vec<(usize, String)> =
        found.keys().map(|name| (place(&text, table, name), name.clone())).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

/// Where a name stands in its table.
fn place(text: &str, table: &str, name: &str) -> usize {
    let start = text.find(&format!("[{table}]\n")).expect("the table");
    let at = |end: &str| text[start..].find(&format!("\n{name}{end}"));
    start + at(" ").or_else(|| at(".")).unwrap_or_else(|| panic!("{name} of {table}"))
}

fn code_in(places: &[&str]) -> String {
    let mut left: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    let mut code = String::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(&path).expect("a source file"));
        }
    }
    code
}

#[test]
fn dependencies_are_in_alphabetical_order() {
    for (manifest, table, _) in USED_IN {
        let names = names(manifest, table);
        assert!(names.is_sorted(), "{table} of {manifest}: {names:?}");
    }
}

#[test]
fn each_dependency_is_used() {
    let mut unused = Vec::new();
    for (manifest, table, places) in USED_IN {
        let code = code_in(places);
        let is_used = |name: &String| {
            let name = name.replace('-', "_");
            let mut places = code.match_indices(&name);
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            places.any(|(at, _)| {
                !code[..at].ends_with(is_part) && !code[at + name.len()..].starts_with(is_part)
            })
        };
        let names = names(manifest, table);
        unused.extend(
            names.into_iter().filter(|name| !is_used(name)).map(|name| format!("{manifest}: {name}")),
        );
    }
    assert!(unused.is_empty(), "nothing uses these:\n{}", unused.join("\n"));
}
