//! The external data sources of a deployment, kept equal to NocoBase's rows: each is opened when a node first asks for
//! it, and closed when nobody has for a while or when its rows change. One that cannot be reached is an error of those
//! who ask for it, and of nobody else.

mod address;
mod columns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use entity::Names;
use sea_orm::{DbBackend, DbErr};
use tokio::sync::{Mutex, MutexGuard};

pub use address::backend;

use self::address::{address, text, time_offset};
use self::columns::{Description, metadata};
use super::catalog::Collections;
use super::definition::parse_options;
use crate::expr::{Object, Scope, Template, Value, json};
use crate::store::Store;
use crate::store::connection;
use crate::store::fault::{Fault, describe};
use crate::store::source::SourceRow;

/// A source that nobody has asked for in so long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// So long after a failure nobody tries again: all who ask meanwhile are told the same.
const RETRY: Duration = Duration::from_secs(2);

/// Why a data source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("there is no data source \"{0}\"")]
    Unknown(String),
    #[error("the data source \"{0}\" is disabled: enable it in NocoBase's data source manager")]
    Disabled(String),
    #[error(
        "the data source \"{name}\" is of the type \"{type_name}\", which only NocoBase reaches: sidehook knows postgres, \
         mysql, mariadb and sqlite"
    )]
    OtherType { name: String, type_name: String },
    /// It is away, or its options are wrong.
    #[error("the data source \"{name}\" cannot be reached: {reason}")]
    Unreachable { name: String, reason: String },
    /// Which there are could not be read.
    #[error(transparent)]
    Failed(#[from] DbErr),
}

/// The data sources besides the main one.
pub struct Sources {
    main: Store,
    /// How many connections each may have.
    max_connections: u32,
    /// What `{{$env}}` in their options stands for.
    environment: ArcSwap<Object>,
    known: ArcSwap<HashMap<String, Arc<Slot>>>,
    refreshing: Mutex<()>,
}

/// A row, and what was made of it.
struct Slot {
    row: SourceRow,
    /// With the variables filled in.
    options: Value,
    state: Mutex<State>,
}

enum State {
    Closed,
    Open(Open),
    Failed { reason: String, at: Instant },
}

struct Open {
    collections: Arc<Collections>,
    /// Of what NocoBase kept of its collections and fields when it was opened.
    digest: String,
    used_at: Instant,
}

impl Sources {
    pub fn new(main: Store, max_connections: u32) -> Self {
        Self {
            main,
            max_connections,
            environment: ArcSwap::default(),
            known: ArcSwap::default(),
            refreshing: Mutex::default(),
        }
    }

    /// Sets what `{{$env}}` in options stands for, from the next refresh on.
    pub fn set_environment(&self, environment: Arc<Object>) {
        self.environment.store(environment);
    }

    /// Follows the rows: what has changed is opened anew when it is next asked for, and what nobody asks for is closed.
    pub async fn refresh(&self) -> Result<(), DbErr> {
        let _refreshing = self.refreshing.lock().await;
        let rows = self.main.data_sources().await?;
        let known = self.known.load_full();
        let has_open = known.values().any(|slot| slot.state.try_lock().is_ok_and(|state| state.is_open()));
        let digest = if has_open { Some(self.main.data_sources_digest().await?) } else { None };
        let mut slots = HashMap::new();
        for row in rows {
            let options = self.rendered(&row);
            let slot = known
                .get(&row.key)
                .filter(|slot| slot.is_of(&row, &options) && !slot.is_over(digest.as_deref()));
            let slot = slot.cloned().unwrap_or_else(|| Arc::new(Slot::new(row.clone(), options)));
            slots.insert(row.key, slot);
        }
        self.known.store(Arc::new(slots));
        Ok(())
    }

    /// The same, for those who have nobody to tell: where the rows may not be read, there are no sources, until a node asks
    /// for one and says so.
    pub async fn follow(&self) -> Result<(), DbErr> {
        match self.refresh().await {
            Err(err) if Fault::of(&err) == Fault::MissingRight => Ok(()),
            outcome => outcome,
        }
    }

    /// The collections of a source, which is opened for that. A name that is not known yet is looked up at once.
    pub async fn find(&self, name: &str) -> Result<Arc<Collections>, SourceError> {
        let mut slot = self.known.load().get(name).cloned();
        if slot.is_none() {
            self.refresh().await?;
            slot = self.known.load().get(name).cloned();
        }
        let slot = slot.ok_or_else(|| SourceError::Unknown(name.to_owned()))?;
        if !slot.row.is_enabled {
            return Err(SourceError::Disabled(name.to_owned()));
        }
        let Some(backend) = backend(&slot.row.type_name) else {
            let type_name = slot.row.type_name.clone();
            return Err(SourceError::OtherType { name: name.to_owned(), type_name });
        };
        let unreachable = |reason| SourceError::Unreachable { name: name.to_owned(), reason };
        let mut state: MutexGuard<'_, State> = slot.state.lock().await;
        match &mut *state {
            State::Open(open) => {
                open.used_at = Instant::now();
                return Ok(open.collections.clone());
            }
            State::Failed { reason, at } if at.elapsed() < RETRY => return Err(unreachable(reason.clone())),
            State::Closed | State::Failed { .. } => {}
        }
        match self.open(&slot, backend).await {
            Ok(open) => {
                let collections = open.collections.clone();
                *state = State::Open(open);
                tracing::debug!(source = name, "a data source was opened");
                Ok(collections)
            }
            Err(reason) => {
                *state = State::Failed { reason: reason.clone(), at: Instant::now() };
                tracing::warn!(source = name, reason, "a data source cannot be reached");
                Err(unreachable(reason))
            }
        }
    }

    /// Notes that a source has stopped answering, so that it is opened anew. Returns what is to be said of it; `None`
    /// where it does answer.
    pub async fn doubt(&self, name: &str, collections: &Collections) -> Option<SourceError> {
        let reason = describe(&collections.ping().await.err()?);
        if let Some(slot) = self.known.load().get(name).cloned()
            && let Ok(mut state) = slot.state.try_lock()
        {
            *state = State::Failed { reason: reason.clone(), at: Instant::now() };
        }
        Some(SourceError::Unreachable { name: name.to_owned(), reason })
    }

    /// Connects, and reads what there is. The error holds no secret.
    async fn open(&self, slot: &Slot, backend: DbBackend) -> Result<Open, String> {
        let address = address(backend, &slot.options)?;
        let opened = connection::open(&address, self.max_connections).await;
        let pool = opened.map_err(|err| err.to_string())?;
        let schema = address.schema().map(str::to_owned);
        let names = Names::new(schema.clone(), "", false);
        let store = Store::new(pool, names, time_offset(&slot.options));
        let told = |err: DbErr| describe(&err);
        // What changes from here on is seen by the next refresh.
        let digest = self.main.data_sources_digest().await.map_err(told)?;
        let kept = self.main.data_source_metadata(&slot.row.key).await.map_err(told)?;
        let columns = store.all_columns(schema.as_deref()).await.map_err(told)?;
        let described = Description {
            backend,
            columns: &columns,
            prefix: &text(&slot.options, "tablePrefix").unwrap_or_default(),
            takes_all: !matches!(slot.options.member("addAllCollections"), Value::Bool(false)),
            kept: &kept,
        };
        let collections = Arc::new(Collections::of_source(store, &metadata(&described)));
        Ok(Open { collections, digest, used_at: Instant::now() })
    }

    /// The options of a row, as NocoBase fills them in. A template that cannot be filled in stays as it is.
    fn rendered(&self, row: &SourceRow) -> Value {
        let options = parse_options(row.options.as_ref());
        let scope = Scope { env: self.environment.load_full(), ..Scope::of_context(Value::Undefined) };
        Template::parse(&options).render(&scope).unwrap_or(options)
    }
}

impl Slot {
    fn new(row: SourceRow, options: Value) -> Self {
        Self { row, options, state: Mutex::new(State::Closed) }
    }

    /// Whether it was made of such a row.
    fn is_of(&self, row: &SourceRow, options: &Value) -> bool {
        self.row == *row && json::stringify_or_null(&self.options) == json::stringify_or_null(options)
    }

    /// Whether what is open is to be closed: NocoBase keeps something else of it now, or nobody has used it for long.
    fn is_over(&self, digest: Option<&str>) -> bool {
        // One that is being opened is looked at the next time.
        let Ok(state) = self.state.try_lock() else { return false };
        let State::Open(open) = &*state else { return false };
        let is_idle = open.used_at.elapsed() > IDLE && Arc::strong_count(&open.collections) == 1;
        is_idle || digest.is_some_and(|digest| digest != open.digest)
    }
}

impl State {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}
