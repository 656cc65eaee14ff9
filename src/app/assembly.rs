//! What an app is made of: the database, what nodes use, ids; each from its settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use sea_orm::{DbErr, RuntimeErr};
use tokio::runtime::Handle;
use tracing::Span;

use crate::clock::Clock;
use crate::collection::{Collections, Sources};
use crate::config::{self, Config, MAIN};
use crate::engine::{Fetched, Settings};
use crate::expr::{Object, Value};
use crate::ids::Ids;
use crate::node::{self, Services};
use crate::outbound::mail::{self, Mailer};
use crate::outbound::{self, Client, NocoBase};
use crate::script::{Limits, ModuleSetting, Pool};
use crate::store::Store;
use crate::store::connection::{self, OpenError};
use crate::store::environment::{SecretKey, variables};
use crate::store::instance::Registration;
use crate::store::notification::Notifications;
use crate::trace::Tracer;

/// How long the database may stay away when sidehook starts.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What is said when the database does not open.
pub const UNOPENED: &str = "the database cannot be opened; check the DB_ settings";

/// Opens the database of a configuration; waits for one that is still starting.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let started = tokio::time::Instant::now();
    let mut told = String::new();
    loop {
        match connect(config).await {
            Ok(store) => return Ok(store),
            Err(err) if started.elapsed() < START_TIMEOUT && err.is_passing() => {
                let reason = err.to_string();
                // Once for each reason: a minute of the same line would hide the others.
                if reason != told {
                    tracing::warn!(reason, "the database does not answer yet");
                    told = reason;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(err) => return Err(err).context(UNOPENED),
        }
    }
}

/// Opens the database of a configuration, now or not at all.
pub async fn connect(config: &Config) -> Result<Store, OpenError> {
    connect_up_to(config, config.database.pool_max).await
}

/// Opens the database of a store once more, for one purpose only: with a single connection.
pub(super) async fn connect_alone(config: &Config, store: &Store) -> Result<Store, DbErr> {
    let opened = connect_up_to(config, 1).await;
    opened
        .map(|alone| alone.in_turn_with(store))
        .map_err(|err| DbErr::Conn(RuntimeErr::Internal(err.to_string())))
}

async fn connect_up_to(config: &Config, max_connections: u32) -> Result<Store, OpenError> {
    let database = &config.database;
    let pool = connection::open(&database.address, max_connections).await?;
    Ok(Store::new(pool, database.names(), database.time_zone))
}

/// The key of NocoBase's secrets.
pub fn secret_key(config: &Config) -> SecretKey {
    let hex = config.secret_key.hex.as_ref().map(|key| key.reveal().to_owned());
    SecretKey { hex, files: config.secret_key.files.clone() }
}

/// `$env`: the variables and secrets that NocoBase keeps.
pub async fn environment(store: &Store, config: &Config) -> Result<Object, DbErr> {
    let known = variables(&store.environment_rows().await?, &secret_key(config)).into_iter();
    Ok(known.map(|(name, text)| (name, Value::from(text))).collect())
}

/// The certificates to trust beside the well-known ones.
pub fn certificates(config: &Config) -> Vec<CertificateDer<'static>> {
    let extra = config.requests.extra_certificates.as_deref().map(outbound::certificates).transpose();
    let extra = extra.unwrap_or_else(|reason| {
        // Node.js goes on without them, too.
        tracing::warn!(reason, "NODE_EXTRA_CA_CERTS cannot be read");
        None
    });
    extra.unwrap_or_default()
}

/// The collections of the main data source, and the other ones.
pub(super) fn data(config: &Config, store: &Store) -> (Arc<Collections>, Arc<Sources>) {
    let collections = Collections::new(store.clone(), &config.nocobase.public_path).of_app(&config.app);
    let sources = Sources::new(store.clone(), config.database.source_pool_max);
    (Arc::new(collections), Arc::new(sources))
}

/// What nodes use besides their execution.
pub(super) fn services(
    config: &Config,
    store: &Store,
    (collections, sources): (Arc<Collections>, Arc<Sources>),
    scripts: Arc<Pool>,
    certificates: Vec<CertificateDer<'static>>,
) -> anyhow::Result<Services> {
    let settings = &config.requests;
    let client = outbound::Settings {
        policy: outbound::Policy {
            whitelist: settings.whitelist.clone(),
            disallow_ip: settings.disallow_ip,
            refuse_private: settings.refuse_private,
        },
        proxies: proxies(&settings.proxies),
        response_limit: settings.response_limit,
        time_limit: settings.time_limit,
    };
    let folders = node::Folders {
        storage: settings.storage.clone(),
        uploads: settings.uploads.clone(),
        others: settings.other_roots.clone(),
    };
    let nocobase = match &config.nocobase.api {
        Some(api) => {
            let open = outbound::Settings::open(settings.response_limit, settings.time_limit);
            let client = Client::new(&open, certificates.clone()).context("TLS")?;
            Some(NocoBase::new(client, &api.url, &api_path(config), api.key.reveal().to_owned()))
        }
        None => None,
    };
    let mail = mail::Settings {
        servers: mail::Servers(config.mail.servers.clone()),
        time_limit: config.mail.time_limit,
        size_limit: config.mail.size_limit,
    };
    let requests = Client::new(&client, certificates.clone()).context("TLS")?;
    let file_limit = u64::try_from(settings.file_limit).unwrap_or(u64::MAX);
    let files = node::Files::new(folders, collections.clone(), requests.clone(), file_limit);
    Ok(Services {
        collections,
        sources,
        scripts,
        sql_timeout: config.engine.sql_timeout,
        data_api: nocobase.clone().filter(|_| config.nocobase.writes_data),
        nocobase,
        mail: Mailer::new(mail, certificates).context("TLS")?,
        requests,
        notifications: Notifications::new(store.clone()),
        files,
    })
}

/// Where the application has its API at NocoBase's URL.
fn api_path(config: &Config) -> String {
    let base = &config.http.api_base_path;
    if config.app == MAIN { base.clone() } else { format!("{base}__app/{}/", config.app) }
}

/// The proxies of request nodes.
fn proxies(settings: &config::Proxies) -> outbound::Proxies {
    let proxy = |proxy: &config::Proxy| {
        let login = proxy.login.as_ref().map(|login| login.reveal());
        outbound::Proxy::new(&proxy.host, proxy.port, login)
    };
    outbound::Proxies {
        http: settings.http.as_ref().map(proxy),
        https: settings.https.as_ref().map(proxy),
        exempt: outbound::Exempt::parse(&settings.exempt),
    }
}

/// What tells a collector of OpenTelemetry, on the runtime `control`.
pub(super) fn tracer(
    config: &Config,
    certificates: &[CertificateDer<'static>],
    control: &Handle,
) -> anyhow::Result<Tracer> {
    if config.traces.endpoint.is_none() {
        return Ok(Tracer::default());
    }
    let settings = outbound::Settings::open(1 << 20, config.requests.time_limit);
    let client = Client::new(&settings, certificates.to_vec()).context("TLS")?;
    Tracer::start(&config.traces, client, control).map_err(anyhow::Error::msg).context("traces")
}

/// What the log says of a sub-application beside each of its lines.
pub(super) fn span(config: &Config) -> Span {
    if config.app == MAIN { Span::none() } else { tracing::info_span!("app", app = config.app) }
}

/// How the engine works.
pub(super) fn settings(config: &Config, fetched: Arc<Fetched>) -> Settings {
    Settings {
        loop_limit: config.engine.loop_limit,
        number_loop_limit: config.engine.number_loop_limit,
        workers: config.engine.workers,
        fetched,
        sync_timeout: config.engine.sync_timeout,
        abandon_after: config.engine.abandon_after,
        nocobase_runs_workflows: config.nocobase.runs_workflows,
        span: span(config),
    }
}

/// When NocoBase's workflow plugin was installed, where all tables are there that sidehook needs. It is asked before
/// anything is made in the database: it may be another one, or one that NocoBase is still setting up.
pub(super) async fn installed_at(store: &Store) -> anyhow::Result<DateTime<Utc>> {
    let installed = store.workflow_plugin_created_at().await;
    installed
        .context("applicationPlugins cannot be read; is this NocoBase's database?")?
        .context("the workflow plugin is not installed in this database; install it in NocoBase first")
}

pub(super) fn ids(
    installed_at: DateTime<Utc>,
    registration: &Registration,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Ids> {
    let worker = u8::try_from(registration.owner.number).context("instance number")?;
    Ok(Ids::new(clock, worker, installed_at.timestamp_millis(), registration.ids_used_until))
}

/// The modules that scripts may load.
pub fn modules(config: &Config) -> ModuleSetting {
    ModuleSetting {
        names: config.javascript.modules.clone(),
        folders: config.javascript.node_modules.clone(),
    }
}

pub(super) fn limits(config: &Config) -> Limits {
    let default = Limits::default();
    Limits {
        scripts: config.javascript.script_concurrency.unwrap_or(default.scripts),
        expression_time: config.javascript.expression_timeout,
        script_time: config.javascript.script_timeout,
        modules: modules(config),
        ..default
    }
}
