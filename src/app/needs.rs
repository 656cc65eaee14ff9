//! What the data nodes of all webhook workflows need: their data sources, tables and the rights on them. Each fault is
//! told once, with the workflows that it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sea_orm::DbErr;

use super::assembly::environment;
use crate::collection::{Collection, Collections, Lack, Schema, SourceError, Sources};
use crate::config::Config;
use crate::expr::json;
use crate::node::{DataUse, Deed, MAIN, data_use};
use crate::store::Store;
use crate::store::catalog::{Catalog, Definition};
use crate::store::rights::{self, Right};

/// Something that is wrong, with the titles of the workflows concerned.
pub struct DataFault {
    pub text: String,
    pub workflows: BTreeSet<String>,
    /// Whether it is a hint only.
    pub is_note: bool,
}

/// What all nodes do to a table.
type ByTable = BTreeMap<(String, String), (BTreeSet<Right>, BTreeSet<String>)>;

/// What the data nodes of the enabled webhook workflows need.
pub struct Needs {
    store: Store,
    /// Of the main data source.
    collections: Collections,
    sources: Sources,
    definitions: Vec<Arc<Definition>>,
    /// Whether NocoBase is there for the nodes that sidehook does not run.
    hands_over: bool,
    /// Whether sidehook itself writes into the main data source.
    writes: bool,
}

impl Needs {
    pub async fn of(store: &Store, config: &Config) -> Result<Self, DbErr> {
        let catalog = Catalog::new(store.clone(), Definition::clone);
        catalog.refresh().await?;
        let definitions: Vec<Arc<Definition>> = catalog.entries().values().cloned().collect();
        let collections = Collections::new(store.clone(), &config.nocobase.public_path);
        // Without data nodes nobody has to be able to read them.
        if !by_source(&definitions).is_empty() {
            collections.refresh().await?;
        }
        let sources = Sources::new(store.clone(), 1);
        sources.set_environment(Arc::new(environment(store, config).await?));
        Ok(Self {
            store: store.clone(),
            collections,
            sources,
            definitions,
            hands_over: config.nocobase.api.is_some() || store.is_own_plugin_enabled().await?,
            writes: !config.nocobase.writes_data,
        })
    }

    /// What is in the way of them.
    pub async fn faults(&self) -> Vec<DataFault> {
        let Self { definitions, collections, sources, hands_over, writes, .. } = self;
        faults(definitions, collections, sources, *hands_over, *writes).await
    }

    /// The statements that give a user all rights that sidehook and these nodes need in the main data source.
    pub async fn grants(&self, user: &str) -> Result<Vec<String>, DbErr> {
        let mut needed: BTreeMap<String, BTreeSet<Right>> = BTreeMap::new();
        for (table, rights) in self.store.needed_rights().await? {
            needed.entry(table).or_default().extend(rights);
        }
        for (collection, rights) in on_tables(&self.definitions, &self.collections, self.writes).await {
            needed.entry(self.collections.quoted_table(&collection)).or_default().extend(rights);
        }
        Ok(needed
            .into_iter()
            .map(|(table, rights)| format!("{};", rights::grant(&rights::listed(&rights), &table, user)))
            .collect())
    }
}

async fn faults(
    definitions: &[Arc<Definition>],
    collections: &Collections,
    sources: &Sources,
    hands_over: bool,
    writes: bool,
) -> Vec<DataFault> {
    let mut faults: BTreeMap<String, DataFault> = BTreeMap::new();
    let mut tell = |text: String, workflows: &BTreeSet<String>, is_note: bool| {
        let fault =
            faults.entry(text.clone()).or_insert(DataFault { text, workflows: BTreeSet::new(), is_note });
        fault.workflows.extend(workflows.iter().cloned());
    };
    for (source, uses) in by_source(definitions) {
        let found = if source == MAIN { None } else { Some(sources.find(&source).await) };
        let concerned: BTreeSet<String> = uses.iter().map(|(title, _)| title.clone()).collect();
        let own;
        let of_source: &Collections = match found {
            None => collections,
            Some(Ok(opened)) => {
                own = opened;
                &own
            }
            Some(Err(err)) => {
                let goes_on = matches!(err, SourceError::OtherType { .. }) && hands_over;
                let what =
                    if goes_on { "from such a node on NocoBase runs the workflow" } else { "its nodes fail" };
                tell(format!("{err}: {what}"), &concerned, false);
                continue;
            }
        };
        if source != MAIN && uses.iter().any(|(_, one)| one.deed.writes()) {
            let text = format!(
                "what is written to the data source \"{source}\" is not in one transaction with its job: after a crash it may \
                 be written again"
            );
            tell(text, &concerned, true);
        }
        let (needs, unknown) = needs(&source, &uses, of_source, writes || source != MAIN).await;
        for (text, workflows) in unknown {
            tell(text, &workflows, false);
        }
        for ((_, name), (rights, workflows)) in needs {
            if let Some(text) = lack(&source, &name, &rights, of_source).await {
                tell(text, &workflows, false);
            }
        }
    }
    faults.into_values().collect()
}

/// The uses of each source, with the titles of their workflows.
fn by_source(definitions: &[Arc<Definition>]) -> BTreeMap<String, Vec<(String, DataUse)>> {
    let mut sources: BTreeMap<String, Vec<(String, DataUse)>> = BTreeMap::new();
    for definition in definitions {
        let workflow = &definition.workflow;
        let title = workflow.title.clone().filter(|title| !title.is_empty()).or_else(|| workflow.key.clone());
        for row in &definition.nodes {
            let config = row.config.as_ref().and_then(|config| json::parse(config.0.as_bytes()).ok());
            let found = data_use(row.r#type.as_deref().unwrap_or_default(), &config.unwrap_or_default());
            if let Some(found) = found {
                let title = title.clone().unwrap_or_default();
                sources.entry(found.source.clone()).or_default().push((title, found));
            }
        }
    }
    sources
}

/// The rights that are needed on tables, and what is said of collections that are not there.
async fn needs(
    source: &str,
    uses: &[(String, DataUse)],
    collections: &Collections,
    writes: bool,
) -> (ByTable, BTreeMap<String, BTreeSet<String>>) {
    let (mut needs, mut unknown) = (ByTable::new(), BTreeMap::new());
    for (title, one) in uses {
        let Some(name) = &one.collection else { continue };
        let Ok(schema) = collections.schema_with(name).await else { continue };
        if schema.get(name).is_none() {
            let text = match source {
                MAIN => format!(
                    "there is no collection {name}, and no table of its name that this user may see: nodes that use it fail"
                ),
                _ => format!(
                    "the data source \"{source}\" has no collection {name} that its user may see: nodes that use it fail"
                ),
            };
            unknown.entry(text).or_insert_with(BTreeSet::new).insert(title.clone());
            continue;
        }
        let mut add = |collection: &str, rights: &[Right]| {
            let (known, titles) = needs.entry((source.to_owned(), collection.to_owned())).or_default();
            known.extend(rights.iter().copied());
            titles.insert(title.clone());
        };
        add(name, &[Right::Select]);
        match one.deed {
            Deed::Create if writes => add(name, &[Right::Insert]),
            Deed::Update if writes => add(name, &[Right::Update]),
            Deed::Destroy if writes => add(name, &[Right::Delete]),
            _ => {}
        }
        for path in &one.appends {
            reached(&schema, name, path).iter().for_each(|target| add(target, &[Right::Select]));
        }
    }
    (needs, unknown)
}

/// The rights that are needed on the tables of the main data source.
async fn on_tables(
    definitions: &[Arc<Definition>],
    collections: &Collections,
    writes: bool,
) -> Vec<(Arc<Collection>, BTreeSet<Right>)> {
    let mut found = Vec::new();
    let Some(uses) = by_source(definitions).remove(MAIN) else { return found };
    for ((_, name), (rights, _)) in needs(MAIN, &uses, collections, writes).await.0 {
        if let Ok(Some(collection)) = collections.find(&name).await
            && !collection.is_sql()
        {
            found.push((collection, rights));
        }
    }
    found
}

/// The collections that a path of associations goes through.
fn reached(schema: &Schema, from: &str, path: &str) -> Vec<String> {
    let (mut at, mut reached) = (from.to_owned(), Vec::new());
    for name in path.split('.') {
        let Some(association) = schema.get(&at).and_then(|collection| collection.association(name)) else {
            break;
        };
        if let Some(through) = &association.through {
            reached.push(through.collection.to_string());
        }
        at = association.target.to_string();
        reached.push(at.clone());
    }
    reached
}

/// What is in the way of these rights, and what to do about it.
async fn lack(
    source: &str,
    name: &str,
    rights: &BTreeSet<Right>,
    collections: &Collections,
) -> Option<String> {
    let collection = collections.find(name).await.ok()??;
    // What is read from a statement has no table.
    if collection.is_sql() {
        return None;
    }
    let rights: Vec<Right> = rights.iter().copied().collect();
    let place = if source == MAIN { String::new() } else { format!(" in the data source \"{source}\"") };
    let table = collections.quoted_table(&collection);
    match collections.lack(&collection, &rights).await {
        Ok(None) => None,
        Ok(Some(Lack::Table)) => {
            Some(format!("there is no table {table}{place}, which the collection {name} is of"))
        }
        Ok(Some(Lack::Other(words))) => {
            Some(format!("the table {table}{place} is not what the collection {name} says: {words}"))
        }
        Ok(Some(Lack::Rights(missing))) => Some(grant(&missing, &collection, collections, &place).await),
        Err(err) => Some(format!("the rights on {table}{place} cannot be looked at: {err}")),
    }
}

async fn grant(missing: &[Right], collection: &Collection, collections: &Collections, place: &str) -> String {
    let rights = rights::listed(missing);
    let table = collections.quoted_table(collection);
    let user = collections.user().await.unwrap_or_default();
    format!("the user {user} lacks {rights} on {table}{place}: {}", rights::grant(&rights, &table, &user))
}
