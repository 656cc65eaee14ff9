//! `sidehook nodes`: the node types, with examples, or as the page `docs/nodes.md`.

use std::fmt::Write as _;

use clap::Args;

use super::output;
use crate::expr::json;
use crate::node::{Example, NODES, Sample};

/// Lists the node types that sidehook runs.
#[derive(Args)]
pub(super) struct Nodes {
    /// Show configurations and what they record
    #[arg(long)]
    examples: bool,
    /// Print docs/nodes.md
    #[arg(long, conflicts_with = "examples")]
    markdown: bool,
}

impl Nodes {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let text = if self.markdown { markdown() } else { list(self.examples) };
        output::line(text.trim_end())
    }
}

fn list(with_examples: bool) -> String {
    let mut out = String::new();
    for kind in NODES {
        out.push_str(kind.type_name);
        out.push('\n');
        if let Some(sample) = kind.sample.filter(|_| with_examples) {
            let (name, fields) = collection_of(sample);
            let records = compact(sample.records);
            // Writing to a text cannot fail.
            let _ = write!(
                out,
                "  The examples work on the collection {name}:\n    fields   {fields}\n    records  {records}\n"
            );
        }
        for example in (kind.examples)().iter().filter(|_| with_examples) {
            let Example { about, status, result, .. } = example;
            let (config, context) = (compact(example.config), compact(example.context));
            let _ = write!(
                out,
                "  {about}\n    config   {config}\n    context  {context}\n    job      status {status}, result {result}\n"
            );
        }
    }
    out
}

/// What `docs/nodes.md` says.
fn markdown() -> String {
    let mut out = String::from(
        "# Node types\n\n\
         <!-- Printed by `sidehook nodes --markdown`; a test compares the two. -->\n\n\
         These are the nodes that sidehook runs itself, with examples of what they record. A job's status is 1 when it \
         is\nresolved, -1 failed, -2 error, -3 aborted.\n",
    );
    for kind in NODES {
        let _ = write!(out, "\n## `{}`\n\n{}", kind.type_name, kind.about);
        if kind.has_outside_effects {
            out.push_str(" It has effects outside of the database.");
        }
        out.push('\n');
        if let Some(sample) = kind.sample {
            let (name, fields) = collection_of(sample);
            let records = compact(sample.records);
            let _ = write!(
                out,
                "\nThe examples work on the collection `{name}`:\n\n```\nfields   {fields}\nrecords  {records}\n```\n"
            );
        }
        for example in (kind.examples)() {
            out.push_str(&described(&example));
        }
    }
    out
}

fn described(example: &Example) -> String {
    let Example { about, status, result, .. } = example;
    let result = if result.is_empty() { "nothing" } else { result };
    format!(
        "\n{about}:\n\n```\nconfig   {}\ncontext  {}\nstatus   {status}\nresult   {result}\n```\n",
        compact(example.config),
        compact(example.context)
    )
}

/// The name and the fields of a sample's collection.
fn collection_of(sample: &Sample) -> (String, String) {
    let collection = json::parse(sample.collection.as_bytes()).unwrap_or_default();
    let name = collection.member("name").as_str().unwrap_or_default().to_owned();
    (name, json::stringify_or_null(&collection.member("fields")))
}

/// JSON on one line; what is none stays as it is.
fn compact(text: &str) -> String {
    json::parse(text.as_bytes()).map_or_else(|_| text.to_owned(), |value| json::stringify_or_null(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_nodes_is_what_the_command_prints() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nodes.md"));
        assert!(
            page.is_ok_and(|page| page == markdown()),
            "run `cargo run -- nodes --markdown > docs/nodes.md`"
        );
    }
}
