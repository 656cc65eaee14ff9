//! Throughput over HTTP beside pgbench writing the same rows on the same server in the same run. Machines
//! are noisy: read the ratios, not the rates.
//!
//! `cargo bench --bench throughput`; `BENCH_SECONDS` sets how long each measurement takes (default 5), `BENCH_REQUESTS`
//! what is kept of requests (`off`, `all`, …). Of several, such as `off,all`, each gets its server, one beside the other,
//! and is measured in turn. `BENCH_CONNECTIONS` says by how many connections, such as `1,1,64`.

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
#[path = "../ground/mod.rs"]
mod ground;
mod load;
mod pgbench;

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use sidehook::store::Pool;
use sidehook::store::Store;
use tokio::process::{Child, Command};

use databases::{Kind, Server, TestDatabase};

const CONNECTIONS: &str = "1,16,64,250";

#[tokio::main]
async fn main() {
    let seconds = std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let span = Duration::from_secs(seconds);
    let server = Server::start(Kind::Postgres, true).await.expect("PostgreSQL starts; install it first");
    let database = server.create_database().await.expect("a database");
    let store = prepare(&database).await;
    let requests = std::env::var("BENCH_REQUESTS").unwrap_or_else(|_| "all".to_owned());
    let mut servers = Vec::new();
    for level in requests.split(',') {
        servers.push((level, start_sidehook(&database, level).await));
    }
    let backend = pid(&store.db).await;
    let rounds = std::env::var("BENCH_CONNECTIONS").unwrap_or_else(|_| CONNECTIONS.to_owned());
    let rounds: Vec<usize> =
        rounds.split(',').map(|text| text.parse().expect("a number of connections")).collect();

    println!("sidehook and pgbench on one PostgreSQL, {seconds} s each; fsync and synchronous_commit on");
    let single = pgbench::run(&database, 1, 64, span).await;
    let grouped = pgbench::run(&database, 64, 16, span).await;
    println!("pgbench   1 execution  per transaction, 64 clients   {single:>9.0} executions/s");
    println!("pgbench  64 executions per transaction, 16 clients   {grouped:>9.0} executions/s");
    println!(
        "                                    answers/s   drain s  executions/s   x single   x grouped   p50 ms   p99 ms   executions/tx   CPU µs: sidehook   PostgreSQL"
    );
    for key in ["bench-sync", "bench-async"] {
        for (connections, (level, (sidehook, url))) in
            rounds.iter().flat_map(|connections| servers.iter().map(move |server| (*connections, server)))
        {
            let id = sidehook.id().expect("it runs");
            let before = Progress::read(&store.db).await;
            let cpu_before = ground::process::taken(id, backend);
            let outcome = load::run(url, key, connections, span).await;
            let loaded = Instant::now();
            drained(&store.db).await;
            let drain = loaded.elapsed().as_secs_f64();
            let cpu_after = ground::process::taken(id, backend);
            // The statistics of other sessions arrive about a second late.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            let after = Progress::read(&store.db).await;
            assert_eq!(outcome.failures, 0, "requests failed");
            let executions = (after.executions - before.executions) as f64;
            let loading = outcome.elapsed.as_secs_f64();
            let (acknowledged, rate) = (executions / loading, executions / (loading + drain));
            let per_transaction = executions / (after.transactions - before.transactions).max(1) as f64;
            // In hundredths of a second.
            let each = |hundredths: u64| hundredths as f64 * 10_000.0 / executions;
            println!(
                "{key:<12} {level:<8} {connections:>4} connections {acknowledged:>10.0} {drain:>9.1} {rate:>13.0} {:>10.2} {:>11.2} {:>8.2} {:>8.2} {per_transaction:>15.1} {:>18.0} {:>12.0}",
                rate / single,
                rate / grouped,
                outcome.percentile(0.5),
                outcome.percentile(0.99),
                each(cpu_after.sidehook - cpu_before.sidehook),
                each(cpu_after.postgres - cpu_before.postgres),
            );
        }
    }
    for (_, (sidehook, _)) in &mut servers {
        stop(sidehook).await;
    }
}

/// Creates the tables and two workflows of two nodes each.
async fn prepare(database: &TestDatabase) -> Store {
    let store = ground::stand_alone(database).await;
    let trigger = json!({"request": {"body": [{"key": "amount"}]}});
    let value = fixture::node("v", "variable", json!({"value": {"amount": "{{$context.body.amount}}"}}));
    let answer = fixture::node("r", "response", json!({"statusCode": 200, "body": {"ok": true}}));
    let output = fixture::node("o", "output", json!({"value": "{{$context.body.amount}}"}));
    let workflows = [
        fixture::workflow("bench-sync", true, &trigger, &[value.clone(), answer]),
        fixture::workflow("bench-async", false, &trigger, &[value, output]),
    ];
    for workflow in workflows {
        store.insert_workflow(&workflow, chrono::DateTime::UNIX_EPOCH).await.expect("a workflow");
    }
    store
}

/// The process of a session.
async fn pid(db: &Pool) -> u32 {
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT pg_backend_pid()");
    let row = db.query_one_raw(statement).await.expect("an answer").expect("a row");
    row.try_get_by_index::<i32>(0).expect("a number").unsigned_abs()
}

async fn start_sidehook(database: &TestDatabase, requests: &str) -> (Child, String) {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let child = Command::new(env!("CARGO_BIN_EXE_sidehook"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .env_clear()
        .envs(database.env())
        .env("SIDEHOOK_LOG", "warn")
        .env("SIDEHOOK_REQUESTS", requests)
        .kill_on_drop(true)
        .spawn()
        .expect("sidehook starts");
    let address = format!("127.0.0.1:{port}");
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(&address).await.is_ok() {
            return (child, address);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("sidehook does not listen");
}

async fn stop(child: &mut Child) {
    if let Some(id) = child.id() {
        let _ = Command::new("kill").arg(id.to_string()).status().await;
    }
    let _ = child.wait().await;
}

struct Progress {
    executions: i64,
    transactions: i64,
}

impl Progress {
    async fn read(db: &Pool) -> Self {
        let sql = "SELECT pg_stat_clear_snapshot(), \
                   (SELECT count(*) FROM executions WHERE status = 1), \
                   (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())";
        let row =
            db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.expect("the statistics");
        let row = row.expect("a row");
        let number = |index| row.try_get_by_index::<i64>(index).expect("a number");
        Self { executions: number(1), transactions: number(2) }
    }
}

/// Waits until every execution has ended: each has a lease until then.
async fn drained(db: &Pool) {
    let sql = "SELECT EXISTS (SELECT 1 FROM sidehook_leases)";
    loop {
        let row =
            db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.expect("an answer");
        if !row.expect("a row").try_get_by_index::<bool>(0).expect("a truth") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
