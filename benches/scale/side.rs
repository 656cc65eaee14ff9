//! One of the two databases, and what is measured on it.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::json;
use sidehook::store::Store;
use tokio::process::Command;

use crate::databases::{Server, TestDatabase};
use crate::fill::one;
use crate::fixture::{self, node};
use crate::ground::{self, process};
use crate::load;
use crate::sidehook::Sidehook;
use crate::workflows::Workflow;

const CONNECTIONS: usize = 64;
/// So many executions are left behind when a sidehook is ended by force.
const LEFT: i64 = 2_000;
/// Within that time they have to be over.
const PATIENCE: Duration = Duration::from_secs(300);
/// Executions older than that are removed; the oldest one is a hundred days old.
const KEPT_DAYS: i64 = 99;

pub struct Side {
    pub name: &'static str,
    pub database: TestDatabase,
    pub store: Store,
    backend: u32,
}

/// What so many executions have cost.
#[derive(Clone, Copy)]
pub struct Cost {
    /// A second.
    answers: f64,
    /// A second, until the last one has ended.
    executions: f64,
    /// In milliseconds.
    p50: f64,
    p99: f64,
    /// Of the processor, microseconds each.
    sidehook: f64,
    postgres: f64,
}

impl Cost {
    pub const HEAD: &str = " answers/s   executions/s    p50 ms    p99 ms   CPU µs: sidehook   PostgreSQL";

    pub fn mean(all: &[Self]) -> Self {
        let mean = |get: fn(&Self) -> f64| all.iter().map(get).sum::<f64>() / all.len() as f64;
        Self {
            answers: mean(|cost| cost.answers),
            executions: mean(|cost| cost.executions),
            p50: mean(|cost| cost.p50),
            p99: mean(|cost| cost.p99),
            sidehook: mean(|cost| cost.sidehook),
            postgres: mean(|cost| cost.postgres),
        }
    }

    /// What it is of another.
    pub fn of(&self, other: &Self) -> String {
        format!(
            "{:.2} of the answers/s, {:.2} of the executions/s; CPU {:.2} of sidehook, {:.2} of PostgreSQL",
            self.answers / other.answers,
            self.executions / other.executions,
            self.sidehook / other.sidehook,
            self.postgres / other.postgres,
        )
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>10.0} {:>14.0} {:>9.2} {:>9.2} {:>18.0} {:>12.0}",
            self.answers, self.executions, self.p50, self.p99, self.sidehook, self.postgres
        )
    }
}

impl Side {
    /// A database with the tables and workflows.
    pub async fn create(name: &'static str, server: &Server) -> Self {
        let database = server.create_database().await.expect("a database");
        let store = ground::stand_alone(&database).await;
        let delay = node("wait", "delay", json!({"duration": 1, "unit": 1000, "endStatus": 1}));
        let waits = fixture::workflow("bench-waits", false, &json!({}), &[delay]);
        for workflow in [Workflow::Two.row(true, ""), Workflow::Two.row(false, ""), waits] {
            store.insert_workflow(&workflow, chrono::DateTime::UNIX_EPOCH).await.expect("a workflow");
        }
        let backend = one(&store.db, "SELECT pg_backend_pid()").await;
        let backend: i32 = backend.try_get_by_index(0).expect("a process");
        Self { name, database, store, backend: backend.unsigned_abs() }
    }

    pub async fn start(&self) -> Sidehook {
        Sidehook::start(&self.database, &[]).await
    }

    /// Of a workflow of two nodes. What is not answered with 2xx or lost ends the bench.
    pub async fn cost(&self, sidehook: &Sidehook, is_sync: bool, span: Duration) -> Cost {
        let (key, body) = (Workflow::Two.key(is_sync), Workflow::Two.body());
        load::run(&sidehook.address, &key, body, CONNECTIONS, Duration::from_millis(500)).await;
        self.drained().await;
        let newest = self.number("SELECT COALESCE(max(id), 0) FROM executions").await;
        let before = process::taken(sidehook.id(), self.backend);
        let begun = Instant::now();
        let outcome = load::run(&sidehook.address, &key, body, CONNECTIONS, span).await;
        self.drained().await;
        let elapsed = begun.elapsed().as_secs_f64();
        let after = process::taken(sidehook.id(), self.backend);
        let sql = format!("SELECT count(*) FROM executions WHERE id > {newest} AND status = 1");
        let executions = self.number(&sql).await;
        assert_eq!(outcome.failures, 0, "answers other than 2xx");
        assert_eq!(executions, outcome.answers() as i64, "executions, beside answers");
        let each = |hundredths: u64| hundredths as f64 * 10_000.0 / executions as f64;
        Cost {
            answers: executions as f64 / outcome.elapsed.as_secs_f64(),
            executions: executions as f64 / elapsed,
            p50: outcome.percentile(0.5),
            p99: outcome.percentile(0.99),
            sidehook: each(after.sidehook - before.sidehook),
            postgres: each(after.postgres - before.postgres),
        }
    }

    /// Ends a sidehook by force while executions wait in a delay; how long the next one, which is started at once, takes
    /// until all have ended.
    pub async fn takeover(&self) -> Duration {
        let sidehook = self.start().await;
        let url = format!("http://{}/api/webhook:trigger/bench-waits", sidehook.address);
        let client = reqwest::Client::new();
        for _ in 0..LEFT / 50 {
            let requests = (0..50)
                .map(|_| client.post(&url).body("{}").header("content-type", "application/json").send());
            for answer in futures_util::future::join_all(requests).await {
                assert!(answer.expect("an answer").status().is_success());
            }
        }
        sidehook.kill().await;
        let begun = Instant::now();
        let next = self.start().await;
        self.drained().await;
        let took = begun.elapsed();
        let open = self.number("SELECT count(*) FROM executions WHERE key = 'bench-waits' AND id > 395000000000000 AND status <> 1");
        assert_eq!(open.await, 0, "executions that have not ended well");
        next.stop().await;
        took
    }

    /// Removes the executions of the oldest day of a hundred: how long it takes to say how many those are, and then to
    /// remove them.
    pub async fn prune(&self) {
        let counted = self.run_prune(&[]).await;
        println!("counting what is older than {KEPT_DAYS} days: {:.1} s", counted.as_secs_f64());
        let sql = "SELECT count(*) FROM executions";
        let before = self.number(sql).await;
        let took = self.run_prune(&["--yes"]).await.saturating_sub(counted).as_secs_f64();
        let removed = before - self.number(sql).await;
        assert!(removed > 0, "nothing was removed");
        println!(
            "{removed} executions with their jobs in {took:.1} s, {:.0} a second",
            removed as f64 / took
        );
    }

    async fn run_prune(&self, arguments: &[&str]) -> Duration {
        let begun = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_sidehook"))
            .args(["prune", "--until", &format!("{KEPT_DAYS}d")])
            .args(arguments)
            .env_clear()
            .envs(self.database.env())
            .env("SIDEHOOK_LOG", "warn")
            .output()
            .await
            .expect("sidehook runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        begun.elapsed()
    }

    /// Has sidehook send each statement that it repeats.
    pub async fn everything_once(&self) {
        let sidehook = self.start().await;
        for is_sync in [true, false] {
            self.cost(&sidehook, is_sync, Duration::from_secs(1)).await;
        }
        sidehook.stop().await;
        self.takeover().await;
    }

    /// Waits until nothing runs or waits any more.
    async fn drained(&self) {
        let begun = Instant::now();
        while self.number("SELECT count(*) FROM (SELECT 1 FROM sidehook_leases LIMIT 1) AS one").await > 0 {
            assert!(begun.elapsed() < PATIENCE, "{}: executions do not end", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn number(&self, sql: &str) -> i64 {
        one(&self.store.db, sql).await.try_get_by_index(0).expect("a number")
    }
}
