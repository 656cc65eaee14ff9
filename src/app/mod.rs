//! Puts everything together: configuration, database, names, clock, ids, engine, catalog; starts the
//! background tasks, and ends them in order.

mod assembly;
mod hooks;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use entity::environment_variable;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use assembly::{UNOPENED, connect, open_store};
pub use hooks::{Called, Hook, Hooks};

use crate::clock::{Clock, SystemClock};
use crate::collection::Collections;
use crate::config::Config;
use crate::engine::{Background, Engine, Settings};
use crate::script::Pool;
use crate::store::Store;
use crate::store::environment::{SecretKey, variables};
use crate::store::recorder::Recorder;

/// How often the workflows and the environment variables are compared with the database.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// A running sidehook.
pub struct App {
    pub config: Config,
    pub store: Store,
    pub engine: Arc<Engine>,
    pub hooks: Hooks,
    pub collections: Arc<Collections>,
    tasks: TaskTracker,
    /// This instance ends: somebody has told it to, or another one has taken its number over.
    stop: CancellationToken,
    /// Nothing is written any more.
    written: CancellationToken,
}

/// Why an app has ended that nobody has told to.
#[derive(Debug, thiserror::Error)]
#[error("another sidehook has taken this instance's number over")]
pub struct Fenced;

impl App {
    /// Connects, takes an instance number and starts the background tasks.
    pub async fn start(config: Config) -> anyhow::Result<Arc<Self>> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = assembly::open_store(&config).await?;
        migration::own_tables(&store.db, &store.names).await.context("sidehook's own tables")?;
        let registration = store.register_instance(&uuid::Uuid::new_v4().to_string()).await?;
        let ids = Arc::new(assembly::ids(&store, &registration, clock.clone()).await?);
        let (tasks, written) = (TaskTracker::new(), CancellationToken::new());
        let now = move || clock.now();
        let (recorder, writing) = Recorder::start(store.clone(), registration.owner, now);
        tasks.spawn(written.clone().run_until_cancelled_owned(writing));
        let collections = Arc::new(Collections::new(store.clone(), &config.nocobase.public_path));
        let scripts = Arc::new(Pool::new(assembly::limits(&config)));
        let services = assembly::services(&config, &store, collections.clone(), scripts.clone())?;
        let settings = Settings {
            loop_limit: config.engine.loop_limit,
            number_loop_limit: config.engine.number_loop_limit,
            workers: config.engine.workers,
            sync_timeout: config.engine.sync_timeout,
            abandon_after: config.engine.abandon_after,
            nocobase_runs_workflows: config.nocobase.runs_workflows,
        };
        let owner = registration.owner;
        let engine = Arc::new(Engine::new(store.clone(), recorder, ids, owner, services, settings));
        engine.beat().await?;
        let warming = scripts.clone();
        let hooks = Hooks::new(store.clone(), config.http.api_base_path.clone(), move |hook| {
            hook.workflow.graph.libraries().for_each(|library| warming.warm_up(library));
        });
        let stop = CancellationToken::new();
        let app = Arc::new(Self { config, store, engine, hooks, collections, tasks, stop, written });
        let mut environment = Vec::new();
        app.refresh_environment(&mut environment).await;
        app.refresh_plugin().await;
        app.hooks.refresh().await.context("the workflows cannot be read; is this NocoBase's database?")?;
        app.collections.refresh().await.context("the collections cannot be read")?;
        scripts.warmed_up().await;
        app.tasks.spawn(app.stop.clone().run_until_cancelled_owned(app.clone().follow_changes(environment)));
        app.tasks.spawn(app.clone().keep_alive());
        for background in app.engine.background() {
            app.tasks.spawn(app.clone().supervise(background));
        }
        tracing::info!(
            instance = owner.number,
            workflows = app.hooks.entries().len(),
            version = env!("CARGO_PKG_VERSION"),
            "sidehook has started"
        );
        Ok(app)
    }

    /// Done when this instance has to end by itself.
    pub async fn failed(&self) {
        self.stop.cancelled().await;
    }

    /// Takes no more work. Callers whose executions wait for a time are kept for the grace.
    pub fn stop(&self) {
        self.engine.stop(self.config.http.grace);
    }

    /// Lets what runs end within `grace`, ends the background tasks and gives the instance number back. An error
    /// when another instance has taken the number, so that whoever supervises the process starts it again.
    pub async fn shut_down(&self, grace: Duration) -> Result<(), Fenced> {
        let is_fenced = self.stop.is_cancelled();
        self.stop.cancel();
        let left = self.engine.drain(grace).await;
        if left > 0 {
            tracing::warn!(executions = left, "executions are left for the next start");
        }
        // A heartbeat under way would make the number look taken again.
        self.written.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let ids_used_until = (left == 0).then(|| self.engine.ids().used_until());
        if !is_fenced && let Err(err) = self.store.release_instance(self.engine.owner(), ids_used_until).await
        {
            tracing::warn!(reason = %err, "the instance number could not be given back");
        }
        tracing::info!("sidehook has stopped");
        if is_fenced { Err(Fenced) } else { Ok(()) }
    }

    /// Follows the workflows and the environment variables, of which `environment` is what is known.
    async fn follow_changes(self: Arc<Self>, mut environment: Vec<environment_variable::Model>) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            match self.hooks.refresh().await {
                Ok(0) => {}
                Ok(read) => tracing::debug!(workflows = read, "workflows were read"),
                Err(err) => tracing::warn!(reason = %err, "the workflows cannot be read"),
            }
            match self.collections.refresh().await {
                Ok(false) => {}
                Ok(true) => tracing::debug!("the collections were read"),
                Err(err) => tracing::warn!(reason = %err, "the collections cannot be read"),
            }
            self.refresh_environment(&mut environment).await;
            self.refresh_plugin().await;
        }
    }

    /// Finds out whether sidehook's plugin is enabled in NocoBase.
    async fn refresh_plugin(&self) {
        match self.store.is_own_plugin_enabled().await {
            Ok(is_enabled) => self.engine.set_plugin(is_enabled),
            Err(err) => tracing::warn!(reason = %err, "NocoBase's plugins cannot be read"),
        }
    }

    /// Reads the environment variables and secrets again when a row of them has changed.
    async fn refresh_environment(&self, known: &mut Vec<environment_variable::Model>) {
        let rows = match self.store.environment_rows().await {
            Ok(rows) => rows,
            Err(err) => return tracing::warn!(reason = %err, "the environment variables cannot be read"),
        };
        if rows != *known {
            let key = SecretKey {
                hex: self.config.secret_key.hex.as_ref().map(|key| key.reveal().to_owned()),
                files: self.config.secret_key.files.clone(),
            };
            self.engine.set_environment(variables(&rows, &key));
            self.collections.set_environment(self.engine.environment());
            *known = rows;
        }
    }

    async fn keep_alive(self: Arc<Self>) {
        let config = self.config.clone();
        let open = move || {
            let config = config.clone();
            Box::pin(async move { assembly::connect_alone(&config).await }) as BoxFuture<_>
        };
        if let Err(err) = self.engine.keep_alive(Box::new(open)).await {
            tracing::error!(reason = %err, "this instance stops");
            self.stop.cancel();
        }
    }

    /// Does what the engine does by itself. Where that ends too early, so does this instance.
    async fn supervise(self: Arc<Self>, background: Background) {
        let Background { name, until, task } = background;
        let ended = AssertUnwindSafe(task).catch_unwind().await;
        if !until.is_cancelled() {
            tracing::error!(
                task = name,
                has_panicked = ended.is_err(),
                "this instance stops: a task has ended"
            );
            self.stop.cancel();
        }
    }
}
