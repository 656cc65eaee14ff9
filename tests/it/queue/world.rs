//! A database with a queue in front of it, workflows that count, and senders.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sidehook::metrics::Level;
use sidehook::store::workflow::NewWorkflow;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::servers::{Kind, Servers};
use crate::databases::{Kind as DatabaseKind, QUEUE_VARIABLE, TestDatabase};
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, client};
use crate::wait::{TIMEOUT, until};

/// Runs a test with one server of each kind of queue and a database of PostgreSQL, all at the same time.
pub async fn on_every_queue(test: impl AsyncFn(Servers, TestDatabase)) {
    let run = async |kind: Kind| {
        let Some(servers) = Servers::start(kind, 1).await else { return };
        let Some(database) = TestDatabase::create(DatabaseKind::Postgres).await else { return };
        test(servers, database).await;
    };
    join_all(Kind::ALL.map(run)).await;
}

/// An asynchronous workflow that remembers the number of its event.
pub fn counting(key: &str) -> NewWorkflow {
    let trigger = json!({"request": {"body": [{"key": "n"}]}, "response": {"statusCode": 202}});
    workflow(key, false, &trigger, &[node("n", "variable", json!({"value": "{{$context.body.n}}"}))])
}

/// Waits until a sidehook takes events.
pub async fn ready(url: &str) {
    let client = client();
    let is_ready = async || {
        let answer = client.get(format!("{url}/health/ready")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    };
    until(is_ready, || format!("{url} does not become ready")).await;
}

/// The same of one behind the queue that all tests are behind, unless its settings name its own.
pub async fn ready_in_front(url: &str, settings: &[(&str, &str)]) {
    let has_own = settings.iter().any(|(name, _)| *name == "SIDEHOOK_QUEUE_URL");
    if !has_own && std::env::var(QUEUE_VARIABLE).is_ok() {
        ready(url).await;
    }
}

/// Events in the queue of a server, and those that were put aside.
pub fn depth(server: &TestServer) -> (u64, u64) {
    match server.app.front.as_ref().expect("a queue").level() {
        Level::InFront { events, dead, .. } => (events, dead),
        level => panic!("{level:?}"),
    }
}

/// The numbers of a workflow's executions, in the order of their ids.
pub async fn numbers(rows: &Rows, workflow: i64) -> Vec<u64> {
    let executions = rows.executions(workflow).await;
    executions.iter().map(|row| row["context"]["body"]["n"].as_u64().expect("a number")).collect()
}

/// How many executions there are of all of these.
pub async fn recorded(rows: &Rows, workflows: &[NewWorkflow]) -> usize {
    let ids = workflows.iter().map(|workflow| workflow.id.to_string()).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT COUNT(*) FROM {} WHERE {} IN ({ids})",
        rows.table(entity::Table::Executions),
        rows.quoted("workflowId"),
    );
    usize::try_from(rows.number(&sql).await).expect("a count")
}

/// Waits until there are so many executions, as long as there are more and more of them.
pub async fn reaches(rows: &Rows, workflows: &[NewWorkflow], count: usize) {
    let (mut known, mut since) = (0, Instant::now());
    loop {
        let now = recorded(rows, workflows).await;
        if now >= count {
            return;
        }
        if now > known {
            (known, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < TIMEOUT, "{now} executions of {count}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One sender for each workflow, which sends one event after the other.
pub struct Senders {
    tasks: JoinSet<Sent>,
    stop: Arc<AtomicBool>,
}

/// What one sender has sent.
#[derive(Debug, Default)]
pub struct Sent {
    pub key: String,
    pub acknowledged: BTreeSet<u64>,
    /// What was answered otherwise, or was not.
    pub refused: Vec<String>,
}

impl Sent {
    /// What was sent later.
    pub fn add(&mut self, mut later: Self) {
        self.acknowledged.append(&mut later.acknowledged);
        self.refused.append(&mut later.refused);
    }
}

impl Senders {
    /// Sends numbers from the given one on to the URLs in turn, until as many are acknowledged for each workflow as given, or until stopped.
    pub fn start(urls: &[String], workflows: &[NewWorkflow], first: u64, most: usize) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for workflow in workflows {
            tasks.spawn(send(urls.to_vec(), workflow.key.clone(), (first, most), stop.clone()));
        }
        Self { tasks, stop }
    }

    pub async fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::SeqCst);
        self.ended().await
    }

    pub async fn ended(self) -> Vec<Sent> {
        self.tasks.join_all().await
    }
}

async fn send(urls: Vec<String>, key: String, (first, most): (u64, usize), stop: Arc<AtomicBool>) -> Sent {
    let (client, mut sent) = (client(), Sent { key: key.clone(), ..Sent::default() });
    for n in first.. {
        if sent.acknowledged.len() >= most || stop.load(Ordering::SeqCst) {
            break;
        }
        let place = usize::try_from(n).expect("a place") % urls.len();
        let url = format!("{}/api/webhooks/{key}", urls[place]);
        match client.post(url).json(&json!({"n": n})).send().await {
            Ok(answer) if answer.status() == 202 => {
                sent.acknowledged.insert(n);
            }
            Ok(answer) => {
                sent.refused.push(answer.status().to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(err) => {
                sent.refused.push(err.to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    sent
}

/// Nothing acknowledged is lost, nothing is there twice, and each workflow's events are in their order.
pub async fn check(rows: &Rows, workflows: &[NewWorkflow], sent: &[Sent]) -> usize {
    let acknowledged: usize = sent.iter().map(|sent| sent.acknowledged.len()).sum();
    reaches(rows, workflows, acknowledged).await;
    let mut count = 0;
    for sent in sent {
        let workflow = workflows.iter().find(|workflow| workflow.key == sent.key).expect("its workflow");
        let arrive = async || {
            let there: BTreeSet<u64> = numbers(rows, workflow.id).await.into_iter().collect();
            sent.acknowledged.is_subset(&there)
        };
        until(arrive, || format!("events of {} are lost", sent.key)).await;
        let numbers = numbers(rows, workflow.id).await;
        assert!(numbers.is_sorted_by(|a, b| a < b), "{}: out of order, or twice: {numbers:?}", sent.key);
        count += numbers.len();
    }
    count
}
