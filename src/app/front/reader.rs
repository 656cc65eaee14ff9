//! Reads the queue in front of the database: its events become executions, in their order, and are settled in the queue
//! only once those are committed. One sidehook at a time does so. While the database is away nothing is read; what was
//! read before waits here.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, interval, sleep};

use super::Front;
use crate::app::App;
use crate::engine::{Arrived, Earlier, Prepared};
use crate::metrics::InFront;
use crate::queue::{self, Delivered, Fault, LEASE, Lead, Queue, RENEWAL, Seen};
use crate::store::recorder::RecordError;

/// At most so many events are read at a time: what one transaction takes. The queue has a bound for their bytes.
const BATCH: usize = 512;
/// So often is tried to make an execution of an event before it is put aside.
const TRIES: u32 = 5;
/// Before the second try; twice as long before each one after that.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// While the database or the queue does not answer.
const PAUSE: Duration = Duration::from_millis(200);
/// So many events may be tried again beside those that are read.
const TROUBLED: usize = 1_000;
/// And so many bytes of them.
const TROUBLED_BYTES: usize = 64 << 20;

/// An event that was read and is not settled yet.
struct Item {
    delivered: Delivered,
    /// Once it is known what it is to become.
    prepared: Option<Prepared>,
    tries: u32,
    /// Not tried before.
    due: Instant,
}

/// What became of an event.
enum Fate {
    Recorded,
    /// The database does not take it now, or is not there to say what it is for.
    Waits,
    /// It cannot become an execution, for a reason that may pass.
    Failed(String),
}

/// Reads for as long as it is polled.
pub(in crate::app) async fn read(app: Arc<App>, front: Arc<Front>) {
    let mut reader =
        Reader { app, front, items: Vec::new(), recorded: Vec::new(), leads: false, complaint: None };
    let mut renewal = interval(RENEWAL);
    loop {
        renewal.tick().await;
        reader.renew().await;
        let until = Instant::now() + RENEWAL;
        while reader.leads && Instant::now() < until {
            if let Err(fault) = reader.turn().await {
                reader.complain(&fault);
                sleep(PAUSE).await;
            }
        }
    }
}

struct Reader {
    app: Arc<App>,
    front: Arc<Front>,
    /// In the order in which they were read.
    items: Vec<Item>,
    /// Recorded, and not settled because the queue did not answer.
    recorded: Vec<Delivered>,
    leads: bool,
    /// What was said last.
    complaint: Option<String>,
}

impl Reader {
    fn queue(&self) -> &dyn Queue {
        &*self.front.queue
    }

    /// Says once that something fails.
    fn complain(&mut self, fault: &Fault) {
        let reason = fault.to_string();
        if self.complaint.as_ref() != Some(&reason) {
            tracing::warn!(reason, "the queue in front of the database cannot be read");
            self.complaint = Some(reason);
        }
    }

    /// Becomes or stays the reader, as long as executions can be recorded here.
    async fn renew(&mut self) {
        if self.app.is_database_away() {
            // Somebody else's may answer. Without the lease these are given to others, too.
            if std::mem::take(&mut self.leads) {
                self.front.queue.resign(&self.front.reader).await;
            }
            return;
        }
        let led = self.front.queue.lead(&self.front.reader).await;
        match led {
            Ok(Lead::Taken) => {
                tracing::info!("this sidehook reads the queue in front of the database");
                self.forget();
                self.leads = true;
            }
            Ok(Lead::Kept) => self.leads = true,
            Ok(Lead::Lost) => {
                self.forget();
                self.leads = false;
            }
            // Until the lease is over nobody else reads.
            Err(fault) => {
                self.complain(&fault);
                self.leads = false;
            }
        }
        if self.leads
            && let Err(fault) = self.hold(&[]).await
        {
            self.complain(&fault);
        }
    }

    /// What is not settled is given out again, to whoever reads.
    fn forget(&mut self) {
        self.items.clear();
        self.recorded.clear();
    }

    /// Says that all of these, and what is tried again later, are still worked on.
    async fn hold(&self, due: &[Item]) -> Result<(), Fault> {
        let held: Vec<&Delivered> = due.iter().chain(&self.items).map(|item| &item.delivered).collect();
        self.queue().hold(&held).await
    }

    /// Stays the reader while events are recorded. That it is no longer, the next turn finds out.
    async fn keep(&self, due: &[Item]) {
        if !self.app.is_database_away() && self.queue().lead(&self.front.reader).await.is_ok() {
            let _ = self.hold(due).await;
        }
    }

    /// Reads some events and records what is due.
    async fn turn(&mut self) -> Result<(), Fault> {
        // Nothing is read before that: it would become more and more.
        self.settle().await?;
        let has_due = self.items.iter().any(|item| item.tries == 0);
        let bytes: usize = self.items.iter().map(|item| item.delivered.payload.len()).sum();
        // What could not be recorded yet comes before what follows it.
        if !has_due && self.items.len() < TROUBLED && bytes < TROUBLED_BYTES {
            let come = self.queue().next(BATCH).await?;
            self.add(come);
            self.complaint = None;
        }
        let now = Instant::now();
        let (due, later): (Vec<Item>, Vec<Item>) =
            std::mem::take(&mut self.items).into_iter().partition(|item| item.due <= now);
        self.items = later;
        self.take_in(due).await
    }

    fn add(&mut self, come: Vec<Delivered>) {
        let again = come.iter().filter(|delivered| delivered.is_again).count();
        if again > 0 {
            self.app.metrics.in_front(InFront::Redelivered, again);
        }
        let mut known: HashSet<String> = self.items.iter().map(|item| item.delivered.place.clone()).collect();
        let due = Instant::now();
        for delivered in come {
            if known.insert(delivered.place.clone()) {
                self.items.push(Item { delivered, prepared: None, tries: 0, due });
            }
        }
    }

    /// Records events, and settles those that are.
    async fn take_in(&mut self, mut due: Vec<Item>) -> Result<(), Fault> {
        if due.is_empty() {
            return Ok(());
        }
        let fates = self.record(&mut due).await;
        let (mut recorded, mut left, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        let mut waits = false;
        for (mut item, fate) in due.into_iter().zip(fates) {
            match fate {
                Fate::Recorded => recorded.push(item),
                Fate::Waits => {
                    waits = true;
                    left.push(item);
                }
                Fate::Failed(reason) if item.tries + 1 >= TRIES => dead.push((item, reason)),
                Fate::Failed(reason) => {
                    tracing::warn!(reason, tries = item.tries + 1, "an event cannot become an execution");
                    item.due = Instant::now() + FIRST_PAUSE * 2_u32.pow(item.tries);
                    item.tries += 1;
                    left.push(item);
                }
            }
        }
        left.append(&mut self.items);
        self.items = left;
        self.app.metrics.in_front(InFront::Consumed, recorded.len());
        self.recorded.extend(recorded.into_iter().map(|item| item.delivered));
        let settled = self.settle().await;
        // Those that are to be put aside are kept nowhere else.
        let buried = self.bury(dead).await;
        if waits {
            sleep(PAUSE).await;
        }
        settled.and(buried)
    }

    /// Settles what is recorded. Where that fails it is kept for the next turn.
    async fn settle(&mut self) -> Result<(), Fault> {
        let recorded: Vec<&Delivered> = self.recorded.iter().collect();
        self.queue().settle(&recorded).await?;
        self.recorded.clear();
        Ok(())
    }

    /// What becomes of events, in their order.
    async fn record(&self, due: &mut [Item]) -> Vec<Fate> {
        let mut unknown = Vec::new();
        for item in due.iter_mut() {
            unknown.push(if item.prepared.is_none() { self.prepare(item).await } else { None });
        }
        let due = &*due;
        let recording = due.iter().zip(unknown).map(|(item, failed)| record(&self.app, item, failed));
        let mut recording = pin!(join_all(recording));
        loop {
            tokio::select! {
                fates = &mut recording => return fates,
                () = sleep(RENEWAL) => self.keep(due).await,
            }
        }
    }

    /// Puts events aside. Where that fails they are kept, and tried again.
    async fn bury(&mut self, dead: Vec<(Item, String)>) -> Result<(), Fault> {
        let mut failed = None;
        for (item, reason) in dead {
            match self.queue().bury(&item.delivered, &reason).await {
                Ok(()) => {
                    self.app.metrics.in_front(InFront::Dead, 1);
                    tracing::error!(reason, "an event was put aside; `sidehook queue dead` lists it");
                }
                Err(fault) => {
                    failed = Some(fault);
                    self.items.push(Item { due: Instant::now() + LEASE, ..item });
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Finds out what an event is to become; what it fails by, otherwise.
    async fn prepare(&self, item: &mut Item) -> Option<Fate> {
        let event = match queue::Event::decode(&item.delivered.payload) {
            Ok(event) => event,
            Err(reason) => return Some(Fate::Failed(reason)),
        };
        let workflow = match self.app.hooks.find(&event.workflow).await {
            Ok(called) => called.hook.workflow.clone(),
            Err(refusal) if refusal.status == 404 => {
                return Some(Fate::Failed(format!("no enabled workflow has the key {}", event.workflow)));
            }
            Err(_) => return Some(Fate::Waits),
        };
        let ttl = event.ttl.map(Duration::from_millis);
        let arrived = Arrived {
            workflow,
            context: event.context,
            event_key: event.event_key,
            earlier: event.seen.map(|seen| (earlier(seen), ttl)),
            at: DateTime::<Utc>::from_timestamp_millis(event.at).unwrap_or_default(),
            request: event.request,
        };
        match self.app.engine.prepare(arrived) {
            Ok(prepared) => {
                item.prepared = Some(prepared);
                None
            }
            Err(_) => Some(Fate::Waits),
        }
    }
}

async fn record(app: &App, item: &Item, failed: Option<Fate>) -> Fate {
    let prepared = match (failed, &item.prepared) {
        (Some(fate), _) => return fate,
        (None, None) => return Fate::Waits,
        (None, Some(prepared)) => prepared,
    };
    match app.engine.take_in(prepared).await {
        Ok(()) => Fate::Recorded,
        Err(RecordError::Refused(reason)) => Fate::Failed(reason),
        Err(err) => {
            app.doubt();
            tracing::debug!(reason = %err, "an event of the queue waits for the database");
            Fate::Waits
        }
    }
}

fn earlier(seen: Seen) -> Earlier {
    match seen {
        Seen::Nothing => Earlier::Nothing,
        Seen::Past(id) => Earlier::Past(id),
        Seen::Unknown => Earlier::Unknown,
    }
}
