//! Puts everything together: configuration, database, names, clock, ids, engine, catalog; starts the
//! background tasks, and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sea_orm::DatabaseConnection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Ids, SystemClock};
use crate::config::Config;
use crate::engine::{Engine, Parts, Workflow};
use crate::expr::json;
use crate::http;
use crate::store::catalog::{Catalog, Definition};
use crate::store::connection::{self, Address};
use crate::store::environment::{SecretKey, variables};
use crate::store::recorder::Recorder;
use crate::store::{Store, instance::Registration};
use crate::webhook::admission::Refusal;
use crate::webhook::config::Trigger;

/// How often the workflows and the environment variables are compared with the database.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How long the database may stay away when sidehook starts.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A webhook: its trigger and the workflow that it runs.
pub struct Hook {
    pub trigger: Trigger,
    pub workflow: Arc<Workflow>,
}

/// A running sidehook.
pub struct App {
    pub config: Config,
    pub store: Store,
    pub engine: Arc<Engine>,
    pub hooks: Catalog<Hook>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Hook {
    fn build(definition: &Definition) -> Self {
        let config = definition.workflow.config.as_ref().map_or("{}", |config| &config.0);
        let config = json::parse(config.as_bytes()).unwrap_or_default();
        Self { trigger: Trigger::parse(&config), workflow: Arc::new(Workflow::build(definition)) }
    }
}

impl App {
    /// Connects, takes an instance number and starts the background tasks.
    pub async fn start(config: Config) -> anyhow::Result<Arc<Self>> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(&config).await?;
        migration::own_tables(&store.db, &store.names).await.context("sidehook's own tables")?;
        let registration = store.register_instance(&uuid::Uuid::new_v4().to_string()).await?;
        let ids = Arc::new(ids(&store, &registration, clock.clone()).await?);
        let tasks = TaskTracker::new();
        let now = move || clock.now();
        let (recorder, writing) = Recorder::start(store.clone(), registration.owner, now);
        tasks.spawn(writing);
        let owner = registration.owner;
        let (loop_limit, workers) = (config.loop_limit, config.workers);
        let parts = Parts { store: store.clone(), recorder, ids, owner, loop_limit, workers };
        let engine = Engine::start(parts);
        engine.beat().await?;
        let hooks = Catalog::new(store.clone(), Hook::build);
        let app = Arc::new(Self { config, store, engine, hooks, tasks, stop: CancellationToken::new() });
        app.refresh_environment(&mut Vec::new()).await;
        app.hooks.refresh().await.context("the workflows cannot be read; is this NocoBase's database?")?;
        app.tasks.spawn(app.clone().follow_changes());
        app.tasks.spawn(app.clone().keep_alive());
        tracing::info!(
            instance = owner.number,
            workflows = app.hooks.entries().len(),
            version = env!("CARGO_PKG_VERSION"),
            "sidehook has started"
        );
        Ok(app)
    }

    /// Serves until `stop` is done, then ends what is under way and gives the instance number back.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let until = async {
            tokio::select! { () = stop => {}, () = self.stop.cancelled() => {} }
        };
        http::serve(self.clone(), listener, until, self.config.grace).await.context("serving HTTP")?;
        self.shut_down().await;
        Ok(())
    }

    async fn shut_down(&self) {
        let is_fenced = self.stop.is_cancelled();
        self.stop.cancel();
        let left = self.engine.drain(self.config.grace).await;
        if left > 0 {
            tracing::warn!(executions = left, "executions are left for the next start");
        }
        if !is_fenced && let Err(err) = self.store.release_instance(self.engine.owner).await {
            tracing::warn!(reason = %err, "the instance number could not be given back");
        }
        tracing::info!("sidehook has stopped");
    }

    /// The webhook of a workflow key.
    pub async fn find(&self, key: &str) -> Result<Option<Arc<Hook>>, Refusal> {
        self.hooks.find(key).await.map_err(|err| {
            tracing::warn!(reason = %err, "the workflows cannot be read");
            Refusal::unavailable(http::RETRY_AFTER_SECONDS)
        })
    }

    async fn follow_changes(self: Arc<Self>) {
        let mut environment = Vec::new();
        while self.stop.run_until_cancelled(tokio::time::sleep(REFRESH_INTERVAL)).await.is_some() {
            match self.hooks.refresh().await {
                Ok(0) => {}
                Ok(read) => tracing::debug!(workflows = read, "workflows were read"),
                Err(err) => tracing::warn!(reason = %err, "the workflows cannot be read"),
            }
            self.refresh_environment(&mut environment).await;
        }
    }

    /// Reads the environment variables and secrets again when a row of them has changed.
    async fn refresh_environment(&self, known: &mut Vec<entity::environment_variable::Model>) {
        // Without the plugin there is no such table, and no variable either.
        let rows = self.store.environment_rows().await.unwrap_or_default();
        if rows != *known {
            let key = SecretKey {
                hex: self.config.aes_secret_key.as_ref().map(|key| key.reveal().to_owned()),
                files: self.config.aes_secret_key_files.clone(),
            };
            self.engine.set_environment(variables(&rows, &key));
            *known = rows;
        }
    }

    async fn keep_alive(self: Arc<Self>) {
        if let Err(err) = self.engine.clone().keep_alive().await {
            tracing::error!(reason = %err, "this instance stops");
            self.stop.cancel();
        }
    }
}

/// Opens the database of a configuration; waits for one that is still starting.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let database = &config.database;
    let address = Address {
        url: database.url.reveal().to_owned(),
        schema: database.schema.clone(),
        max_connections: database.pool_max,
    };
    let started = tokio::time::Instant::now();
    let db: DatabaseConnection = loop {
        match connection::open(&address).await {
            Ok(db) => break db,
            Err(err) if started.elapsed() < START_PATIENCE && connection::may_be_starting(&err) => {
                tracing::warn!(reason = %err, "the database does not answer yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(err) => return Err(err).context("the database cannot be opened; check the DB_ settings"),
        }
    };
    Ok(Store::new(db, database.names(), database.time_zone))
}

async fn ids(store: &Store, registration: &Registration, clock: Arc<dyn Clock>) -> anyhow::Result<Ids> {
    let installed_at = store
        .workflow_plugin_created_at()
        .await
        .context("applicationPlugins cannot be read; is this NocoBase's database?")?
        .context("the workflow plugin is not installed in this database; install it in NocoBase first")?;
    let worker = u8::try_from(registration.owner.number).context("instance number")?;
    Ok(Ids::new(clock, worker, installed_at.timestamp_millis(), registration.ids_used_until))
}
