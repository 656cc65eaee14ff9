//! The enabled workflows, those of webhooks or all of them, held in memory and kept equal to the database.
//!
//! Every second sums over the rows' `(id, updatedAt, current, sync)` are asked for, which cost next to nothing however many
//! workflows there are. When these differ the rows are compared one by one, and after half a minute at the latest, because
//! somebody may have changed a row without its `updatedAt`. A version is read again when its row differs, and until its
//! `updatedAt` is three seconds old, because a change of its nodes in the same moment would not show. Where NocoBase's
//! clock is ahead, three seconds after it was first seen have to do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use entity::{Table, flow_node, workflow};
use sea_orm::sea_query::{Alias, CaseStatement, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Store;

/// A workflow version with its nodes, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub workflow: workflow::Model,
    /// By id.
    pub nodes: Vec<flow_node::Model>,
}

/// How often unknown keys may make the database be asked.
const SHARED_REFRESH: Duration = Duration::from_millis(250);

/// A version this young is read again: its nodes may have changed without a new `updatedAt`.
const SETTLING: chrono::TimeDelta = chrono::TimeDelta::seconds(3);

/// The rows are compared after that time at the latest.
const COMPARED: Duration = Duration::from_secs(30);

/// So many versions are read with two statements.
const BATCH: usize = 200;

/// The catalog, with each definition turned into a `T` once.
pub struct Catalog<T> {
    store: Store,
    /// Only workflows of this type.
    type_name: Option<&'static str>,
    build: Box<dyn Fn(&Definition) -> T + Send + Sync>,
    entries: ArcSwap<HashMap<String, Arc<T>>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    known: HashMap<i64, Known<T>>,
    refreshed_at: Option<Instant>,
    /// What the rows added up to just before they were compared, and when that was; `None` while versions are to be read
    /// again.
    compared: Option<(String, Instant)>,
}

struct Known<T> {
    version: workflow::Model,
    /// When this state of the row was seen for the first time.
    seen_at: Instant,
    /// Whether the nodes were read when the state was old enough to trust.
    settled: bool,
    definition: Definition,
    entry: Arc<T>,
}

impl<T> Catalog<T> {
    /// That of the webhooks.
    pub fn new(store: Store, build: impl Fn(&Definition) -> T + Send + Sync + 'static) -> Self {
        Self::of_type(store, Some("webhook"), build)
    }

    /// That of workflows of any type.
    pub fn of_all(store: Store, build: impl Fn(&Definition) -> T + Send + Sync + 'static) -> Self {
        Self::of_type(store, None, build)
    }

    fn of_type(
        store: Store,
        type_name: Option<&'static str>,
        build: impl Fn(&Definition) -> T + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State { known: HashMap::new(), refreshed_at: None, compared: None });
        Self { store, type_name, build: Box::new(build), entries: ArcSwap::default(), state }
    }

    /// The enabled version of a key. For an unknown key the database is asked, see
    /// [`Catalog::refresh_shared`].
    pub async fn find(&self, key: &str) -> Result<Option<Arc<T>>, DbErr> {
        if let Some(entry) = self.entries.load().get(key) {
            return Ok(Some(entry.clone()));
        }
        self.refresh_shared().await?;
        Ok(self.entries.load().get(key).cloned())
    }

    /// Reads what has changed for somebody who misses an entry, but at most once in [`SHARED_REFRESH`]: all
    /// who ask in between wait for the same answer.
    pub async fn refresh_shared(&self) -> Result<(), DbErr> {
        let asked_at = Instant::now();
        let mut state = self.state.lock().await;
        if state.refreshed_at.is_none_or(|at| at < asked_at) {
            if let Some(at) = state.refreshed_at {
                tokio::time::sleep_until(at + SHARED_REFRESH).await;
            }
            self.refresh_locked(&mut state).await?;
        }
        Ok(())
    }

    /// Reads what has changed. Returns how many versions were read.
    pub async fn refresh(&self) -> Result<usize, DbErr> {
        self.refresh_locked(&mut *self.state.lock().await).await
    }

    /// All entries by key. The `Arc` stays the same one while nothing has changed.
    pub fn entries(&self) -> Arc<HashMap<String, Arc<T>>> {
        self.entries.load_full()
    }

    async fn refresh_locked(&self, state: &mut State<T>) -> Result<usize, DbErr> {
        let begun = Instant::now();
        state.refreshed_at = Some(begun);
        let sums = self.store.sums_of_versions(self.type_name).await?;
        if state.compared.as_ref().is_some_and(|(known, at)| *known == sums && at.elapsed() < COMPARED) {
            return Ok(0);
        }
        state.compared = None;
        let (now, versions) = self.store.enabled_versions(self.type_name).await?;
        let mut known = HashMap::with_capacity(versions.len());
        let (mut read, mut built, mut stale) = (0, 0, Vec::new());
        for version in versions {
            let previous = state.known.remove(&version.id).filter(|known| known.version == version);
            match previous {
                Some(previous) if previous.settled => {
                    known.insert(version.id, previous);
                }
                previous => stale.push((version, previous)),
            }
        }
        while !stale.is_empty() {
            let batch = stale.split_off(stale.len().saturating_sub(BATCH));
            let ids: Vec<i64> = batch.iter().map(|(version, _)| version.id).collect();
            let mut definitions = self.store.find_definitions(&ids).await?;
            for (version, previous) in batch {
                let Some(definition) = definitions.remove(&version.id) else { continue };
                read += 1;
                let (next, is_built) = self.known(version, definition, now, previous);
                built += usize::from(is_built);
                known.insert(next.version.id, next);
            }
        }
        if known.values().all(|known| known.settled) {
            state.compared = Some((sums, begun));
        }
        let is_same = built == 0 && state.known.is_empty() && known.len() == self.entries.load().len();
        state.known = known;
        if !is_same {
            self.entries.store(Arc::new(by_key(&state.known)));
        }
        Ok(read)
    }

    /// What is known of a version once it has been read, and whether its entry was made for that. One that is read again
    /// without a change keeps its entry, which may count what has come in.
    fn known(
        &self,
        version: workflow::Model,
        definition: Definition,
        now: DateTime<Utc>,
        previous: Option<Known<T>>,
    ) -> (Known<T>, bool) {
        let seen_at = previous.as_ref().map_or_else(Instant::now, |known| known.seen_at);
        let updated_at = self.store.codec.read_time(version.updated_at);
        let settling = SETTLING.to_std().unwrap_or_default();
        let settled = now - updated_at > SETTLING || seen_at.elapsed() > settling;
        let kept = previous.filter(|known| known.definition == definition);
        let is_built = kept.is_none();
        let entry = kept.map_or_else(|| Arc::new((self.build)(&definition)), |known| known.entry);
        (Known { settled, seen_at, version, definition, entry }, is_built)
    }
}

/// One entry per key: should two versions of a key be enabled, the current one, then the newest.
fn by_key<T>(known: &HashMap<i64, Known<T>>) -> HashMap<String, Arc<T>> {
    let mut sorted: Vec<&Known<T>> = known.values().collect();
    sorted.sort_by_key(|known| (known.version.current == Some(true), known.version.id));
    let keyed = sorted.into_iter().filter_map(|known| {
        let key = known.definition.workflow.key.clone()?;
        Some((key, known.entry.clone()))
    });
    keyed.collect()
}

impl Store {
    /// A text that differs when the rows of enabled versions do, as far as NocoBase has changed them.
    async fn sums_of_versions(&self, type_name: Option<&str>) -> Result<String, DbErr> {
        let sum = |number: Expr| Func::cust(Alias::new("SUM")).arg(number);
        let flag =
            |name| CaseStatement::new().case(Expr::col(self.column(name)).eq(true), 1).finally(0).into();
        let mut select = Query::select();
        select.expr(Expr::col(self.column("id")).count().cast_as(self.codec.text_type()));
        // Ids are large: those of many workflows would not fit into SQLite's integers.
        for number in [
            Expr::col(self.column("id")).modulo(1_000_003),
            self.codec.milliseconds(&self.names.column_name("updatedAt")),
            flag("current"),
            flag("sync"),
        ] {
            select.expr(Expr::expr(sum(number)).cast_as(self.codec.text_type()));
        }
        self.only_enabled(&mut select, type_name);
        select.from(self.table(Table::Workflows));
        let Some(row) = self.db.query_one(&select).await? else { return Ok(String::new()) };
        let sums: Result<Vec<Option<String>>, DbErr> =
            (0..5).map(|index| row.try_get_by_index(index)).collect();
        Ok(sums?.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(" "))
    }

    fn only_enabled(&self, select: &mut SelectStatement, type_name: Option<&str>) {
        if let Some(type_name) = type_name {
            select.and_where(Expr::col(self.column("type")).eq(type_name));
        }
        select.and_where(Expr::col(self.column("enabled")).eq(true));
    }

    /// The enabled versions of workflows of a type, or of all, without their JSON columns, and the database's clock.
    async fn enabled_versions(
        &self,
        type_name: Option<&str>,
    ) -> Result<(DateTime<Utc>, Vec<workflow::Model>), DbErr> {
        let mut clock = Query::select();
        clock.expr(self.codec.now_ms());
        let row = self.db.query_one(&clock).await?;
        let now: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        let mut select = self.select_workflow(false);
        self.only_enabled(&mut select, type_name);
        select.order_by(self.column("id"), sea_orm::Order::Asc);
        let rows = self.db.query_all(&select).await?;
        let versions: Result<_, DbErr> =
            rows.iter().map(|row| workflow::Model::from_query_result(row, "")).collect();
        Ok((DateTime::from_timestamp_millis(now).unwrap_or_default(), versions?))
    }

    fn select_workflow(&self, with_json: bool) -> SelectStatement {
        let mut select = Query::select();
        self.select(&mut select, &["id", "updatedAt", "key", "title", "enabled", "type", "current", "sync"]);
        if with_json {
            self.select_json(&mut select, &["config", "options"]);
        } else {
            let null = || Expr::cust("CAST(NULL AS char(1))");
            select.expr_as(null(), "config").expr_as(null(), "options");
        }
        select.from(self.table(Table::Workflows));
        select
    }

    /// A workflow version, enabled or not, with its nodes.
    pub async fn find_definition(&self, workflow_id: i64) -> Result<Option<Definition>, DbErr> {
        Ok(self.find_definitions(&[workflow_id]).await?.remove(&workflow_id))
    }

    /// Workflow versions by their ids, enabled or not, with their nodes.
    async fn find_definitions(&self, ids: &[i64]) -> Result<HashMap<i64, Definition>, DbErr> {
        let mut select = self.select_workflow(true);
        select.and_where(self.is_among(self.column("id"), ids.iter().copied()));
        let mut definitions = HashMap::with_capacity(ids.len());
        for row in self.db.query_all(&select).await? {
            let workflow = workflow::Model::from_query_result(&row, "")?;
            definitions.insert(workflow.id, Definition { workflow, nodes: Vec::new() });
        }
        let mut select = Query::select();
        self.select(
            &mut select,
            &["id", "key", "title", "upstreamId", "branchIndex", "downstreamId", "type", "workflowId"],
        );
        self.select_json(&mut select, &["config"]);
        select
            .from(self.table(Table::FlowNodes))
            .and_where(self.is_among(self.column("workflowId"), ids.iter().copied()))
            .order_by(self.column("id"), sea_orm::Order::Asc);
        for row in self.db.query_all(&select).await? {
            let node = flow_node::Model::from_query_result(&row, "")?;
            let of = node.workflow_id.and_then(|id| definitions.get_mut(&id));
            if let Some(definition) = of {
                definition.nodes.push(node);
            }
        }
        Ok(definitions)
    }
}
