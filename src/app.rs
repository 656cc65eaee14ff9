//! Puts everything together: configuration, database, names, clock, ids, engine, catalog; starts the
//! background tasks, and ends them in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use entity::environment_variable;
use sea_orm::DbErr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Ids, SystemClock};
use crate::collection::Collections;
use crate::collection::storages::Storages;
use crate::config::Config;
use crate::engine::{Engine, Parts, Workflow};
use crate::expr::{Value, json};
use crate::http;
use crate::node::{NocoBase, Services, request};
use crate::script::{Limits, Pool};
use crate::store::catalog::{Catalog, Definition};
use crate::store::connection::{self, Address};
use crate::store::environment::{SecretKey, variables};
use crate::store::recorder::Recorder;
use crate::store::{Store, instance::Registration};
use crate::webhook::admission::Refusal;
use crate::webhook::config::Trigger;
use crate::webhook::path::{self, Claim, Unserved};

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
    pub collections: Arc<Collections>,
    paths: Mutex<Arc<Paths>>,
    tasks: TaskTracker,
    heart: TaskTracker,
    stop: CancellationToken,
}

/// A webhook that was asked for, with the parameters of its path: an object.
pub struct Called {
    pub hook: Arc<Hook>,
    pub params: Value,
}

/// The custom paths of the workflows, as those were at one time.
struct Paths {
    hooks: Arc<HashMap<String, Arc<Hook>>>,
    table: path::Table,
    unserved: Vec<Unserved>,
}

impl Paths {
    fn build(api_base_path: &str, hooks: Arc<HashMap<String, Arc<Hook>>>) -> Self {
        let (table, unserved) =
            path::Table::build(api_base_path, hooks.values().filter_map(|hook| hook.claim()));
        Self { hooks, table, unserved }
    }

    fn find(&self, path: &str) -> Option<Called> {
        let path::Found { key, params } = self.table.find(path)?;
        Some(Called { hook: self.hooks.get(key)?.clone(), params })
    }
}

impl Hook {
    pub fn build(definition: &Definition) -> Self {
        let config = definition.workflow.config.as_ref().map_or("{}", |config| &config.0);
        let config = json::parse(config.as_bytes()).unwrap_or_default();
        Self { trigger: Trigger::parse(&config), workflow: Arc::new(Workflow::build(definition)) }
    }

    /// The path that the workflow is to be served at beside its own URLs.
    pub fn claim(&self) -> Option<Claim<'_>> {
        let path = self.trigger.path.as_ref()?;
        Some(Claim { id: self.workflow.id, key: &self.workflow.key, path })
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
        let sync_timeout = config.sync_timeout;
        let collections = Arc::new(Collections::new(store.clone()));
        let scripts = Arc::new(Pool::new(limits(&config)));
        let services = services(&config, &store, collections.clone(), scripts.clone())?;
        let parts = Parts {
            store: store.clone(),
            recorder,
            ids,
            owner,
            loop_limit,
            workers,
            sync_timeout,
            nocobase_runs_workflows: config.nocobase.runs_workflows,
            services,
        };
        let engine = Engine::start(parts);
        engine.beat().await?;
        let warming = scripts.clone();
        let hooks = Catalog::new(store.clone(), move |definition| {
            let hook = Hook::build(definition);
            hook.workflow.graph.libraries().for_each(|library| warming.warm_up(library));
            hook
        });
        let paths = Mutex::new(Arc::new(Paths::build(&config.api_base_path, Arc::default())));
        let stop = CancellationToken::new();
        let heart = TaskTracker::new();
        let app = Arc::new(Self { config, store, engine, hooks, collections, paths, tasks, heart, stop });
        let mut environment = Vec::new();
        app.refresh_environment(&mut environment).await;
        app.refresh_plugin().await;
        app.hooks.refresh().await.context("the workflows cannot be read; is this NocoBase's database?")?;
        app.collections.refresh().await.context("the collections cannot be read")?;
        app.paths();
        scripts.warmed_up().await;
        app.tasks.spawn(app.clone().follow_changes(environment));
        app.heart.spawn(app.clone().keep_alive());
        tracing::info!(
            instance = owner.number,
            workflows = app.hooks.entries().len(),
            version = env!("CARGO_PKG_VERSION"),
            "sidehook has started"
        );
        Ok(app)
    }

    /// Serves until `stop` is done, then ends what is under way and gives the instance number back. An error
    /// when another instance has taken the number, so that whoever supervises the process starts it again.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let stopped_at = OnceLock::new();
        let until = async {
            tokio::select! { () = stop => {}, () = self.stop.cancelled() => {} }
            // Callers whose executions wait for a time are told at once.
            self.engine.stop();
            stopped_at.get_or_init(Instant::now);
        };
        http::serve(self.clone(), listener, until, self.config.grace).await.context("serving HTTP")?;
        let is_fenced = self.stop.is_cancelled();
        let passed = stopped_at.get().map(Instant::elapsed).unwrap_or_default();
        self.shut_down(is_fenced, self.config.grace.saturating_sub(passed)).await;
        anyhow::ensure!(!is_fenced, "another sidehook has taken this instance's number over");
        Ok(())
    }

    async fn shut_down(&self, is_fenced: bool, grace: Duration) {
        self.stop.cancel();
        let left = self.engine.drain(grace).await;
        if left > 0 {
            tracing::warn!(executions = left, "executions are left for the next start");
        }
        // A heartbeat under way would make the number look taken again.
        self.heart.close();
        self.heart.wait().await;
        let ids_used_until = (left == 0).then(|| self.engine.ids.used_until());
        if !is_fenced && let Err(err) = self.store.release_instance(self.engine.owner, ids_used_until).await {
            tracing::warn!(reason = %err, "the instance number could not be given back");
        }
        tracing::info!("sidehook has stopped");
    }

    /// The webhook of a workflow key; refuses keys that no workflow has.
    pub async fn find(&self, key: &str) -> Result<Called, Refusal> {
        let hook = self.hooks.find(key).await.map_err(|err| unreadable(&err))?;
        let hook = hook.ok_or_else(Refusal::not_found)?;
        Ok(Called { hook, params: Value::Object(Arc::default()) })
    }

    /// The webhook of a custom path, which is still encoded; refuses paths that no workflow has.
    pub async fn find_by_path(&self, path: &str) -> Result<Called, Refusal> {
        let paths = self.paths();
        if let Some(called) = paths.find(path) {
            return Ok(called);
        }
        if !paths.table.is_own(path) {
            self.hooks.refresh_shared().await.map_err(|err| unreadable(&err))?;
        }
        self.paths().find(path).ok_or_else(Refusal::nothing_here)
    }

    /// The table of custom paths, made anew when the workflows have changed. Warns of each path that is not
    /// served when it was not known before.
    fn paths(&self) -> Arc<Paths> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let hooks = self.hooks.entries();
        if !Arc::ptr_eq(&hooks, &paths.hooks) {
            let new = Paths::build(&self.config.api_base_path, hooks);
            for Unserved { key, reason } in new.unserved.iter().filter(|one| !paths.unserved.contains(one)) {
                tracing::warn!(workflow.key = key, %reason, "a webhook is not served at its custom path");
            }
            *paths = Arc::new(new);
        }
        paths.clone()
    }

    /// Follows the workflows and the environment variables, of which `environment` is what is known.
    async fn follow_changes(self: Arc<Self>, mut environment: Vec<environment_variable::Model>) {
        while self.stop.run_until_cancelled(tokio::time::sleep(REFRESH_INTERVAL)).await.is_some() {
            match self.hooks.refresh().await {
                Ok(0) => {}
                Ok(read) => tracing::debug!(workflows = read, "workflows were read"),
                Err(err) => tracing::warn!(reason = %err, "the workflows cannot be read"),
            }
            self.paths();
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

fn limits(config: &Config) -> Limits {
    let default = Limits::default();
    Limits {
        scripts: config.script_concurrency.unwrap_or(default.scripts),
        expression_time: config.expression_timeout,
        script_time: config.script_timeout,
        expects_modules: config.expects_script_modules,
        ..default
    }
}

fn unreadable(err: &DbErr) -> Refusal {
    tracing::warn!(reason = %err, "the workflows cannot be read");
    Refusal::unavailable(http::RETRY_AFTER_SECONDS)
}

/// What is said when the database does not open.
pub const UNOPENED: &str = "the database cannot be opened; check the DB_ settings";

/// Opens the database of a configuration; waits for one that is still starting.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let started = tokio::time::Instant::now();
    loop {
        match connect(config).await {
            Ok(store) => return Ok(store),
            Err(err) if started.elapsed() < START_PATIENCE && connection::may_be_starting(&err) => {
                tracing::warn!(reason = %err, "the database does not answer yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(err) => return Err(err).context(UNOPENED),
        }
    }
}

/// Opens the database of a configuration, now or not at all.
pub async fn connect(config: &Config) -> Result<Store, DbErr> {
    let database = &config.database;
    let address = Address {
        url: database.url.reveal().to_owned(),
        schema: database.schema.clone(),
        max_connections: database.pool_max,
    };
    let db = connection::open(&address).await?;
    Ok(Store::new(db, database.names(), database.time_zone))
}

/// What nodes use besides their execution.
fn services(
    config: &Config,
    store: &Store,
    collections: Arc<Collections>,
    scripts: Arc<Pool>,
) -> anyhow::Result<Services> {
    let settings = &config.requests;
    let extra = settings.extra_certificates.as_deref().map(request::certificates).transpose();
    let extra = extra.unwrap_or_else(|reason| {
        // Node.js goes on without them, too.
        tracing::warn!(reason, "NODE_EXTRA_CA_CERTS cannot be read");
        None
    });
    let client = request::Settings {
        policy: request::Policy {
            whitelist: settings.whitelist.clone(),
            disallow_ip: settings.disallow_ip,
            refuse_private: settings.refuse_private,
        },
        response_limit: settings.response_limit,
    };
    let folders = request::Folders {
        storage: settings.storage.clone(),
        uploads: settings.uploads.clone(),
        others: settings.other_roots.clone(),
    };
    let certificates = extra.unwrap_or_default();
    let nocobase = match &config.nocobase.api {
        Some(api) => {
            // The guard is for addresses that workflows name; this one the operator has named.
            let policy = request::Policy::default();
            let open = request::Settings { policy, response_limit: settings.response_limit };
            let client = request::Client::new(&open, certificates.clone()).context("TLS")?;
            Some(NocoBase::new(client, &api.url, &config.api_base_path, api.key.reveal().to_owned()))
        }
        None => None,
    };
    Ok(Services {
        collections,
        scripts,
        sql_timeout: config.sql_timeout,
        data_api: nocobase.clone().filter(|_| config.nocobase.writes_data),
        nocobase,
        requests: request::Client::new(&client, certificates).context("TLS")?,
        files: request::Files::new(folders, Storages::new(store.clone())),
    })
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
