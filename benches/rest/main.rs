//! What sidehook takes before anybody calls it: from its start to its first answer, to that of a workflow that needs a library,
//! and at rest, with few workflows and with many, without JavaScript and with a library.
//!
//! `cargo bench --bench rest` (needs PostgreSQL); `BENCH_WORKFLOWS` sets how many there are (default `3,10000`).

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a bench fails by panicking, and measures with clocks and tasks of its own"
)]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/databases/mod.rs"]
mod databases;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/mod.rs"]
mod ground;

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use databases::{Kind, Server, TestDatabase};
use fixture::{Node, node};
use ground::process;

/// What a start does beside answering is over after that.
const SETTLING: Duration = Duration::from_secs(10);
const AT_REST: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let server = Server::start(Kind::Postgres, true).await.expect("PostgreSQL starts; install it first");
    let counts = std::env::var("BENCH_WORKFLOWS").unwrap_or_else(|_| "3,10000".to_owned());
    println!(
        "workflows                      first answer ms   of the last ms   memory MB   highest MB   CPU at rest %"
    );
    for count in counts.split(',') {
        let count: i64 = count.parse().expect("a number of workflows");
        for (name, nodes) in [("no JavaScript", plain()), ("math.js", with_library())] {
            let database = server.create_database().await.expect("a database");
            prepare(&database, &nodes, count).await;
            measure(&format!("{count:>6} {name}"), &database).await;
        }
    }
}

fn plain() -> Vec<Node> {
    vec![node("answer", "response", json!({"body": {"ok": true}}))]
}

fn with_library() -> Vec<Node> {
    let expression = json!({"engine": "math.js", "expression": "{{$context.body.amount}} * 2"});
    let answer = json!({"body": {"double": "{{$jobsMapByNodeKey.double}}"}});
    vec![node("double", "calculation", expression), node("answer", "response", answer)]
}

/// Creates the tables and so many workflows that differ in their keys alone: `last`, `k1`, …; and `first`, which needs nothing.
async fn prepare(database: &TestDatabase, nodes: &[Node], count: i64) {
    let store = ground::stand_alone(database).await;
    let trigger = json!({"request": {"body": [{"key": "amount"}]}});
    let [first, last] = [("first", plain().as_slice()), ("last", nodes)]
        .map(|(key, nodes)| fixture::workflow(key, true, &trigger, nodes));
    for workflow in [&first, &last] {
        store.insert_workflow(workflow, chrono::DateTime::UNIX_EPOCH).await.expect("a workflow");
    }
    let (id, ids) = (last.id, "1000000::bigint");
    for sql in [
        copies("workflows", "id = :id", count, &[("id", ":id + n"), ("key", "'k' || n")], id),
        copies(
            "flow_nodes",
            "\"workflowId\" = :id",
            count,
            &[
                ("id", &format!("t.id + n * {ids}")),
                ("key", "t.key || n"),
                ("workflowId", ":id + n"),
                ("upstreamId", &format!("\"upstreamId\" + n * {ids}")),
                ("downstreamId", &format!("\"downstreamId\" + n * {ids}")),
            ],
            id,
        ),
    ] {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        store.db.execute_raw(statement).await.expect("copies of a workflow");
    }
}

/// A statement that copies rows `count - 2` times, with other values in some columns.
fn copies(table: &str, which: &str, count: i64, changed: &[(&str, &str)], id: i64) -> String {
    let columns: &[&str] = match table {
        "workflows" => &[
            "id",
            "createdAt",
            "updatedAt",
            "key",
            "title",
            "enabled",
            "type",
            "current",
            "sync",
            "config",
            "options",
        ],
        _ => &[
            "id",
            "createdAt",
            "updatedAt",
            "key",
            "title",
            "type",
            "config",
            "workflowId",
            "upstreamId",
            "downstreamId",
            "branchIndex",
        ],
    };
    let value = |column: &&str| {
        let changed = changed.iter().find(|(name, _)| name == column).map(|(_, value)| (*value).to_owned());
        changed.unwrap_or_else(|| format!("t.\"{column}\""))
    };
    let names: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    let values: Vec<String> = columns.iter().map(value).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} AS t, generate_series(1, {count} - 2) AS n WHERE t.{which}",
        names.join(", "),
        values.join(", "),
    );
    sql.replace(":id", &id.to_string())
}

async fn measure(name: &str, database: &TestDatabase) {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let started = Instant::now();
    let mut sidehook = Command::new(env!("CARGO_BIN_EXE_sidehook"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .env_clear()
        .envs(database.env())
        .env("SIDEHOOK_LOG", "warn")
        .kill_on_drop(true)
        .spawn()
        .expect("sidehook starts");
    let id = sidehook.id().expect("it runs");
    let answered = async |key: &str| {
        while !answers(port, key).await {
            assert!(started.elapsed() < Duration::from_secs(60), "sidehook does not answer");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        started.elapsed().as_millis()
    };
    let (first, last) = (answered("first").await, answered("last").await);
    tokio::time::sleep(SETTLING).await;
    let (before, rested) = (process::own(id), Instant::now());
    tokio::time::sleep(AT_REST).await;
    // Hundredths of a second, and hundredths of one core.
    let cpu = (process::own(id) - before) as f64 / rested.elapsed().as_secs_f64();
    let [resident, highest] = ["VmRSS", "VmHWM"].map(|field| process::memory(id, field));
    println!("{name:<30} {first:>15} {last:>16} {resident:>11.1} {highest:>12.1} {cpu:>15.2}");
    let _ = Command::new("kill").arg(id.to_string()).status().await;
    let _ = sidehook.wait().await;
}

/// Whether a workflow answers with 200.
async fn answers(port: u16, key: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let body = r#"{"amount":21}"#;
    let request = format!(
        "POST /api/webhook:trigger/{key} HTTP/1.1\r\nhost: sidehook\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut answer).await
    };
    asked.await.is_ok() && answer.starts_with(b"HTTP/1.1 200")
}
