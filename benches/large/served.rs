//! A sidehook of its own, and what a request costs it.

use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::databases::TestDatabase;
use super::ground::process::{memory, own};

/// A server that runs.
pub struct Served {
    child: Child,
    url: String,
    client: reqwest::Client,
}

/// What requests have cost.
pub struct Cost {
    /// Of the processor, all together.
    pub seconds: f64,
    /// The most memory that was resident, in MB.
    pub peak: f64,
    /// What was resident before, in MB.
    pub rest: f64,
}

impl Served {
    pub async fn start(database: &TestDatabase) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a port").to_string();
        let bin = std::env::var("BENCH_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_sidehook").to_owned());
        let child = Command::new(bin)
            .args(["serve", "--listen", &address])
            .env_clear()
            .envs(database.env())
            .env("SIDEHOOK_LOG", "warn")
            .env("SIDEHOOK_REQUESTS", "off")
            .env("REQUEST_BODY_LIMIT", "64mb")
            .kill_on_drop(true)
            .spawn()
            .expect("sidehook starts");
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                let url = format!("http://{address}/api/webhook:trigger");
                return Self { child, url, client: reqwest::Client::new() };
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("sidehook does not listen");
    }

    pub async fn post(&self, key: &str, body: &Value) {
        let request = self.client.post(format!("{}/{key}", self.url)).json(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        assert!(status.is_success(), "{key}: {status} {}", answer.text().await.unwrap_or_default());
    }

    /// Of so many requests, one after the other.
    pub async fn cost(&self, key: &str, body: &Value, times: usize) -> Cost {
        let id = self.child.id().expect("it runs");
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Forgets the peak until now (proc(5)).
        std::fs::write(format!("/proc/{id}/clear_refs"), "5").expect("the process is ours");
        let (rest, before) = (memory(id, "VmRSS"), own(id));
        for _ in 0..times {
            self.post(key, body).await;
        }
        let seconds = (own(id) - before) as f64 / 100.0;
        Cost { seconds, peak: memory(id, "VmHWM"), rest }
    }

    pub async fn stop(&mut self) {
        if let Some(id) = self.child.id() {
            let _ = Command::new("kill").arg(id.to_string()).status().await;
        }
        let _ = self.child.wait().await;
    }
}
