//! The way of a synchronous request, as ARCHITECTURE.md tells it: a table of the files that it passes. The table is true,
//! and the way stays short enough to be read in an hour.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the way may come to.
const MOST_FILES: usize = 13;
const MOST_LINES: usize = 2_200;

/// A file on the way, with the lines that the table says it has.
#[derive(Debug, PartialEq)]
struct Stop {
    file: String,
    lines: usize,
}

/// The stops of the table, and its last row: how many they are, and their lines.
#[derive(Debug, PartialEq)]
struct Way {
    stops: Vec<Stop>,
    total: (usize, usize),
}

impl Way {
    /// Reads the table below the heading. A row is `` | `file` | lines | … | ``, the last one `| n files | lines | |`.
    fn read(text: &str) -> Self {
        let (_, section) = text.split_once("\n## The way of a synchronous request\n").expect("the section");
        let rows = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
        let (mut stops, mut total) = (Vec::new(), None);
        for row in rows.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let lines = number(cells[1]);
            match cells[0].strip_suffix(" files") {
                Some(files) => total = Some((number(files), lines)),
                None => stops.push(Stop { file: cells[0].trim_matches('`').to_owned(), lines }),
            }
        }
        Self { stops, total: total.expect("a row with the sum") }
    }
}

fn number(text: &str) -> usize {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("\"{text}\" is no number"))
}

/// Lines of code and comments before the tests of a file.
fn lines(text: &str) -> usize {
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    code.filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn the_table_of_the_way_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Way { stops, total } =
        Way::read(&fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the text"));
    let found: Vec<Stop> = stops
        .iter()
        .map(|Stop { file, .. }| {
            let text = fs::read_to_string(root.join("src").join(file));
            let text = text.unwrap_or_else(|err| panic!("{file} of ARCHITECTURE.md: {err}"));
            Stop { file: file.clone(), lines: lines(&text) }
        })
        .collect();
    let sum = (found.len(), found.iter().map(|stop| stop.lines).sum());
    assert_eq!((stops, total), (found, sum), "left is the table of ARCHITECTURE.md, right are the files");
}

#[test]
fn the_way_is_short_and_passes_no_file_twice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Way { stops, .. } = Way::read(&fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the text"));
    let files: BTreeSet<&str> = stops.iter().map(|stop| stop.file.as_str()).collect();
    assert_eq!(files.len(), stops.len(), "a file stands there twice: {stops:?}");
    let lines: usize = stops.iter().map(|stop| stop.lines).sum();
    assert!(stops.len() <= MOST_FILES, "{} files, at most {MOST_FILES} are wanted", stops.len());
    assert!(lines <= MOST_LINES, "{lines} lines, at most {MOST_LINES} are wanted");
}

#[test]
fn the_table_is_read_as_it_is_written() {
    let text = "# A\n\n## The way of a synchronous request\n\nText.\n\n| file | lines | |\n| --- | --- | --- |\n\
                | `a/b.rs` | 70 | what | \n| `c.rs` | 1,002 | more |\n| 2 files | 1,072 | |\n\nMore.\n\n| `d` | 1 | |\n";
    let stop = |file: &str, lines| Stop { file: file.to_owned(), lines };
    let way = Way { stops: vec![stop("a/b.rs", 70), stop("c.rs", 1_002)], total: (2, 1_072) };
    assert_eq!(Way::read(text), way);
    assert_eq!(lines("//! a\n\nfn b() {}\n    \n#[cfg(test)]\nmod tests {}\n"), 2);
}
