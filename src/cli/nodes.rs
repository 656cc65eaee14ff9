//! `sidehook nodes`.

use clap::Args;

use crate::expr::convert::to_text;
use crate::expr::json;
use crate::node::NODES;

/// Lists the node types that sidehook runs.
#[derive(Args)]
pub struct Nodes {
    /// Show configurations and what they record
    #[arg(long)]
    examples: bool,
}

impl Nodes {
    pub fn run(self) -> anyhow::Result<()> {
        for kind in NODES {
            println!("{}", kind.type_name);
            if let Some(sample) = kind.sample.filter(|_| self.examples) {
                let collection = json::parse(sample.collection.as_bytes())?;
                let records = json::parse(sample.records.as_bytes())?;
                println!("  The examples work on the collection {}:", to_text(&collection.member("name"))?);
                println!("    fields   {}", json::stringify_or_null(&collection.member("fields")));
                println!("    records  {}", json::stringify_or_null(&records));
            }
            for example in (kind.examples)().iter().filter(|_| self.examples) {
                let compact =
                    |text: &str| json::parse(text.as_bytes()).map(|value| json::stringify_or_null(&value));
                println!("  {}", example.about);
                println!("    config   {}", compact(example.config)?);
                println!("    context  {}", compact(example.context)?);
                println!("    job      status {}, result {}", example.status, example.result);
            }
        }
        Ok(())
    }
}
