//! What is run here of what NocoBase has queued, as `SIDEHOOK_WORKFLOWS` says: which workflows, which not, and why.

use sea_orm::DbErr;

use super::finding::{self, Finding, Setting};
use super::report::Report;
use crate::app::{Candidate, UNKEPT, circumstances};
use crate::config::Config;
use crate::store::Store;
use crate::store::catalog::{Catalog, Definition};

/// Lists the workflows whose triggers are NocoBase's, and what is wrong with those that are run here.
pub(super) async fn list(
    store: &Store,
    config: &Config,
    setting: Setting<'_>,
    report: &mut Report,
) -> Result<(), DbErr> {
    if !config.nocobase.workflows.takes_from_nocobase() {
        return Ok(());
    }
    let catalog = Catalog::of_all(store.clone(), |definition: &Definition| definition.clone());
    catalog.refresh().await?;
    let entries = catalog.entries();
    let is_nocobases = |definition: &&Definition| definition.workflow.r#type.as_deref() != Some("webhook");
    let mut workflows: Vec<&Definition> =
        entries.values().map(|definition| &**definition).filter(is_nocobases).collect();
    workflows.sort_by_key(|definition| definition.workflow.id);
    report.heading("What NocoBase has queued (SIDEHOOK_WORKFLOWS):");
    let has_plugin = store.is_own_plugin_enabled().await?;
    if config.nocobase.runs_workflows && !has_plugin {
        report.fault(UNKEPT);
    } else if config.nocobase.runs_workflows {
        report.note("it is taken as long as sidehook's plugin says that it keeps NocoBase away");
    }
    for definition in workflows {
        let workflow = Candidate::build(definition);
        report.heading(if workflow.title.is_empty() { "(without a title)" } else { &workflow.title });
        report.detail("key", &workflow.key);
        report.detail("trigger", &workflow.type_name);
        match workflow.choose(circumstances(config, has_plugin)) {
            Ok(()) => {
                report.detail("runs", "here");
                finding::of_nodes(definition, setting)
                    .iter()
                    .for_each(|Finding { text, .. }| report.warning(text));
            }
            Err(left) => report.detail("runs", &format!("in NocoBase: {left}")),
        }
    }
    Ok(())
}
