//! The documents: that their links lead somewhere, that the site has them all, and that what they tell to type does what
//! they say.

mod commands;
mod links;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};

/// A document of the repository.
struct Document {
    /// Below the root, such as `docs/deploy.md`.
    path: PathBuf,
    text: String,
}

/// What stands between two fences.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
    /// What a comment on the line before says that it needs: `<!-- needs docker -->`.
    needs: Option<&'a str>,
    /// The line of the first fence, from 1.
    line: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents: those at the root, of `docs/`, `examples/`, and of the plugin.
fn documents() -> Vec<Document> {
    let mut found = Vec::new();
    for folder in ["", "docs", "examples", "plugin"] {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        for entry in entries {
            let name = entry.expect("an entry").file_name();
            let path = Path::new(folder).join(name);
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(root().join(&path)).expect("a document");
                found.push(Document { path, text });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(found.len() > 15, "documents are missing");
    found
}

impl Document {
    /// The document in two parts: blocks, and the lines outside of them with their numbers.
    fn parts(&self) -> (Vec<Block<'_>>, Vec<(usize, &str)>) {
        let (mut blocks, mut outside) = (Vec::<Block<'_>>::new(), Vec::new());
        let mut open = false;
        for (index, line) in self.text.lines().enumerate() {
            let bare = line.trim_start();
            match bare.strip_prefix("```") {
                Some(_) if open => open = false,
                Some(language) => {
                    // Prettier leaves a line between a comment and what follows it.
                    let before =
                        outside.iter().rev().find(|(_, line): &&(usize, &str)| !line.trim().is_empty());
                    let before =
                        before.filter(|(number, _)| number + 2 > index).map_or("", |(_, line)| line.trim());
                    let needs = before.strip_prefix("<!-- needs ").and_then(|rest| rest.strip_suffix(" -->"));
                    blocks.push(Block { language, lines: Vec::new(), needs, line: index + 1 });
                    open = true;
                }
                None if open => blocks.last_mut().expect("an open block").lines.push(line),
                None => outside.push((index + 1, line)),
            }
        }
        assert!(!open, "{}: a block does not end", self.path.display());
        (blocks, outside)
    }
}
