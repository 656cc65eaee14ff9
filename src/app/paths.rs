//! The custom paths of the webhooks: a table that is made anew when these have changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::expr::Value;
use crate::webhook::path::{Claim, Found, Table, Unserved};

/// The custom paths of webhooks of a kind, by the keys of their workflows.
pub(super) struct Paths<H> {
    api_base_path: String,
    /// The path that one is to be served at.
    claim: fn(&H) -> Option<Claim<'_>>,
    served: Mutex<Arc<Served<H>>>,
}

/// The custom paths, as those were at one time.
pub(super) struct Served<H> {
    hooks: Arc<HashMap<String, Arc<H>>>,
    table: Table,
    unserved: Vec<Unserved>,
}

impl<H> Paths<H> {
    pub(super) fn new(api_base_path: String, claim: fn(&H) -> Option<Claim<'_>>) -> Self {
        let served = Mutex::new(Arc::new(Served::build(&api_base_path, Arc::default(), claim)));
        Self { api_base_path, claim, served }
    }

    /// The paths of these webhooks, as they are now. Warns of each path that is not served when it was not known
    /// before.
    pub(super) fn of(&self, hooks: Arc<HashMap<String, Arc<H>>>) -> Arc<Served<H>> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&hooks, &served.hooks) {
            let new = Served::build(&self.api_base_path, hooks, self.claim);
            for Unserved { key, reason } in new.unserved.iter().filter(|one| !served.unserved.contains(one)) {
                tracing::warn!(workflow.key = key, %reason, "a webhook is not served at its custom path");
            }
            *served = Arc::new(new);
        }
        served.clone()
    }
}

impl<H> Served<H> {
    fn build(
        api_base_path: &str,
        hooks: Arc<HashMap<String, Arc<H>>>,
        claim: fn(&H) -> Option<Claim<'_>>,
    ) -> Self {
        let (table, unserved) = Table::build(api_base_path, hooks.values().filter_map(|hook| claim(hook)));
        Self { hooks, table, unserved }
    }

    /// The webhook of a path, which is still encoded, with the path's parameters: an object.
    pub(super) fn find(&self, path: &str) -> Option<(Arc<H>, Value)> {
        let Found { key, params } = self.table.find(path)?;
        Some((self.hooks.get(key)?.clone(), params))
    }

    /// Whether nobody has to be asked for this path: a webhook has it, or sidehook itself.
    pub(super) fn has(&self, path: &str) -> bool {
        self.table.is_own(path) || self.find(path).is_some()
    }
}
