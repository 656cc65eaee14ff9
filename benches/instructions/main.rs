//! How many instructions sidehook takes for one synchronous request, one expression and one flush of 64 records, counted by
//! callgrind, beside the figures that are kept in `kept.toml`: it fails where one has grown by more than a twentieth. Unlike
//! times, these are nearly the same on a busy machine. What a start takes is not counted; each unit is run a few times and many
//! times, each in a process of its own, so that what an end takes is left out, too.
//!
//! `cargo bench --bench instructions` (needs valgrind and PostgreSQL); with `BENCH_KEEP=1` it keeps what it has counted.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a bench fails by panicking")]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]

mod count;
#[expect(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/databases/mod.rs"]
mod databases;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/mod.rs"]
mod ground;
mod kept;
mod units;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/workflows.rs"]
mod workflows;

use databases::{Kind, Server, TestDatabase};
use kept::Kept;
use workflows::Workflow;

/// As in sidehook: what is allocated costs the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each unit is run in one process and in the other.
const TIMES: [(&str, u64, u64); 3] = [("request", 100, 600), ("expression", 200, 2_200), ("flush", 20, 120)];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [unit, times, url] = &arguments[..] {
        units::run(unit, times.parse().expect("a number"), url).await;
        return;
    }
    let server = Server::start(Kind::Postgres, false).await.expect("PostgreSQL starts; install it first");
    let database = server.create_database().await.expect("a database");
    prepare(&database).await;
    let mut counted = Kept::here();
    for (unit, few, many) in TIMES {
        let few_times = count::instructions(unit, few, &database).await;
        let many_times = count::instructions(unit, many, &database).await;
        counted.units.insert(unit.to_owned(), (many_times - few_times) / (many - few));
    }
    if std::env::var("BENCH_KEEP").is_ok_and(|text| text == "1") {
        counted.keep();
        return;
    }
    if !counted.is_within(&Kept::read()) {
        std::process::exit(1);
    }
}

async fn prepare(database: &TestDatabase) {
    let store = ground::stand_alone(database).await;
    let workflow = Workflow::Two.row(true, "");
    store.insert_workflow(&workflow, chrono::DateTime::UNIX_EPOCH).await.expect("a workflow");
}
