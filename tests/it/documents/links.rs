//! Links from one document to another, and the list of the site.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Document, documents, root};

/// What is linked to in a line: `[text](target)`, images included. What stands in backticks is none.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let outside_code = line.split('`').step_by(2);
    for part in outside_code {
        for piece in part.split("](").skip(1) {
            found.extend(piece.split([')', ' ']).next());
        }
        // The text of a link may be in backticks: then its bracket begins a part.
        if let Some(piece) = part.strip_prefix("](") {
            found.extend(piece.split([')', ' ']).next());
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The anchors of a document, as GitHub and mdBook make them of its headings.
fn anchors(text: &Document) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in text.parts().1 {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_');
        let anchor: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let mut again = anchor.clone();
        for number in 1.. {
            if found.insert(again) {
                break;
            }
            again = format!("{anchor}-{number}");
        }
    }
    found
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(out.pop(), "{} leads out of the repository", path.display()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let documents = documents();
    let (mut seen, mut faults) = (0, Vec::new());
    for document in &documents {
        for (number, line) in document.parts().1 {
            for target in targets(line) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                seen += 1;
                let (file, anchor) =
                    target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
                let folder = document.path.parent().expect("a folder");
                let path = if file.is_empty() { document.path.clone() } else { normal(&folder.join(file)) };
                let lacks = match documents.iter().find(|document| document.path == path) {
                    Some(leads_to) => anchor.is_some_and(|anchor| !anchors(leads_to).contains(anchor)),
                    None => !root().join(&path).exists() || anchor.is_some(),
                };
                if lacks {
                    faults.push(format!("{}:{number}: {target}", document.path.display()));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} links are seen");
    assert!(faults.is_empty(), "links that lead nowhere:\n{}", faults.join("\n"));
}

#[test]
fn the_site_has_all_documents() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).expect("the list of the site");
    let listed: BTreeSet<&str> = summary.lines().flat_map(targets).collect();
    let there: BTreeSet<String> = documents()
        .iter()
        .filter_map(|document| document.path.strip_prefix("docs").ok())
        .map(|path| path.display().to_string())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(listed, there.iter().map(String::as_str).collect());
}

#[test]
fn targets_and_anchors_are_found() {
    assert_eq!(targets("a [b](c.md) and ![`d`](e.png#f) and `[g](h)`"), ["c.md", "e.png#f"]);
    let text = "# One `two`\n## A & b\n## A & b\n".to_owned();
    let found = anchors(&Document { path: PathBuf::new(), text });
    assert_eq!(found.iter().collect::<Vec<_>>(), ["a--b", "a--b-1", "one-two"]);
}
