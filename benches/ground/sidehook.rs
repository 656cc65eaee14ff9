//! A sidehook of its own beside a bench, with default settings but for its log, and what it tells of itself.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::databases::TestDatabase;
use crate::ground::process;

/// A start takes longer than that only when it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs; it ends when this is dropped.
pub struct Sidehook {
    child: Child,
    /// Where it listens, as `address:port`.
    pub address: String,
    metrics: String,
    /// From its start to its first answer.
    pub started_in: Duration,
}

impl Sidehook {
    pub async fn start(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let [address, metrics] = free_addresses();
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_sidehook"))
            .args(["serve", "--listen", &address])
            .env_clear()
            .envs(database.env())
            .env("SIDEHOOK_LOG", "warn")
            .env("SIDEHOOK_METRICS_LISTEN", &metrics)
            .envs(settings.iter().copied())
            .kill_on_drop(true)
            .spawn()
            .expect("sidehook starts");
        let health = format!("http://{address}/health/ready");
        while !reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(begun.elapsed() < PATIENCE, "sidehook does not answer");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self { child, address, metrics, started_in: begun.elapsed() }
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Has the peak of its memory begin now (proc(5)).
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").expect("the process is ours");
    }

    /// The most memory that was resident, in MB.
    pub fn peak(&self) -> f64 {
        process::memory(self.id(), "VmHWM")
    }

    /// How many transactions of the group commit it has committed.
    pub async fn flushes(&self) -> f64 {
        let answer = reqwest::get(format!("http://{}/metrics", self.metrics)).await.expect("an answer");
        let text = answer.text().await.expect("a text");
        let mut flushes = text.lines().filter_map(|line| {
            line.strip_prefix("sidehook_flushes_total{outcome=\"committed\"} ")?.parse::<f64>().ok()
        });
        flushes.next().unwrap_or_default()
    }

    /// Tells it to end and waits for that.
    pub async fn stop(mut self) {
        self.signal("TERM").await;
        let _ = self.child.wait().await;
    }

    /// Ends it at once, as a crash would.
    pub async fn kill(mut self) {
        self.signal("KILL").await;
        let _ = self.child.wait().await;
    }

    async fn signal(&self, name: &str) {
        let _ = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().await;
    }
}

fn free_addresses<const N: usize>() -> [String; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").to_string())
}
