//! The figures of `kept.toml`, and what is more than they allow.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

/// By so much a figure may grow.
const TOLERANCE: f64 = 0.05;

/// Instructions, and what they were counted with.
#[derive(Deserialize)]
pub struct Kept {
    compiler: String,
    tool: String,
    /// By the name of the unit.
    pub units: BTreeMap<String, u64>,
}

impl Kept {
    /// No figures yet, with the programs of this machine.
    pub fn here() -> Self {
        let version = |program: &str| {
            let output = Command::new(program).arg("--version").output();
            let output = output.unwrap_or_else(|err| panic!("{program} is needed: {err}"));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        Self { compiler: version("rustc"), tool: version("valgrind"), units: BTreeMap::new() }
    }

    pub fn read() -> Self {
        let text = std::fs::read_to_string(file()).expect("benches/instructions/kept.toml is there");
        toml::from_str(&text).expect("benches/instructions/kept.toml has figures")
    }

    /// Writes the file anew.
    pub fn keep(&self) {
        let mut text = String::from(
            "# What `cargo bench --bench instructions` has counted, in instructions each; `BENCH_KEEP=1` writes this anew.\n",
        );
        let _ = writeln!(text, "compiler = {:?}\ntool = {:?}\n\n[units]", self.compiler, self.tool);
        for (unit, count) in &self.units {
            let _ = writeln!(text, "{unit} = {count}");
        }
        std::fs::write(file(), &text).expect("the file is written");
        print!("{text}");
    }

    /// Prints figures beside those that are kept, and whether none has grown by more than it may.
    pub fn is_within(&self, kept: &Self) -> bool {
        println!("{:<12} {:>12} {:>12} {:>8}", "", "now", "kept", "grown");
        let mut is_within = true;
        for (unit, count) in &self.units {
            let Some(before) = kept.units.get(unit) else {
                println!("{unit:<12} {count:>12} {:>12}", "none");
                is_within = false;
                continue;
            };
            let grown = *count as f64 / *before as f64 - 1.0;
            println!("{unit:<12} {count:>12} {before:>12} {:>7.1}%", grown * 100.0);
            is_within &= grown <= TOLERANCE;
        }
        if !is_within {
            println!(
                "FAULT: more than {:.0} % more, or not kept. Look for the cause with callgrind_annotate, or keep the new \
                 figures with BENCH_KEEP=1 and say why in the commit.",
                TOLERANCE * 100.0
            );
        }
        if (&self.compiler, &self.tool) != (&kept.compiler, &kept.tool) {
            println!(
                "kept with {} and {}, counted now with {} and {}",
                kept.compiler, kept.tool, self.compiler, self.tool
            );
        }
        is_within
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/kept.toml")
}
