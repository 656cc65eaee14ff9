//! Runs workflows: takes events, gives them to workers or runs them for a caller that waits, and picks up
//! what another instance has left. It knows neither HTTP nor the trigger's configuration.

mod dispatcher;
mod processor;
mod run;
mod schedule;
mod watch;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use dispatcher::Event;
pub use run::{Ended, Workflow};

use self::schedule::running::Running;
use self::schedule::workers::Workers;
use crate::expr::{Object, Value};
use crate::ids::Ids;
use crate::node::Services;
use crate::store::Store;
use crate::store::instance::Owner;
use crate::store::recorder::Recorder;

/// So many executions wait for work in the background without a worker; further ones keep theirs, which
/// bounds how many are in memory.
const WAITING_PLACES: usize = 1_000;

/// Everything that running workflows needs.
pub struct Engine {
    pub store: Store,
    pub recorder: Recorder,
    pub ids: Arc<Ids>,
    pub owner: Owner,
    /// `WORKFLOW_LOOP_LIMIT`.
    pub loop_limit: Option<u64>,
    services: Services,
    environment: ArcSwap<Object>,
    running: Running,
    workers: Workers,
    /// One permit per execution that may wait for work without a worker.
    waiting_places: Arc<Semaphore>,
    /// When executions are due that wait for a time, in milliseconds since 1970.
    wakes: Mutex<BTreeSet<i64>>,
    sync_timeout: Duration,
    has_plugin: AtomicBool,
    nocobase_runs_workflows: bool,
    /// Whether executions may be waiting for a worker in the database.
    has_backlog: AtomicBool,
    backlog_grew: Notify,
    /// Executions that belong to this instance and could not be picked up; tried again with each heartbeat.
    stranded: Mutex<Vec<i64>>,
    tasks: TaskTracker,
    /// What goes on until nothing runs any more, and is not waited for.
    watches: TaskTracker,
    /// No more work is taken.
    stopping: CancellationToken,
    /// Nothing runs any more.
    stopped: CancellationToken,
}

/// What an engine is made of.
pub struct Parts {
    pub store: Store,
    pub recorder: Recorder,
    pub ids: Arc<Ids>,
    pub owner: Owner,
    pub loop_limit: Option<u64>,
    pub workers: usize,
    /// How long a caller waits for a synchronous workflow.
    pub sync_timeout: Duration,
    /// Whether NocoBase runs workflows by itself, as far as its settings tell.
    pub nocobase_runs_workflows: bool,
    pub services: Services,
}

impl Engine {
    /// Starts the background tasks: feeding the workers, noticing aborts.
    pub fn start(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            recorder,
            ids,
            owner,
            loop_limit,
            workers,
            sync_timeout,
            nocobase_runs_workflows,
            services,
        } = parts;
        let engine = Arc::new(Self {
            store,
            recorder,
            ids,
            owner,
            loop_limit,
            services,
            environment: ArcSwap::default(),
            running: Running::default(),
            workers: Workers::new(workers),
            waiting_places: Arc::new(Semaphore::new(WAITING_PLACES)),
            wakes: Mutex::default(),
            sync_timeout,
            has_plugin: AtomicBool::new(false),
            nocobase_runs_workflows,
            has_backlog: AtomicBool::new(true),
            backlog_grew: Notify::new(),
            tasks: TaskTracker::new(),
            watches: TaskTracker::new(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            stranded: Mutex::default(),
        });
        engine.tasks.spawn(engine.clone().feed_workers());
        engine.watches.spawn(engine.clone().watch_aborts());
        engine.watches.spawn(engine.clone().watch_handovers());
        engine
    }

    /// Sets what `$env` holds.
    pub fn set_environment(&self, variables: Vec<(String, String)>) {
        let object: Object = variables.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
        self.environment.store(object.into());
    }

    /// What `$env` holds.
    pub fn environment(&self) -> Arc<Object> {
        self.environment.load_full()
    }

    /// Sets whether sidehook's plugin is enabled in NocoBase: it keeps NocoBase away from delays that wait, and
    /// takes what is handed over.
    pub fn set_plugin(&self, is_enabled: bool) {
        self.has_plugin.store(is_enabled, Ordering::Release);
    }

    fn has_plugin(&self) -> bool {
        self.has_plugin.load(Ordering::Acquire)
    }

    /// Whether pending delays get their rows at once. A NocoBase that starts resumes all that it sees.
    fn shows_delays(&self) -> bool {
        self.has_plugin() || !self.nocobase_runs_workflows
    }

    fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Takes no more work. What has been recorded already is left for others where it has not begun.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Takes no more work and waits for what runs, at most `grace`. What is left over then stays leased in
    /// the database and is picked up by the next instance. Returns how many executions that are.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.stop();
        self.tasks.close();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        self.stopped.cancel();
        self.running.count()
    }
}
