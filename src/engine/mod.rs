//! Runs workflows: takes events, gives them to workers or runs them for a caller that waits, and picks up
//! what another instance has left. It knows neither HTTP nor the trigger's configuration.

mod claim;
mod dispatcher;
mod enqueue;
mod execution;
mod follow;
mod go_on;
mod processor;
mod run;
mod schedule;
mod shared;
mod spawn;
mod subflow;
mod take_in;
mod turns;
mod watch;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub(crate) use self::claim::Delivery;
pub(crate) use self::dispatcher::{Event, Taken, written};
pub(crate) use self::enqueue::Enqueued;
pub(crate) use self::follow::First;
pub(crate) use self::run::Ended;
pub(crate) use self::run::failure::{Failure, PastJob};
pub(crate) use self::run::request::{Kept, Request, State as RequestState, is_failure};
pub(crate) use self::run::workflow::Workflow;
pub(crate) use self::schedule::fetched::Fetched;
pub(crate) use self::shared::Settings;
pub(crate) use self::take_in::{Arrived, Earlier, Prepared};
pub(crate) use self::watch::heartbeat::Open;

use self::schedule::feeder;
use self::shared::Shared;
use self::watch::{aborts, handover, heartbeat, takeover};
use crate::expr::{Object, Value};
use crate::ids::Ids;
use crate::metrics::{Level, Metrics};
use crate::node::Services;
use crate::store::Store;
use crate::store::instance::{InstanceError, Owner};
use crate::store::recorder::{RecordError, Recorder};
use crate::trace::Tracer;

/// Something that goes on beside the runs.
pub struct Background {
    /// For logs.
    pub name: &'static str,
    /// Cancelled when it may end; that it ends before, or panics, is a failure of this instance.
    pub until: CancellationToken,
    pub task: BoxFuture<'static, ()>,
}

/// Everything that runs workflows.
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// An engine that runs what it is given. [`Engine::background`] is what it does by itself.
    pub fn new(
        store: Store,
        recorder: Recorder,
        ids: Arc<Ids>,
        owner: Owner,
        services: Services,
        settings: Settings,
        told: (Arc<Metrics>, Tracer),
    ) -> Self {
        Self { shared: Arc::new(Shared::new(store, recorder, ids, owner, services, settings, told)) }
    }

    /// What the engine does by itself: feeding the workers, taking over what others have left, noticing aborts,
    /// following what was handed over. Nothing of it is done unless somebody polls it.
    pub fn background(&self) -> [Background; 4] {
        let shared = || self.shared.clone();
        let (stopping, stopped) = (&self.shared.stopping, &self.shared.stopped);
        let background =
            |name, until: &CancellationToken, task| Background { name, until: until.clone(), task };
        [
            background("feeder of the workers", stopping, Box::pin(feeder::feed(shared())) as BoxFuture<_>),
            background("takeover", stopping, Box::pin(takeover::follow(shared()))),
            background("watch for aborts", stopped, Box::pin(aborts::watch(shared()))),
            background("watch for handovers", stopping, Box::pin(handover::watch(shared()))),
        ]
    }

    /// Gives signs of life until nothing runs any more, by a connection of its own, which `open` opens: it is to be
    /// polled where nothing else can hold it up. Returns an error when another instance has taken the number.
    pub fn keep_alive(&self, open: Open) -> impl Future<Output = Result<(), InstanceError>> + Send + use<> {
        heartbeat::keep_alive(self.shared.clone(), open)
    }

    /// Gives a sign of life now, and reserves ids.
    pub async fn beat(&self) -> Result<(), InstanceError> {
        heartbeat::beat(&self.shared, &self.shared.store).await
    }

    /// How long ago the database has taken the last sign of life; for readiness. After
    /// [`TIME_TO_LIVE`](crate::store::instance::TIME_TO_LIVE) others may take this instance for gone.
    pub fn silent_for(&self) -> Duration {
        self.shared.pulse.age()
    }

    /// Runs an event for a caller who waits, unless it was delivered before. The run is a task of its own: it goes on
    /// when the caller is gone. An event that may be delivered again has a row before it is run.
    pub async fn take(&self, event: Event) -> Result<Taken, RecordError> {
        dispatcher::take(&self.shared, event).await
    }

    /// Records an event for later, unless it was delivered before; a worker that is free starts at once. A task of its
    /// own as well: what has been recorded is run, whether or not the caller is still there.
    pub async fn enqueue(&self, event: Event) -> Result<Enqueued, RecordError> {
        enqueue::enqueue(&self.shared, event).await
    }

    /// What is known of earlier deliveries of an event.
    pub(crate) async fn earlier(&self, delivery: &Delivery) -> Earlier {
        take_in::earlier(&self.shared, delivery).await
    }

    /// Makes ready what [`Engine::take_in`] takes. The executions of events have the order in which this was called.
    pub(crate) fn prepare(&self, arrived: Arrived) -> Result<Prepared, RecordError> {
        take_in::prepare(&self.shared, arrived)
    }

    /// Records an event that has waited in a queue, unless that was done before. Whoever has a free worker runs it.
    pub(crate) async fn take_in(&self, event: &Prepared) -> Result<(), RecordError> {
        take_in::take_in(&self.shared, event).await
    }

    /// Records an execution with the context of this event that goes on where another of the same workflow version has
    /// failed. Whoever has a free worker runs it. Returns its id.
    pub(crate) async fn go_on(&self, event: Event, failure: Failure) -> Result<i64, RecordError> {
        go_on::go_on(&self.shared, event, failure).await
    }

    /// How much there is of what this engine does.
    pub fn levels(&self) -> [Level; 4] {
        let shared = &self.shared;
        let (busy, free) = shared.workers.busy_and_free();
        let timers = shared.wakes.lock().unwrap_or_else(PoisonError::into_inner).len();
        [
            Level::Running(shared.running.count()),
            Level::Workers { busy, free },
            Level::Timers(timers),
            Level::Silence(shared.pulse.age().as_secs_f64()),
        ]
    }

    /// The clock and the ids that runs use.
    pub fn ids(&self) -> &Arc<Ids> {
        &self.shared.ids
    }

    /// This instance, as the database knows it.
    pub fn owner(&self) -> Owner {
        self.shared.owner
    }

    /// Sets what `$env` holds.
    pub fn set_environment(&self, variables: Vec<(String, String)>) {
        let object: Object = variables.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
        self.shared.environment.store(object.into());
    }

    /// What `$env` holds.
    pub fn environment(&self) -> Arc<Object> {
        self.shared.environment.load_full()
    }

    /// Sets whether sidehook's plugin is enabled in NocoBase: it keeps NocoBase away from delays that wait, and
    /// takes what is handed over.
    pub fn set_plugin(&self, is_enabled: bool) {
        self.shared.has_plugin.store(is_enabled, Ordering::Release);
    }

    /// Whether sidehook's plugin is enabled in NocoBase.
    pub fn has_plugin(&self) -> bool {
        self.shared.has_plugin.load(Ordering::Acquire)
    }

    /// Sets of which workflow versions executions are run here that NocoBase has queued; of none where NocoBase might run
    /// them at the same time.
    pub fn set_queued(&self, workflows: HashSet<i64>) {
        if **self.shared.queued.load() != workflows {
            self.shared.queued.store(Arc::new(workflows));
            self.shared.backlog_grew.notify_one();
        }
    }

    /// Takes no more work. What has been recorded already is left for others where it has not begun. Callers whose
    /// executions wait for a time are kept for almost as long as `grace`.
    pub fn stop(&self, grace: Duration) {
        self.shared.stop(grace);
    }

    /// Takes no more work and waits for what runs, at most `grace`. What is left over then stays leased in
    /// the database and is picked up by the next instance. Returns how many executions that are.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.stop(grace);
        let tasks = &self.shared.tasks;
        tasks.close();
        let _ = tokio::time::timeout(grace, tasks.wait()).await;
        self.shared.stopped.cancel();
        self.shared.running.count()
    }
}
