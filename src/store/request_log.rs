//! The rows of requests that have no execution, such as refusals: a bounded queue, and a task that writes what is in it
//! in batches. Nobody waits for it: what does not fit is dropped and counted. The rows of requests with an execution
//! are the recorder's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use entity::request;
use sea_orm::DbErr;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Store;
use super::fault::{Fault, describe};
use super::request::{Answered, bytes};

/// At most so many rows wait.
const QUEUE_ROWS: usize = 10_000;
/// At most about so many bytes wait.
const QUEUE_BYTES: usize = 32 << 20;
/// At most so many rows in one statement.
const BATCH_ROWS: usize = 500;
/// At most about so many bytes in one statement.
const BATCH_BYTES: usize = 2 << 20;
/// Between two statements, so that many rows go into each.
const PAUSE: Duration = Duration::from_millis(100);
/// For so long a statement is tried again while the database is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same once nothing more is to come.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// What was dropped is told so often at most.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The way into the log for requests that have no execution.
#[derive(Clone)]
pub struct RequestLog {
    queue: mpsc::Sender<Entry>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    waiting_bytes: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    is_full: AtomicBool,
}

/// What is to be written.
enum Entry {
    Row(Box<request::Model>),
    /// How a request has ended whose row is there.
    Answered(Answered),
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Entry::Row(row) => bytes(row),
            Entry::Answered(answered) => answered.bytes(),
        }
    }
}

impl RequestLog {
    /// The log, and the task that writes it: until `end` is cancelled, and then what is in the queue.
    pub fn start(store: Store, end: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, entries) = mpsc::channel(QUEUE_ROWS);
        let state = Arc::new(State::default());
        let writer = Writer { store, state: state.clone(), end, told: None, told_of: 0 };
        (Self { queue, state }, writer.run(entries))
    }

    /// Adds the row of a request.
    pub fn add(&self, row: request::Model) {
        if self.state.is_full.load(Ordering::Relaxed) {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.put(Entry::Row(Box::new(row)));
    }

    /// Says how a request has ended whose row is there.
    pub fn answered(&self, answered: Answered) {
        self.put(Entry::Answered(answered));
    }

    /// How many rows of this log were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// How many rows were written since the start.
    pub fn written(&self) -> u64 {
        self.state.written.load(Ordering::Relaxed)
    }

    /// Sets whether the table has too many rows: then it gets no more of this log.
    pub fn set_full(&self, is_full: bool) {
        self.state.is_full.store(is_full, Ordering::Relaxed);
    }

    fn put(&self, entry: Entry) {
        let bytes = entry.bytes();
        let State { waiting_bytes, dropped, .. } = &*self.state;
        let has_room = waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES;
        if !has_room || self.queue.try_send(entry).is_err() {
            waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes what is in the queue.
struct Writer {
    store: Store,
    state: Arc<State>,
    end: CancellationToken,
    /// When it was told how many were dropped, and how many that were.
    told: Option<Instant>,
    told_of: u64,
}

impl Writer {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        loop {
            let first = tokio::select! {
                biased;
                entry = entries.recv() => entry,
                () = self.end.cancelled() => entries.try_recv().ok(),
            };
            let Some(first) = first else { break };
            let mut batch = vec![first];
            let mut size = batch[0].bytes();
            while batch.len() < BATCH_ROWS && size < BATCH_BYTES {
                let Ok(entry) = entries.try_recv() else { break };
                size += entry.bytes();
                batch.push(entry);
            }
            let started = Instant::now();
            self.write(batch).await;
            self.state.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            self.tell();
            // Of the database's time no more than about half of one connection's.
            let pause = started.elapsed().max(PAUSE);
            let _ = tokio::time::timeout(pause, self.end.cancelled()).await;
        }
    }

    async fn write(&mut self, batch: Vec<Entry>) {
        let (mut rows, mut answers) = (Vec::new(), Vec::new());
        for entry in batch {
            match entry {
                Entry::Row(row) => rows.push(row),
                Entry::Answered(answered) => answers.push(answered),
            }
        }
        let mut parts: Vec<&[Box<request::Model>]> = vec![&rows];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            let all: Vec<&request::Model> = part.iter().map(|row| &**row).collect();
            match self.patiently(|| self.store.insert_requests(&self.store.db, &all)).await {
                Ok(()) => drop(self.state.written.fetch_add(all.len() as u64, Ordering::Relaxed)),
                // One of them is there already, or cannot be stored: halves find it without its neighbours.
                Err(Fault::Duplicate | Fault::Refused) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(Fault::Duplicate) => {}
                Err(_) => drop(self.state.dropped.fetch_add(all.len() as u64, Ordering::Relaxed)),
            }
        }
        for answered in &answers {
            let one = [answered];
            if self.patiently(|| self.store.answer_requests(&self.store.db, &one)).await.is_err() {
                self.state.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tries a statement again while the database is away.
    async fn patiently<F: Future<Output = Result<(), DbErr>>>(
        &self,
        statement: impl Fn() -> F,
    ) -> Result<(), Fault> {
        let started = Instant::now();
        loop {
            let Err(err) = statement().await else { return Ok(()) };
            let fault = Fault::of(&err);
            let patience = if self.end.is_cancelled() { LAST_PATIENCE } else { PATIENCE };
            if !fault.is_passing() || started.elapsed() > patience {
                if fault != Fault::Duplicate {
                    tracing::debug!(reason = describe(&err), "requests could not be logged");
                }
                return Err(fault);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Says how many were dropped, now and then.
    fn tell(&mut self) {
        let dropped = self.state.dropped.load(Ordering::Relaxed);
        let is_time = self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if dropped > self.told_of && is_time {
            let requests = dropped - self.told_of;
            tracing::warn!(requests, "requests without an execution were left out of the request log");
            (self.told, self.told_of) = (Some(Instant::now()), dropped);
        }
    }
}
