//! What PostgreSQL says of the statements that sidehook sends: how often a table was read from end to end, and the plan of
//! each statement, which `auto_explain` writes into the server's log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sidehook::store::Pool;

use crate::fill::{execute, one};

/// The tables that have grown.
const LARGE: [&str; 2] = ["executions", "jobs"];
/// What only `prune` asks for, once, when it counts what there is to be removed.
const COUNTS: &str = "SELECT \"w\".\"id\"";

/// How often each large table has been read from end to end.
pub async fn whole_reads(db: &Pool) -> i64 {
    let sql = "SELECT pg_stat_clear_snapshot(), (SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN \
               ('executions', 'jobs'))";
    one(db, sql).await.try_get_by_index(1).expect("a number")
}

/// Has every connection that begins from now on tell its plans.
pub async fn tell(db: &Pool) {
    let name = one(db, "SELECT current_database()::text").await;
    let name: String = name.try_get_by_index(0).expect("a name");
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_level = 'log'",
    ] {
        execute(db, &format!("ALTER DATABASE {name} SET {setting}")).await;
    }
}

/// Where the server writes.
pub async fn log(db: &Pool) -> PathBuf {
    let folder = one(db, "SELECT current_setting('data_directory')").await;
    let folder: String = folder.try_get_by_index(0).expect("a path");
    Path::new(&folder).with_file_name("log")
}

/// Prints each statement that the log has from `offset` on and that reads a large table, with the way it does. A statement
/// that reads one from end to end ends the bench.
pub fn check(log: &Path, offset: usize) {
    let text = std::fs::read(log).expect("the server's log");
    let text = String::from_utf8_lossy(&text[offset.min(text.len())..]).into_owned();
    let mut ways: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut statement = String::new();
    let mut plans = 0;
    for line in text.lines() {
        if let Some((_, query)) = line.split_once("Query Text: ") {
            statement = query.chars().take(100).collect();
            plans += 1;
        } else if line.starts_with('\t')
            && let Some(way) = way(line)
        {
            *ways.entry((way, statement.clone())).or_default() += 1;
        }
    }
    assert!(plans > 0, "no plans are in {}: is auto_explain installed?", log.display());
    println!("\n{plans} plans; those that read executions or jobs:");
    for ((way, statement), times) in &ways {
        println!("{times:>8} × {way:<60} {statement}");
    }
    let mut whole =
        ways.keys().filter(|(way, statement)| way.contains("Seq Scan") && !statement.starts_with(COUNTS));
    let first = whole.next();
    assert!(first.is_none(), "a large table is read from end to end: {first:?}");
}

/// How a line of a plan reads a large table.
fn way(line: &str) -> Option<String> {
    let node = line.trim().trim_start_matches("->").trim();
    let node = node.split("  (cost").next()?;
    let is_scan = node.contains("Scan");
    let reads =
        |table: &&str| node.contains(&format!(" on {table}")) || node.contains(&format!(" on {table}_"));
    (is_scan && LARGE.iter().any(reads)).then(|| node.to_owned())
}
