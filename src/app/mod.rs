//! Puts everything together: configuration, database, names, clock, ids, engine, catalog; starts the
//! background tasks, and ends them in order.

mod assembly;
mod complaints;
mod documents;
mod front;
mod hooks;
mod levels;
mod listening;
mod needs;
mod paths;
mod process;
mod queued;
mod readiness;
mod retention;
mod tidying;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use entity::environment_variable;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

pub use assembly::{UNOPENED, certificates, connect, environment, modules, open_store, secret_key};
pub use documents::Documents;
pub use front::{Front, Put, Unput};
pub use hooks::{Called, Hook, Hooks};
pub use listening::{Deaf, Listening};
pub use needs::Needs;
pub use process::Process;
pub use queued::{Candidate, Circumstances, Left, Queued, UNKEPT, circumstances};
pub use readiness::Unready;
pub use retention::Unkept;

pub use crate::script::ModuleSetting;

use self::complaints::Complaints;
use self::readiness::Readiness;
use crate::clock::{Clock, SystemClock};
use crate::collection::{Collections, Sources};
use crate::config::{Config, MAIN};
use crate::engine::{Background, Engine};
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::outbound::mail::Mailer;
use crate::store::Store;
use crate::store::environment::variables;
use crate::store::fault::{Fault, describe};
use crate::store::instance::Registration;
use crate::store::recorder::Recorder;
use crate::store::request_log::RequestLog;
use crate::supervision::Failure;

/// How often the workflows and the environment variables are compared with the database.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// What complaints call what `SIDEHOOK_WORKFLOWS` is about.
const NOCOBASES: &str = "workflows of NocoBase";

/// The environment variables as they are known, and what has been said of the database.
type Known = (Vec<environment_variable::Model>, Complaints);

/// An application that is served: its database, what is known of it, what goes on in it.
pub struct App {
    pub config: Config,
    pub store: Store,
    pub engine: Arc<Engine>,
    pub hooks: Hooks,
    pub collections: Arc<Collections>,
    /// The other data sources.
    pub sources: Arc<Sources>,
    /// Files that decide who is let in.
    pub documents: Documents,
    /// The log of requests that have no execution.
    pub requests: RequestLog,
    /// Webhooks whose requests somebody waits for.
    pub listening: Listening,
    /// What is run here of what NocoBase has queued.
    pub queued: Queued,
    /// The queue in front of the database, where there is one.
    pub front: Option<Arc<Front>>,
    pub metrics: Arc<Metrics>,
    /// What it shares with other applications.
    pub process: Process,
    mail: Mailer,
    /// What the log says of it beside each line.
    pub span: Span,
    readiness: Readiness,
    tasks: TaskTracker,
    failure: Failure,
    /// This instance ends.
    stop: CancellationToken,
    /// Nothing is written any more.
    written: CancellationToken,
}

impl App {
    /// Serves the database of a configuration as the only application of this process. `control` is a runtime that
    /// nothing in a request can hold up.
    pub async fn start(config: Config, control: &Handle) -> anyhow::Result<Arc<Self>> {
        let process = Process::new(&config, control)?;
        let store = assembly::open_store(&config).await?;
        Self::start_on(config, store, process).await
    }

    /// Takes an instance number in a database and starts the background tasks. Leaves nothing behind where it fails.
    pub async fn start_on(config: Config, store: Store, process: Process) -> anyhow::Result<Arc<Self>> {
        let installed_at = assembly::installed_at(&store).await?;
        migration::own_tables(store.db.as_sea_orm(), &store.names).await.context("sidehook's own tables")?;
        let registration = store.register_instance(&uuid::Uuid::new_v4().to_string()).await?;
        let owner = registration.owner;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let begun = async {
            let ids = Arc::new(assembly::ids(installed_at, &registration, clock.clone())?);
            let front = Front::open(&config, &process.certificates).await?;
            let start = (&registration, ids, clock);
            let app = Self::assemble(config, store.clone(), start, (process, front))?;
            match app.begin().await {
                Ok(()) => Ok(app),
                Err(err) => {
                    app.end_tasks(Duration::ZERO).await;
                    Err(err)
                }
            }
        };
        let app = match begun.await {
            Ok(app) => app,
            Err(err) => {
                // It has given out no ids. The number is free soon anyway.
                let _ = store.release_instance(owner, None).await;
                return Err(err);
            }
        };
        tracing::info!(
            instance = owner.number,
            workflows = app.hooks.entries().len(),
            version = env!("CARGO_PKG_VERSION"),
            "sidehook has started"
        );
        Ok(app)
    }

    /// Puts everything together. What writes runs from now on, until `written` is cancelled.
    fn assemble(
        config: Config,
        store: Store,
        (registration, ids, clock): (&Registration, Arc<Ids>, Arc<dyn Clock>),
        (process, front): (Process, Option<Front>),
    ) -> anyhow::Result<Arc<Self>> {
        let written = CancellationToken::new();
        let (tasks, failure, span) = (TaskTracker::new(), Failure::default(), assembly::span(&config));
        let metrics = Arc::new(Metrics::new(config.metrics.names_workflows, named(&config)));
        let now = move || clock.now();
        let (recorder, writing) = Recorder::start(store.clone(), registration.owner, now, metrics.clone());
        let writing = written.clone().run_until_cancelled_owned(writing).map(drop).instrument(span.clone());
        tasks.spawn(failure.clone().watch("recorder", written.clone(), writing));
        let (requests, logging) = RequestLog::start(store.clone(), written.clone());
        let logging = logging.instrument(span.clone());
        tasks.spawn(failure.clone().watch("request log", written.clone(), logging));
        let (data, scripts) = (assembly::data(&config, &store), process.scripts.clone());
        let trusted = process.certificates.clone();
        let services = assembly::services(&config, &store, data.clone(), scripts.clone(), trusted)?;
        let documents = Documents::new(services.requests.clone(), tasks.clone());
        let (mail, settings) = (services.mail.clone(), assembly::settings(&config, process.fetched.clone()));
        let (owner, told) = (registration.owner, (metrics.clone(), process.tracer.clone()));
        let engine = Arc::new(Engine::new(store.clone(), recorder, ids, owner, services, settings, told));
        let hooks = Hooks::new(store.clone(), config.http.api_base_path.clone(), move |hook| {
            hook.workflow.graph.libraries().for_each(|library| scripts.warm_up(library));
        });
        Ok(Arc::new(Self {
            queued: Queued::new(&config, &store, engine.clone()),
            front: front.map(Arc::new),
            metrics,
            process,
            mail,
            span,
            config,
            store,
            engine,
            hooks,
            collections: data.0,
            sources: data.1,
            documents,
            requests,
            listening: Listening::default(),
            readiness: Readiness::default(),
            tasks,
            failure,
            stop: CancellationToken::new(),
            written,
        }))
    }

    /// Gives signs of life from now on, reads all that is followed later, however long that takes, and starts the other
    /// background tasks.
    async fn begin(self: &Arc<Self>) -> anyhow::Result<()> {
        let unfinished = self.written.clone().drop_guard();
        self.engine.beat().await?;
        let heart = self.failure.clone().watch("heartbeat", self.stop.clone(), self.clone().keep_alive());
        self.tasks.spawn_on(heart.instrument(self.span.clone()), &self.process.control);
        let known = tokio::select! {
            known = self.look_first() => known?,
            () = self.failed() => anyhow::bail!("{}", self.failure.reason().unwrap_or_default()),
        };
        self.start_tasks(known);
        unfinished.disarm();
        Ok(())
    }

    /// Starts the background tasks that work.
    fn start_tasks(self: &Arc<Self>, known: Known) {
        self.spawn("followers", self.clone().follow_changes(known));
        let tidying =
            tidying::tidy(self.store.clone(), self.requests.clone(), self.config.request_log.clone());
        self.spawn("tidying of the request log", tidying);
        self.spawn("mail connections", self.mail.clone().tend());
        if let Some(front) = &self.front {
            self.spawn("watch of the queue", front.clone().watch());
            self.spawn("reader of the queue", front::read(self.clone(), front.clone()));
        }
        self.doubt();
        self.spawn("readiness", self.clone().look_into_doubts());
        for Background { name, until, task } in self.engine.background() {
            let task = self.failure.clone().watch(name, until, task);
            self.tasks.spawn(task.instrument(self.span.clone()));
        }
    }

    /// Reads all that is followed later, and returns the environment variables with what has been said of it.
    async fn look_first(&self) -> anyhow::Result<Known> {
        let (mut environment, mut complaints) = Known::default();
        self.refresh_environment(&mut environment, &mut complaints).await;
        self.refresh_plugin(&mut complaints).await;
        self.queued.forget_announced().await.context("sidehook's settings cannot be written")?;
        complaints.hear(NOCOBASES, self.queued.refresh().await);
        self.hooks.refresh().await.context("the workflows cannot be read; is this NocoBase's database?")?;
        match self.collections.refresh().await {
            // Workflows without data nodes do without them.
            Err(err) if Fault::of(&err) == Fault::MissingRight => {
                complaints.hear("collections", Err::<bool, _>(err));
            }
            read => drop(read.context("the collections cannot be read")?),
        }
        Ok((environment, complaints))
    }

    /// Runs a task until this instance ends; that it ends or panics before is a failure.
    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let task = async move {
            stop.run_until_cancelled(task).await;
        };
        let task = self.failure.clone().watch(name, self.stop.clone(), task);
        self.tasks.spawn(task.instrument(self.span.clone()));
    }

    /// Done when this instance has to end by itself.
    pub async fn failed(&self) {
        self.failure.happened().await;
    }

    /// Why no events should be sent here at the moment.
    pub fn readiness(&self) -> Result<(), Unready> {
        let queue = self.front.as_ref().map(|front| front.answers());
        self.readiness.check(self.failure.reason().is_some(), self.engine.silent_for(), queue)
    }

    /// An event could not be recorded: whether others can is looked into.
    pub fn doubt(&self) {
        self.readiness.doubt();
    }

    /// Has new events sent elsewhere; those that still come are taken.
    pub fn leave(&self) {
        self.readiness.leave();
    }

    /// Takes no more work. Callers whose executions wait for a time are kept for the grace.
    pub fn stop(&self) {
        self.engine.stop(self.config.http.grace);
    }

    /// Lets what runs end within `grace`, ends the background tasks and gives the instance number back. An error
    /// when something had failed, so that whoever supervises the process starts it again.
    pub async fn shut_down(&self, grace: Duration) -> anyhow::Result<()> {
        let left = self.end_tasks(grace).await;
        if left > 0 {
            tracing::warn!(executions = left, "executions are left for the next start");
        }
        let ids_used_until = (left == 0).then(|| self.engine.ids().used_until());
        if let Err(err) = self.queued.withdraw().await {
            tracing::warn!(reason = describe(&err), "NocoBase is not told that its queue is its own again");
        }
        // Where another instance has taken the number over, this finds nothing to give back.
        if let Err(err) = self.store.release_instance(self.engine.owner(), ids_used_until).await {
            tracing::warn!(reason = describe(&err), "the instance number could not be given back");
        }
        if self.config.app != MAIN {
            // NocoBase may be about to drop this database.
            let _ = self.store.db.close().await;
        }
        tracing::info!("sidehook has stopped");
        self.failure.reason().map_or(Ok(()), |reason| Err(anyhow::anyhow!("{reason}")))
    }

    /// Lets what runs end within `grace`, and ends the background tasks. Returns how many executions are left.
    async fn end_tasks(&self, grace: Duration) -> usize {
        self.stop.cancel();
        if let Some(front) = &self.front {
            front.resign().await;
        }
        let left = self.engine.drain(grace).await;
        self.written.cancel();
        self.tasks.close();
        // A heartbeat under way would make the number look taken again.
        self.tasks.wait().await;
        left
    }

    /// Tries whether events can be recorded, once there is a doubt and until they can.
    async fn look_into_doubts(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            if !self.readiness.is_to_be_tried() {
                continue;
            }
            let tried = self.try_recording().await;
            match (self.readiness.tried(tried.is_ok()), tried) {
                (true, Ok(())) => tracing::info!("events can be recorded again"),
                (true, Err(reason)) => tracing::error!(reason, "no event can be recorded"),
                (false, _) => {}
            }
        }
    }

    /// Whether the database gives no sign of taking events.
    fn is_database_away(&self) -> bool {
        self.engine.silent_for() > readiness::MAX_SILENCE
    }

    /// Why no event can be recorded.
    async fn try_recording(&self) -> Result<(), String> {
        let permission = self.store.permission().await.map_err(|err| describe(&err))?;
        if permission.is_read_only {
            return Err("the database is read-only".to_owned());
        }
        if let Some(missing) = permission.missing.iter().find(|missing| !missing.is_optional()) {
            let user = self.store.user().await.map_err(|err| describe(&err))?;
            return Err(format!("the database user lacks a right: {}", missing.grant(&user)));
        }
        let id = self.engine.ids().execution_id().map_err(|err| err.to_string())?;
        self.store.try_recording(id, self.engine.ids().now()).await.map_err(|err| describe(&err))
    }

    /// Follows the workflows, the collections and the environment variables.
    async fn follow_changes(self: Arc<Self>, (mut environment, mut complaints): Known) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            match complaints.hear("workflows", self.hooks.refresh().await) {
                None | Some(0) => {}
                Some(read) => tracing::debug!(workflows = read, "workflows were read"),
            }
            if complaints.hear("collections", self.collections.refresh().await) == Some(true) {
                tracing::debug!("the collections were read");
            }
            self.refresh_environment(&mut environment, &mut complaints).await;
            complaints.hear("data sources", self.sources.follow().await);
            self.refresh_plugin(&mut complaints).await;
            complaints.hear(NOCOBASES, self.queued.refresh().await);
            complaints.hear("webhooks that are waited for", self.listening.refresh(&self.store).await);
        }
    }

    /// Finds out whether sidehook's plugin is enabled in NocoBase.
    async fn refresh_plugin(&self, complaints: &mut Complaints) {
        let read = self.store.is_own_plugin_enabled().await;
        if let Some(is_enabled) = complaints.hear("plugins of NocoBase", read) {
            self.engine.set_plugin(is_enabled);
        }
    }

    /// Reads the environment variables and secrets again when a row of them has changed.
    async fn refresh_environment(
        &self,
        known: &mut Vec<environment_variable::Model>,
        complaints: &mut Complaints,
    ) {
        let rows = complaints.hear("environment variables", self.store.environment_rows().await);
        let Some(rows) = rows.filter(|rows| rows != known) else { return };
        self.engine.set_environment(variables(&rows, &secret_key(&self.config)));
        self.collections.set_environment(self.engine.environment());
        self.sources.set_environment(self.engine.environment());
        *known = rows;
    }

    async fn keep_alive(self: Arc<Self>) {
        let (config, store) = (self.config.clone(), self.store.clone());
        let open = move || {
            let (config, store) = (config.clone(), store.clone());
            Box::pin(async move { assembly::connect_alone(&config, &store).await }) as BoxFuture<_>
        };
        if let Err(err) = self.engine.keep_alive(Box::new(open)).await {
            self.failure.report(err.to_string());
        }
    }
}

/// The name that the metrics of an application have, where there may be several.
fn named(config: &Config) -> Option<&str> {
    config.apps.served.is_some().then_some(&*config.app)
}
