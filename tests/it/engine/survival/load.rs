//! Instances under load: processes that are killed and started again, and callers that send until enough of their
//! requests have been acknowledged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sidehook::queue::Queue;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::receiver::{Receiver, Repeat};
use super::samples::{Sample, samples};
use crate::databases::TestDatabase;
use crate::process::Process;
use crate::queue::servers::{Servers, pairs};
use crate::rows::Rows;
use crate::server::{client, config, prepare};
use crate::wait::{TIMEOUT, until};

/// So many callers send at a time.
const CALLERS: usize = 16;
/// A caller gives up after that time: all of them may have asked an instance that is stopped for longer than it says.
const PATIENCE: Duration = Duration::from_secs(30);

/// Some instances on one database, the workflows that they run, and where those send their requests to.
pub struct Fleet<'a> {
    pub database: &'a TestDatabase,
    pub receiver: Receiver,
    pub samples: Vec<Sample>,
    pub instances: Vec<Process>,
    /// What is in front of the database.
    pub queue: Option<Arc<dyn Queue>>,
    /// Of every instance.
    settings: Vec<(String, String)>,
    /// Where each of them serves.
    urls: Arc<Mutex<Vec<String>>>,
}

/// Requests under way.
pub struct Load {
    next: AtomicU64,
    acknowledged: AtomicUsize,
    /// No more are sent once so many have been acknowledged.
    until: AtomicUsize,
    urls: Arc<Mutex<Vec<String>>>,
    keys: Vec<(String, u64)>,
}

/// Load with its callers.
pub struct Sending {
    pub load: Arc<Load>,
    callers: JoinSet<BTreeSet<u64>>,
}

impl<'a> Fleet<'a> {
    pub async fn start(database: &'a TestDatabase, count: usize, front: Option<&Servers>) -> Self {
        let receiver = Receiver::start().await;
        let samples = samples(&receiver.url);
        let rows = Rows { store: prepare(database, &[]).await };
        for sample in &samples {
            rows.add(&sample.hook).await;
        }
        rows.store.db.close().await.expect("the connection closes");
        let mut settings = vec![("SIDEHOOK_WORKERS".to_owned(), "8".to_owned())];
        settings.extend(front.map(Servers::settings).unwrap_or_default());
        let of_each = pairs(&settings);
        let queue = config(database, &of_each).queue;
        let queue = sidehook::queue::open(&queue, "main", &[]).await.expect("settings");
        if let Some(queue) = &queue {
            until(async || queue.set_up().await.is_ok(), || "the queue does not answer".to_owned()).await;
        }
        let instances = join_all((0..count).map(|_| Process::serve(database, &of_each))).await;
        let urls = instances.iter().map(|instance| instance.url.clone()).collect();
        Self { database, receiver, samples, instances, queue, settings, urls: Arc::new(Mutex::new(urls)) }
    }

    /// Begins to send to all instances.
    pub fn send(&self, until: usize) -> Sending {
        let keys = self.samples.iter().map(|sample| (sample.hook.key.clone(), sample.share)).collect();
        let load = Arc::new(Load {
            next: AtomicU64::new(0),
            acknowledged: AtomicUsize::new(0),
            until: AtomicUsize::new(until),
            urls: self.urls.clone(),
            keys,
        });
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(load.clone().call());
        }
        Sending { load, callers }
    }

    /// Kills an instance and starts another one in its place at once.
    pub async fn kill(&mut self, place: usize) {
        self.receiver.note_kill();
        self.instances[place].signal("KILL").await;
        self.instances[place].ended().await;
        self.replace(place).await;
    }

    /// Stops an instance for a time; nothing more is sent to it.
    pub async fn pause(&mut self, place: usize) {
        // Others send again what it is in the middle of.
        self.receiver.note_kill();
        {
            let mut urls = self.urls.lock().expect("no panic while it is held");
            let other = urls.iter().find(|url| **url != self.instances[place].url).cloned();
            urls[place] = other.expect("another instance");
        }
        self.instances[place].signal("STOP").await;
    }

    /// Starts an instance in the place of one that has ended.
    pub async fn replace(&mut self, place: usize) {
        self.instances[place] = Process::serve(self.database, &pairs(&self.settings)).await;
        let mut urls = self.urls.lock().expect("no panic while it is held");
        urls[place].clone_from(&self.instances[place].url);
    }

    /// The rows of the database, over a connection of its own.
    pub async fn rows(&self) -> Rows {
        let config = config(self.database, &[]);
        Rows { store: sidehook::app::open_store(&config).await.expect("the database opens") }
    }

    /// Waits until every execution has ended and nothing is kept of any, then checks what they have left, and that
    /// nobody was told of one that is not there. Returns how many there are.
    pub async fn check(&self, acknowledged: &BTreeSet<u64>) -> usize {
        let rows = self.rows().await;
        let deadline = Instant::now() + TIMEOUT;
        while !self.is_all_over(&rows).await {
            assert!(Instant::now() < deadline, "{}\n{}", self.what_is_left(&rows).await, self.printed());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let (mut numbers, mut sent): (BTreeMap<u64, usize>, HashMap<String, Value>) = Default::default();
        let mut faults = Vec::new();
        for sample in &self.samples {
            let jobs = rows.jobs_by_execution(sample.hook.id).await;
            for execution in rows.executions(sample.hook.id).await {
                let n = execution["context"]["body"]["n"].as_u64().expect("a number");
                *numbers.entry(n).or_default() += 1;
                let id = execution["id"].as_i64().expect("an id");
                let jobs = jobs.get(&id).map_or(&[][..], Vec::as_slice);
                faults.extend(sample.check(&execution, jobs, &mut sent).err());
            }
        }
        assert!(faults.is_empty(), "{} executions are wrong, such as\n{}", faults.len(), faults[0]);
        let twice: Vec<_> = numbers.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "requests with several executions: {twice:?}");
        let lost: Vec<_> = acknowledged.iter().filter(|n| !numbers.contains_key(n)).collect();
        assert!(lost.is_empty(), "acknowledged and not recorded: {lost:?}");
        self.check_received(&sent);
        rows.store.db.close().await.expect("the connection closes");
        numbers.len()
    }

    /// Whether no event waits in front of the database, no execution is open and none has a lease or a timer.
    pub async fn is_all_over(&self, rows: &Rows) -> bool {
        let is_drained = match &self.queue {
            Some(queue) => queue.depth().await.is_ok_and(|depth| depth.events == 0),
            None => true,
        };
        is_drained && is_all_over(rows).await
    }

    /// The receiver has got all that the jobs say, nothing else, and what came again was the same as before.
    fn check_received(&self, sent: &HashMap<String, Value>) {
        let received = self.receiver.bodies();
        let missing: Vec<_> = sent.keys().filter(|key| !received.contains_key(*key)).collect();
        assert!(missing.is_empty(), "never received: {missing:?}");
        for (key, bodies) in &received {
            let expected = sent.get(key).unwrap_or_else(|| panic!("no execution has sent {key}: {bodies:?}"));
            assert!(bodies.iter().all(|body| body == expected), "{key}: {bodies:?}, not {expected}");
        }
        for Repeat { key, before, kills } in self.receiver.repeats() {
            assert!(before <= kills, "{key} came for the {}th time after {kills} kills", before + 1);
        }
    }

    async fn what_is_left(&self, rows: &Rows) -> String {
        let mut left = Vec::new();
        for sample in &self.samples {
            let executions = rows.executions(sample.hook.id).await;
            let open = executions.iter().filter(|row| matches!(row["status"].as_i64(), None | Some(0)));
            for execution in open.take(3) {
                let jobs = rows.jobs(execution["id"].as_i64().expect("an id")).await;
                left.push(json!({"key": sample.hook.key, "execution": execution, "jobs": jobs}).to_string());
            }
        }
        let [leases, timers] = [Table::Leases, Table::Timers].map(|table| rows.table(table));
        let columns = "execution_id, instance_id, generation, due_at";
        for row in rows.query(&format!("SELECT {columns} FROM {leases} LIMIT 20")).await {
            let instance: Option<i32> = row.try_get_by_index(1).expect("a number");
            let execution: i64 = row.try_get_by_index(0).expect("a number");
            let due_at: i64 = row.try_get_by_index(3).expect("a number");
            left.push(format!("lease of {execution}: {instance:?}, due at {due_at}"));
        }
        left.push(format!("{} timers", rows.number(&format!("SELECT COUNT(*) FROM {timers}")).await));
        left.join("\n")
    }

    /// The warnings and errors of the instances.
    fn printed(&self) -> String {
        let printed = self.instances.iter().map(Process::printed).collect::<String>();
        let lines = printed.lines().filter(|line| !line.contains(r#""level":"INFO""#)).collect::<Vec<_>>();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Ends all instances in an orderly way.
    pub async fn stop(&mut self) {
        for instance in &mut self.instances {
            instance.signal("TERM").await;
            let status = instance.ended().await;
            assert!(status.success(), "{status}:\n{}", instance.printed());
        }
    }
}

impl Load {
    /// Sends one request after the other; each has a number of its own. Returns those that were acknowledged.
    async fn call(self: Arc<Self>) -> BTreeSet<u64> {
        let client = client();
        let mut numbers = BTreeSet::new();
        while self.acknowledged() < self.until.load(Ordering::SeqCst) {
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            let url = {
                let urls = self.urls.lock().expect("no panic while it is held");
                urls[rand::random_range(0..urls.len())].clone()
            };
            let body = json!({"n": n, "wait": 1 + n % 3});
            let request =
                client.post(format!("{url}/api/webhooks/{}", self.key(n))).json(&body).timeout(PATIENCE);
            match request.send().await {
                Ok(response) if response.status() == 200 => {
                    numbers.insert(n);
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Ok(response) => {
                    assert_eq!(response.status(), 503);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        numbers
    }

    /// The workflow of a request: each as often among 100 as its share says.
    fn key(&self, n: u64) -> &str {
        let mut place = (n * 37) % 100;
        for (key, share) in &self.keys {
            if place < *share {
                return key;
            }
            place -= share;
        }
        unreachable!("the shares make 100")
    }

    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until so many have been acknowledged.
    pub async fn reaches(&self, count: usize) {
        until(
            async || self.acknowledged() >= count,
            || format!("only {} requests are acknowledged", self.acknowledged()),
        )
        .await;
    }
}

impl Sending {
    /// The numbers of the acknowledged requests, once nothing more is sent.
    pub async fn ended(self) -> BTreeSet<u64> {
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

/// Whether no execution is open and none has a lease or a timer.
pub async fn is_all_over(rows: &Rows) -> bool {
    let status = rows.quoted("status");
    let executions = rows.table(Table::Executions);
    let open = format!("SELECT COUNT(*) FROM {executions} WHERE {status} IS NULL OR {status} = 0");
    rows.number(&open).await == 0
        && rows.count(Table::Leases).await == 0
        && rows.count(Table::Timers).await == 0
}
