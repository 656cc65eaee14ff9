//! What PostgreSQL itself does with the same rows: pgbench, without HTTP and without an engine.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use crate::databases::TestDatabase;

/// Executions per second.
pub struct Reference {
    /// One to a transaction.
    pub single: f64,
    /// 64 to a transaction.
    pub grouped: f64,
}

/// Measures both, and prints them.
pub async fn measure(database: &TestDatabase, span: Duration) -> Reference {
    let single = run(database, 1, 64, span).await;
    println!("pgbench   1 execution  per transaction, 64 clients   {single:>9.0} executions/s");
    let grouped = run(database, 64, 16, span).await;
    println!("pgbench  64 executions per transaction, 16 clients   {grouped:>9.0} executions/s");
    Reference { single, grouped }
}

/// Executions per second that pgbench writes, each with its two jobs, so many to a transaction.
async fn run(database: &TestDatabase, executions: usize, clients: usize, span: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("script.sql");
    std::fs::write(&script, transaction(executions)).expect("the script is written");
    let output = Command::new(program())
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", span.as_secs()))
        .arg(format!("--file={}", script.display()))
        .arg(&database.url)
        .output()
        .await
        .expect("pgbench runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    let errors = String::from_utf8_lossy(&output.stderr);
    rate.unwrap_or_else(|| panic!("pgbench failed: {errors}")) * executions as f64
}

/// The rows of a synchronous execution: the execution itself, two jobs, two counters.
fn transaction(executions: usize) -> String {
    // Ids are those of before: the bench counts from the newest one on.
    let repeat = |row: &str| vec![row; executions].join(", ");
    let mut script = String::from("BEGIN;\n");
    let execution = "((random() * 39e13)::bigint, now(), now(), 1, 'k', gen_random_uuid()::text, \
                     '{\"headers\":{},\"query\":{},\"body\":{\"amount\":150}}', 1, now(), true)";
    let job = "((random() * 9e18)::bigint, now(), now(), 2, 3, 'v', 1, '{\"amount\":150}', now())";
    let _ = write!(
        script,
        "INSERT INTO executions (id, \"createdAt\", \"updatedAt\", \"workflowId\", key, \"eventKey\", context, status, \
         \"startedAt\", dispatched) VALUES {};\n\
         INSERT INTO jobs (id, \"createdAt\", \"updatedAt\", \"executionId\", \"nodeId\", \"nodeKey\", status, result, \
         \"startedAt\") VALUES {}, {};\n\
         UPDATE \"workflowStats\" SET executed = executed + {executions} WHERE key = 'bench-two-sync';\n\
         UPDATE \"workflowVersionStats\" SET executed = executed + {executions} \
         WHERE id = (SELECT min(id) FROM workflows);\nCOMMIT;\n",
        repeat(execution),
        repeat(job),
        repeat(job),
    );
    script
}

fn program() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = installed.map(|version| version.path().join("bin/pgbench")).find(|path| path.exists());
    found.unwrap_or_else(|| "pgbench".into())
}
