//! Runs what NocoBase has queued: which workflows that is about, that NocoBase is told of them, and that nothing is taken
//! unless NocoBase is kept from beginning with the same execution at the same time.

mod choice;
mod keeper;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;
use serde_json::json;
use tokio::time::Instant;

pub use choice::{Candidate, Circumstances, Left};

use self::keeper::Keeper;
use crate::config::Config;
use crate::engine::Engine;
use crate::store::Store;
use crate::store::catalog::Catalog;

/// What is said, and done about it, where NocoBase might begin with the same executions.
pub const UNKEPT: &str = "nothing that NocoBase has queued is run here, because NocoBase might run it at the same \
     time: set WORKER_MODE=! for NocoBase and for sidehook, or enable sidehook's plugin in NocoBase";

/// Which of NocoBase's workflows are run here.
pub struct Queued {
    config: Config,
    store: Store,
    engine: Arc<Engine>,
    catalog: Catalog<Candidate>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The versions that are run here: those that have been since the start, unless there is something against it now.
    /// What was queued before a version was replaced is run, as NocoBase does.
    chosen: BTreeSet<i64>,
    announced: Option<String>,
    keeper: Keeper,
    /// Whether anything is taken, as it was said last.
    is_open: Option<bool>,
}

/// What the choice depends on besides the workflows.
pub fn circumstances(config: &Config, has_plugin: bool) -> Circumstances<'_> {
    Circumstances {
        chosen: &config.nocobase.workflows,
        // A NocoBase that does not read its queue does not read there either that it is to run a node.
        hands_over: config.nocobase.runs_workflows && (has_plugin || config.nocobase.api.is_some()),
        writes_by_api: config.nocobase.writes_data,
    }
}

impl Queued {
    pub(super) fn new(config: &Config, store: &Store, engine: Arc<Engine>) -> Self {
        let catalog = Catalog::of_all(store.clone(), Candidate::build);
        Self { config: config.clone(), store: store.clone(), engine, catalog, state: Mutex::default() }
    }

    /// Whether anything that NocoBase has queued is to be run here.
    pub fn is_asked_for(&self) -> bool {
        self.config.nocobase.workflows.takes_from_nocobase()
    }

    /// Every enabled workflow of NocoBase's, by id, with why it is not run here where that is so.
    pub fn choices(&self) -> Vec<(Candidate, Result<(), Left>)> {
        let circumstances = circumstances(&self.config, self.engine.has_plugin());
        let entries = self.catalog.entries();
        let by_id: BTreeMap<i64, &Candidate> = entries.values().map(|one| (one.id, &**one)).collect();
        by_id.into_values().map(|one| (one.clone(), one.choose(circumstances))).collect()
    }

    /// Whether executions are taken that NocoBase has queued.
    pub fn is_taken_from(&self) -> bool {
        self.state().is_open == Some(true)
    }

    /// Follows the workflows and NocoBase, and says which are run here.
    pub(super) async fn refresh(&self) -> Result<(), DbErr> {
        if !self.is_asked_for() {
            return Ok(());
        }
        self.catalog.refresh().await?;
        let told = self.store.guard().await?;
        let has_plugin = self.engine.has_plugin();
        let owner = self.engine.owner();
        let (chosen, text, is_open) = {
            let mut state = self.state();
            for (candidate, choice) in self.choices() {
                match choice {
                    Ok(()) => state.chosen.insert(candidate.id),
                    Err(_) => state.chosen.remove(&candidate.id),
                };
            }
            state.keeper.hear(told, Instant::now());
            let is_kept = has_plugin && state.keeper.is_kept(Instant::now());
            let is_open = is_kept || !self.config.nocobase.runs_workflows;
            (state.chosen.clone(), announcement(owner.generation, &state.chosen), is_open)
        };
        // NocoBase learns of them first.
        if self.state().announced.as_ref() != Some(&text) {
            self.store.announce(owner.number, Some(&text)).await?;
            self.state().announced = Some(text);
        }
        self.engine.set_queued(if is_open { chosen.into_iter().collect() } else { HashSet::new() });
        self.tell(is_open);
        Ok(())
    }

    /// Says once whether anything is taken.
    fn tell(&self, is_open: bool) {
        let (before, workflows) = {
            let mut state = self.state();
            (state.is_open.replace(is_open), state.chosen.len())
        };
        match (before, is_open) {
            (Some(false) | None, true) => {
                tracing::info!(workflows, "what NocoBase has queued is run here");
            }
            (None | Some(true), false) => tracing::error!("{UNKEPT}"),
            _ => {}
        }
    }

    /// Forgets what others have announced that had the number of this instance.
    pub(super) async fn forget_announced(&self) -> Result<(), DbErr> {
        self.store.announce(self.engine.owner().number, None).await
    }

    /// Takes back what this instance has announced: NocoBase's queue is its own again.
    pub(super) async fn withdraw(&self) -> Result<(), DbErr> {
        let announced = self.state().announced.take();
        match announced {
            Some(text) => self.store.withdraw(self.engine.owner().number, &text).await,
            None => Ok(()),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What sidehook's plugin reads: the ids as texts, because JavaScript's numbers cannot hold them all.
fn announcement(generation: i64, workflows: &BTreeSet<i64>) -> String {
    let workflows: Vec<String> = workflows.iter().map(i64::to_string).collect();
    json!({"generation": generation.to_string(), "workflows": workflows}).to_string()
}
