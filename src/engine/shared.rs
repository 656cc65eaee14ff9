//! What the runs and the background tasks of one engine share: ways to the outside, and what is known of the work
//! that goes on.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use sea_orm::DbErr;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::schedule::fetched::Fetched;
use super::schedule::running::Running;
use super::schedule::workers::Workers;
use super::turns::Turns;
use super::watch::pulse::Pulse;
use crate::expr::Object;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::node::Services;
use crate::store::Store;
use crate::store::instance::Owner;
use crate::store::recorder::Recorder;
use crate::trace::Tracer;

/// At most so many executions wait for work in the background without a worker; further ones keep theirs, which
/// bounds how many are in memory.
const WAITING_PLACES: usize = 1_000;

/// How long background tasks wait for the database: longer than any of their statements takes, and short enough to
/// notice a connection that is dead.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// How an engine works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `WORKFLOW_LOOP_LIMIT`: the rounds that a loop node may have.
    pub loop_limit: Option<u64>,
    /// The rounds that a loop over a number may have where `loop_limit` is not set.
    pub number_loop_limit: u64,
    /// At most so many asynchronous executions run at a time.
    pub workers: usize,
    /// What the contexts of executions may take that were fetched from the database.
    pub fetched: Arc<Fetched>,
    /// How long a caller waits for a synchronous workflow.
    pub sync_timeout: Duration,
    /// How long a synchronous run goes on whose caller is gone, where it changes nothing but its own rows.
    pub abandon_after: Duration,
    /// Whether NocoBase runs workflows by itself, as far as its settings tell.
    pub nocobase_runs_workflows: bool,
    /// What the log says beside each line of a run.
    pub span: Span,
}

pub struct Shared {
    pub store: Store,
    pub recorder: Recorder,
    pub ids: Arc<Ids>,
    pub owner: Owner,
    pub services: Services,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub tracer: Tracer,
    /// What `$env` holds.
    pub environment: ArcSwap<Object>,
    pub pulse: Pulse,
    pub running: Running,
    pub workers: Workers,
    /// One permit per execution that may wait for work without a worker.
    pub waiting_places: Arc<Semaphore>,
    /// Deliveries of one event that come at the same time.
    pub turns: Turns,
    /// One permit per caller who waits for the execution of an earlier delivery.
    pub duplicates: Semaphore,
    /// When executions are due that wait for a time, in milliseconds since 1970.
    pub wakes: Mutex<BTreeSet<i64>>,
    /// Whether sidehook's plugin is enabled in NocoBase.
    pub has_plugin: AtomicBool,
    /// Whether executions may be waiting for a worker in the database.
    pub has_backlog: AtomicBool,
    pub backlog_grew: Notify,
    /// The workflows of executions that this instance has put there since it was looked.
    backlogged: Mutex<HashSet<i64>>,
    /// The workflow versions of which executions that NocoBase has queued are run here.
    pub queued: ArcSwap<HashSet<i64>>,
    /// Executions that belong to this instance and could not be picked up; tried again with each heartbeat.
    pub stranded: Mutex<Vec<i64>>,
    /// The runs.
    pub tasks: TaskTracker,
    /// Short tasks that nothing waits for while they go on.
    pub errands: TaskTracker,
    /// No more work is taken.
    pub stopping: CancellationToken,
    /// Until when callers are kept waiting whose executions wait for a time, once work is no longer taken.
    kept_until: OnceLock<Instant>,
    /// Nothing runs any more.
    pub stopped: CancellationToken,
}

impl Shared {
    pub fn new(
        store: Store,
        recorder: Recorder,
        ids: Arc<Ids>,
        owner: Owner,
        services: Services,
        settings: Settings,
        (metrics, tracer): (Arc<Metrics>, Tracer),
    ) -> Self {
        Self {
            store,
            recorder,
            ids,
            owner,
            services,
            metrics,
            tracer,
            environment: ArcSwap::default(),
            pulse: Pulse::new(Instant::now()),
            running: Running::default(),
            workers: Workers::new(settings.workers),
            settings,
            waiting_places: Arc::new(Semaphore::new(WAITING_PLACES)),
            turns: Turns::default(),
            duplicates: Semaphore::new(WAITING_PLACES),
            wakes: Mutex::default(),
            has_plugin: AtomicBool::new(false),
            has_backlog: AtomicBool::new(true),
            backlog_grew: Notify::new(),
            backlogged: Mutex::default(),
            queued: ArcSwap::default(),
            stranded: Mutex::default(),
            tasks: TaskTracker::new(),
            errands: TaskTracker::new(),
            stopping: CancellationToken::new(),
            kept_until: OnceLock::new(),
            stopped: CancellationToken::new(),
        }
    }

    /// Whether pending delays get their rows at once. A NocoBase that starts resumes all that it sees.
    pub fn shows_delays(&self) -> bool {
        self.has_plugin() || !self.settings.nocobase_runs_workflows
    }

    /// Whether NocoBase can be told to run nodes: by its API, or by sidehook's plugin that looks for them.
    pub fn hands_over(&self) -> bool {
        self.services.nocobase.is_some() || self.has_plugin()
    }

    fn has_plugin(&self) -> bool {
        self.has_plugin.load(Ordering::Acquire)
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Takes no more work, and keeps callers for at most `grace` whose executions wait for a time.
    pub fn stop(&self, grace: Duration) {
        // The answers have to leave before the connections are closed.
        let margin = (grace / 10).min(Duration::from_secs(1));
        let _ = self.kept_until.set(Instant::now() + (grace - margin));
        self.stopping.cancel();
    }

    /// Whether callers are no longer kept whose executions wait for a time.
    pub fn lets_callers_go(&self) -> bool {
        self.is_stopping() && self.kept_until.get().is_none_or(|until| *until <= Instant::now())
    }

    /// Done when callers are no longer kept whose executions wait for a time.
    pub async fn callers_let_go(&self) {
        self.stopping.cancelled().await;
        if let Some(until) = self.kept_until.get() {
            tokio::time::sleep_until(*until).await;
        }
    }

    /// The answer of the database to a background task, or an error when it takes too long.
    pub async fn limited<T>(&self, query: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let no_answer = || DbErr::Custom(format!("no answer within {} s", QUERY_TIMEOUT.as_secs()));
        tokio::time::timeout(QUERY_TIMEOUT, query).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Sees to it that what is due then is not left to the next regular look.
    pub fn wake_at(&self, due_at: i64) {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner).insert(due_at);
    }

    /// An execution of this workflow waits for a worker in the database.
    pub fn add_to_backlog(&self, workflow_id: i64) {
        self.backlogged.lock().unwrap_or_else(PoisonError::into_inner).insert(workflow_id);
        self.has_backlog.store(true, Ordering::Release);
        self.backlog_grew.notify_one();
    }

    /// The workflows for which that was said since the last call.
    pub fn take_backlogged(&self) -> HashSet<i64> {
        std::mem::take(&mut *self.backlogged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves executions for the next heartbeat to pick up, if they are this instance's.
    pub fn strand(&self, executions: Vec<i64>) {
        self.stranded.lock().unwrap_or_else(PoisonError::into_inner).extend(executions);
    }
}
