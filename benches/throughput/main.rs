//! Throughput over HTTP with default settings, on PostgreSQL beside pgbench writing the same rows on the same server in the
//! same run. Machines are noisy: read the ratios, not the rates.
//!
//! `cargo bench --bench throughput` measures everything, which takes a quarter of an hour. Variables select parts; lists have
//! commas: `BENCH_DATABASES` (`postgresql,mariadb,sqlite`), `BENCH_WORKFLOWS` (`two,ten,create,request`), `BENCH_MODES`
//! (`sync,async`), `BENCH_CONNECTIONS` (`1,16,64,250,1000`). `BENCH_SECONDS` sets how long each measurement takes (default 4),
//! `BENCH_REQUESTS` what is kept of requests (`off`, `all`, …). Of several, such as `off,all`, each gets its server, one
//! beside the other, and is measured in turn. It fails at its end where an answer was another than 2xx or an execution was lost.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a bench fails by panicking, and measures with clocks and tasks of its own"
)]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]
// Futures of statements are nested deeply.
#![recursion_limit = "256"]

mod cell;
#[path = "../../tests/it/collections.rs"]
mod collections;
mod database;
#[expect(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/databases/mod.rs"]
mod databases;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/mod.rs"]
mod ground;
#[path = "../ground/load.rs"]
mod load;
mod pgbench;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/rows.rs"]
mod rows;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/sidehook.rs"]
mod sidehook;
mod target;
#[path = "../ground/workflows.rs"]
mod workflows;

use std::io::Write as _;
use std::time::{Duration, Instant};

use cell::Cell;
use database::Database;
use databases::Product;
use pgbench::Reference;
use sidehook::Sidehook;
use workflows::Workflow;

/// What is measured of each workflow.
struct Rounds {
    modes: Vec<bool>,
    connections: Vec<usize>,
    levels: Vec<String>,
    span: Duration,
}

#[tokio::main]
async fn main() {
    let rounds = Rounds {
        modes: chosen("BENCH_MODES", &[("sync".to_owned(), true), ("async".to_owned(), false)]),
        connections: list("BENCH_CONNECTIONS", "1,16,64,250,1000")
            .iter()
            .map(|text| text.parse().expect("a number of connections"))
            .collect(),
        levels: list("BENCH_REQUESTS", "all"),
        span: Duration::from_secs(list("BENCH_SECONDS", "4")[0].parse().expect("a number of seconds")),
    };
    let workflows = Workflow::ALL.map(|workflow| (workflow.name().to_owned(), workflow));
    let workflows = chosen("BENCH_WORKFLOWS", &workflows);
    raise_limit(rounds.connections.iter().copied().max().unwrap_or_default());
    let target = target::start().await;
    let (begun, mut faults) = (Instant::now(), Vec::new());
    println!(
        "{} s each, by TCP without TLS, everything durable; latencies as callers see them",
        rounds.span.as_secs()
    );
    for product in database::products() {
        let database = Database::start(product, &target).await;
        println!("\n{product}");
        let does_compare = product == Product::Postgres && workflows.contains(&Workflow::Two);
        let pgbench = match does_compare {
            true => Some(pgbench::measure(&database.database, rounds.span).await),
            false => None,
        };
        for workflow in &workflows {
            faults.extend(measure(&database, *workflow, &rounds, pgbench.as_ref()).await);
        }
    }
    println!("\n{} s; {} faults", begun.elapsed().as_secs(), faults.len());
    faults.iter().for_each(|fault| println!("{fault}"));
    assert!(faults.is_empty(), "every answer has to be 2xx, and no execution may be lost");
}

/// Measures a workflow in all its rounds, with sidehooks of its own; returns what was wrong.
async fn measure(
    database: &Database,
    workflow: Workflow,
    rounds: &Rounds,
    pgbench: Option<&Reference>,
) -> Vec<String> {
    let (mut servers, mut faults) = (Vec::new(), Vec::new());
    for level in &rounds.levels {
        servers.push((level, Sidehook::start(&database.database, &[("SIDEHOOK_REQUESTS", level)]).await));
    }
    for is_sync in &rounds.modes {
        let mode = if *is_sync { "synchronous" } else { "asynchronous" };
        println!("\n{}: {}, {mode}\n           {}", database.product, workflow.about(), cell::HEAD);
        for connections in &rounds.connections {
            for (level, sidehook) in &servers {
                print!("{level:<10} ");
                let _ = std::io::stdout().flush();
                let cell = Cell {
                    database,
                    sidehook,
                    workflow,
                    is_sync: *is_sync,
                    connections: *connections,
                    span: rounds.span,
                };
                let (line, fault) = cell.measure(pgbench).await;
                println!("{line}");
                if let Some(fault) = fault {
                    println!("{fault}");
                    faults.push(fault);
                }
            }
        }
    }
    for (_, sidehook) in servers {
        sidehook.stop().await;
    }
    faults
}

/// The parts of a list in a variable of the environment.
fn list(variable: &str, default: &str) -> Vec<String> {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    text.split(',').map(str::to_owned).collect()
}

/// What a variable chooses by name; everything without it.
fn chosen<T: Copy>(variable: &str, known: &[(String, T)]) -> Vec<T> {
    let all = known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
    let find = |name: &String| known.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
    let found = |name: &String| find(name).unwrap_or_else(|| panic!("{variable} is of {all}, not {name}"));
    list(variable, &all).iter().map(found).collect()
}

/// Connections are file descriptors; sidehook raises its own limit, too.
fn raise_limit(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(2 * connections as u64 + 1_000);
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).expect("more file descriptors");
}
