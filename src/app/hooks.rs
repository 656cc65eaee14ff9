//! The webhooks: found by workflow key or by custom path, from memory.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::DbErr;

use super::paths::Paths;
use crate::engine::Workflow;
use crate::expr::{Value, json};
use crate::store::Store;
use crate::store::catalog::{Catalog, Definition};
use crate::store::fault::describe;
use crate::webhook::path::Claim;
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
    paths: Paths<Hook>,
}

/// A webhook that was asked for, with the parameters of its path: an object.
pub struct Called {
    pub hook: Arc<Hook>,
    pub params: Value,
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
        Self { catalog, paths: Paths::new(api_base_path, Hook::claim) }
    }

    /// Reads what has changed; returns how many workflows that are.
    pub async fn refresh(&self) -> Result<usize, DbErr> {
        let read = self.catalog.refresh().await?;
        self.paths.of(self.entries());
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
        Ok(Called { hook, params: Value::empty_object() })
    }

    /// The webhook of a custom path, which is still encoded; refuses paths that no workflow has.
    pub async fn find_by_path(&self, path: &str) -> Result<Called, Refusal> {
        let mut paths = self.paths.of(self.entries());
        if !paths.has(path) {
            self.catalog.refresh_shared().await.map_err(|err| unreadable(&err))?;
            paths = self.paths.of(self.entries());
        }
        let (hook, params) = paths.find(path).ok_or_else(Refusal::nothing_here)?;
        Ok(Called { hook, params })
    }
}

fn unreadable(err: &DbErr) -> Refusal {
    tracing::warn!(reason = describe(err), "the workflows cannot be read");
    Refusal::unavailable()
}
