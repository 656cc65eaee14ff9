//! Which files of the library use which others: the paths that a file writes, and where they lead.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;

/// Each file with those that it uses, by their names below `src`.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// A path as a file writes it, such as `["super", "Value"]`.
type Segments = Vec<String>;

/// The files by the paths of their modules, such as `["store", "catalog"]`; the library's root has none.
type Modules<'a> = BTreeMap<Segments, &'a Source>;

/// The files and what they use: every path that starts with `crate`, `super` or `self`, in groups, too. What a
/// module passes on (`pub use`) counts as its own, for those who use it and for itself.
pub fn graph(sources: &[Source]) -> Graph {
    let modules: Modules = sources.iter().map(|source| (source.module_path(), source)).collect();
    let mut graph = Graph::new();
    for (module, source) in &modules {
        let paths = paths(&source.code());
        let leads_to = paths.iter().filter_map(|path| file_of(&modules, &absolute(module, path)?));
        let own = source.name();
        graph.insert(own.clone(), leads_to.filter(|name| *name != own).collect());
    }
    graph
}

/// The files that use each other in a circle, all those that hang together as one set.
pub fn circles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|file| (file, reachable(graph, file))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reach {
        if others.contains(file) && !circles.iter().any(|circle| circle.contains(*file)) {
            let circle = others.iter().filter(|other| reach[**other].contains(file));
            circles.push(circle.map(|name| (**name).clone()).collect());
        }
    }
    circles
}

/// What a file uses, and what that uses, and so on.
fn reachable<'a>(graph: &'a Graph, from: &String) -> BTreeSet<&'a String> {
    let (mut found, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        for next in graph.get(file).into_iter().flatten() {
            if found.insert(next) {
                left.push(next);
            }
        }
    }
    found
}

/// The file of the item that a path from the root names. The root only names its modules.
fn file_of(modules: &Modules, path: &[String]) -> Option<String> {
    let module = (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]));
    module.map(|source| source.name())
}

/// A path from the root of the library.
fn absolute(module: &[String], path: &[String]) -> Option<Segments> {
    let (first, mut rest) = path.split_first()?;
    let mut start = match first.as_str() {
        "self" => module.to_vec(),
        "super" => module.split_last()?.1.to_vec(),
        _ => Vec::new(),
    };
    while let Some((first, others)) = rest.split_first()
        && first == "super"
    {
        start.pop();
        rest = others;
    }
    start.extend(rest.iter().cloned());
    Some(start)
}

/// The paths in code that start at the root, at the parent or at the module itself.
fn paths(code: &str) -> Vec<Segments> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((start, word)) = next_word(code, at) {
        at = start + word.len();
        let is_start = ["crate", "sidehook", "super", "self"].contains(&word);
        if is_start && !code[..start].ends_with("::") && code[at..].starts_with("::") {
            at = start + tree(&code[start..], &[], &mut found);
        }
    }
    found
}

/// Reads a path, or a group of them in braces, and returns where it ends.
fn tree(code: &str, prefix: &[String], found: &mut Vec<Segments>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        let gap = code[at..].len() - code[at..].trim_start().len();
        if code[at + gap..].starts_with('{') && code[..at].ends_with("::") {
            at += gap + 1;
            loop {
                at += tree(&code[at..], &path, found);
                at += code[at..].len() - code[at..].trim_start_matches([',', ' ', '\n']).len();
                // A group ends here, or it was no path after all.
                let next = code[at..].chars().next();
                if !next.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    return at + next.map_or(0, char::len_utf8);
                }
            }
        }
        let gap = if code[..at].ends_with("::") || at == 0 { gap } else { 0 };
        let Some(word) = word_at(code, at + gap) else { break };
        at += gap + word.len();
        // In a group `self` is the path before it.
        if word != "self" || path.is_empty() {
            path.push(word.to_owned());
        }
        if let Some(alias) = code[at..].strip_prefix(" as ") {
            at += 4 + word_at(alias, 0).map_or(0, str::len);
        }
        if !code[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    found.push(path);
    at
}

fn word_at(code: &str, at: usize) -> Option<&str> {
    let end = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len() - at);
    (end > 0).then(|| &code[at..at + end])
}

/// The next word from a place on, and where it starts.
fn next_word(code: &str, from: usize) -> Option<(usize, &str)> {
    let start = from + code[from..].find(|c: char| c.is_alphanumeric() || c == '_')?;
    Some((start, word_at(code, start)?))
}

#[test]
fn paths_lead_to_the_file_that_has_what_they_name() {
    let sources = [
        ("lib.rs", "pub mod a;\npub mod b;"),
        ("a/mod.rs", "mod inner;\nmod other;\npub use inner::{Thing, Kind};\nuse self::other::Used;"),
        ("a/inner.rs", "use super::{other::Used,\n    super::b};\nuse crate::b::{self, c::{D, E as F}};"),
        ("a/other.rs", "let x = super::inner::go(crate::b::now());"),
        ("b/mod.rs", "pub(crate) use self::c::D;\nuse crate::a::Thing;\npub(super) fn y() {}"),
        ("b/c.rs", "other::super::x(); x.a::<u8>(); self.y(); foreign::crate::z();"),
    ];
    let sources = sources.map(|(path, code)| Source::of(path, code));
    let graph = graph(&sources);
    let uses = |name: &str| graph[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(uses("a/mod.rs"), ["a/other.rs"]);
    assert_eq!(uses("a/inner.rs"), ["a/other.rs", "b/c.rs", "b/mod.rs"]);
    assert_eq!(uses("a/other.rs"), ["a/inner.rs", "b/mod.rs"]);
    assert_eq!(uses("b/mod.rs"), ["a/mod.rs", "b/c.rs"]);
    assert_eq!(uses("b/c.rs"), [""; 0]);
    let found = circles(&graph);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].iter().collect::<Vec<_>>(), ["a/inner.rs", "a/mod.rs", "a/other.rs", "b/mod.rs"]);
}
