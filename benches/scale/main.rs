//! What millions of past executions cost: everything is measured on a database that has them and on one that has none, on the
//! same server, in turns. Then it shows the plans of all statements, which have to be index scans.
//!
//! `cargo bench --bench scale` (needs PostgreSQL with its contributed modules, and 14 GB below the folder for temporary files);
//! `BENCH_EXECUTIONS` sets how many there are (default 10,000,000, with three jobs each), `BENCH_SECONDS` how long each
//! measurement takes (default 4), `BENCH_TURNS` how often both are measured (default 3).

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a bench fails by panicking")]
#![expect(unreachable_pub, reason = "nobody is outside of this program")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/databases/mod.rs"]
mod databases;
mod fill;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/it/fixture.rs"]
mod fixture;
#[path = "../ground/mod.rs"]
mod ground;
#[path = "../ground/load.rs"]
mod load;
mod plans;
mod side;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/sidehook.rs"]
mod sidehook;
#[expect(dead_code, reason = "not every bench asks for everything")]
#[path = "../ground/workflows.rs"]
mod workflows;

use std::time::Duration;

use databases::{Kind, Server};
use side::{Cost, Side};

#[tokio::main]
async fn main() {
    let executions = number("BENCH_EXECUTIONS", 10_000_000);
    let span = Duration::from_secs(number("BENCH_SECONDS", 4).unsigned_abs());
    let server = Server::start(Kind::Postgres, true).await.expect("PostgreSQL starts; install it first");
    let (empty, full) = (Side::create("empty", &server).await, Side::create("full", &server).await);
    fill::fill(&full.database, executions).await;
    let sides = [&empty, &full];
    let before = plans::whole_reads(&full.store.db).await;

    starts(sides).await;
    rates(sides, span).await;
    println!(
        "\nan end by force, with 2,000 executions in a delay of 1 s: until the next sidehook has ended them all"
    );
    for side in sides {
        println!("{:<8} {:>8.1} s", side.name, side.takeover().await.as_secs_f64());
    }
    // The statistics of other sessions arrive about a second late.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let after = plans::whole_reads(&full.store.db).await;
    println!("\nexecutions and jobs were read from end to end {} times", after - before);
    assert_eq!(before, after, "no statement may read all rows");

    println!("\nsidehook prune, which leaves the database three quarters of its time");
    let log = plans::log(&full.store.db).await;
    let offset = std::fs::metadata(&log).expect("the server's log").len() as usize;
    plans::tell(&full.store.db).await;
    full.prune().await;
    full.everything_once().await;
    plans::check(&log, offset);
}

async fn starts(sides: [&Side; 2]) {
    println!("\nfrom start to ready, ms");
    for _ in 0..number("BENCH_TURNS", 3) {
        for side in sides {
            let sidehook = side.start().await;
            println!("{:<8} {:>8}", side.name, sidehook.started_in.as_millis());
            sidehook.stop().await;
        }
    }
}

/// Measures both in turns, the other one first each time.
async fn rates(sides: [&Side; 2], span: Duration) {
    let servers = [sides[0].start().await, sides[1].start().await];
    println!("\n64 connections, two nodes, {} s each\n{:<14} {:<8} {}", span.as_secs(), "", "", Cost::HEAD);
    for is_sync in [true, false] {
        let mode = if is_sync { "synchronous" } else { "asynchronous" };
        let mut all: [Vec<Cost>; 2] = [Vec::new(), Vec::new()];
        for turn in 0..number("BENCH_TURNS", 3) {
            let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
            for which in order {
                let cost = sides[which].cost(&servers[which], is_sync, span).await;
                println!("{mode:<14} {:<8} {cost}", sides[which].name);
                all[which].push(cost);
            }
        }
        let [empty, full] = all.map(|costs| Cost::mean(&costs));
        println!("{mode:<14} full of empty: {}", full.of(&empty));
    }
    for server in servers {
        server.stop().await;
    }
}

fn number(variable: &str, default: i64) -> i64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
