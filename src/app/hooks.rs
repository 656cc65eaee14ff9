//! The webhooks: found by workflow key or by custom path, from memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;

use crate::engine::Workflow;
use crate::expr::{Value, json};
use crate::store::Store;
use crate::store::catalog::{Catalog, Definition};
use crate::store::fault::describe;
use crate::webhook::path::{self, Claim, Unserved};
use crate::webhook::refusal::Refusal;
use crate::webhook::trigger::Trigger;

/// A webhook: its trigger and the workflow that it runs.
pub struct Hook {
    pub trigger: Trigger,
    pub workflow: Arc<Workflow>,
}

/// All webhooks of a database, as they were a moment ago.
pub struct Hooks {
    catalog: Catalog<Hook>,
    api_base_path: String,
    paths: Mutex<Arc<Paths>>,
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

impl Hooks {
    /// Reads nothing yet. `on_new` is told of every version that is read.
    pub(super) fn new(
        store: Store,
        api_base_path: String,
        on_new: impl Fn(&Hook) + Send + Sync + 'static,
    ) -> Self {
        let catalog = Catalog::new(store, move |definition| {
            let hook = Hook::build(definition);
            on_new(&hook);
            hook
        });
        let paths = Mutex::new(Arc::new(Paths::build(&api_base_path, Arc::default())));
        Self { catalog, api_base_path, paths }
    }

    /// Reads what has changed; returns how many workflows that are.
    pub async fn refresh(&self) -> Result<usize, DbErr> {
        let read = self.catalog.refresh().await?;
        self.paths();
        Ok(read)
    }

    /// All webhooks by the keys of their workflows.
    pub fn entries(&self) -> Arc<HashMap<String, Arc<Hook>>> {
        self.catalog.entries()
    }

    /// The webhook of a workflow key; refuses keys that no workflow has.
    pub async fn find(&self, key: &str) -> Result<Called, Refusal> {
        let hook = self.catalog.find(key).await.map_err(|err| unreadable(&err))?;
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
            self.catalog.refresh_shared().await.map_err(|err| unreadable(&err))?;
        }
        self.paths().find(path).ok_or_else(Refusal::nothing_here)
    }

    /// The table of custom paths, made anew when the workflows have changed. Warns of each path that is not
    /// served when it was not known before.
    fn paths(&self) -> Arc<Paths> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let hooks = self.catalog.entries();
        if !Arc::ptr_eq(&hooks, &paths.hooks) {
            let new = Paths::build(&self.api_base_path, hooks);
            for Unserved { key, reason } in new.unserved.iter().filter(|one| !paths.unserved.contains(one)) {
                tracing::warn!(workflow.key = key, %reason, "a webhook is not served at its custom path");
            }
            *paths = Arc::new(new);
        }
        paths.clone()
    }
}

fn unreadable(err: &DbErr) -> Refusal {
    tracing::warn!(reason = describe(err), "the workflows cannot be read");
    Refusal::unavailable()
}
