//! What the nodes that write records have in common: the collection, the values, and the transaction in which
//! their job is recorded.

pub(super) mod api;

use std::sync::Arc;

use super::Context;
use super::data_source::{CollectionName, Refused, Session, database, resolve, texts, told};
use crate::collection::{
    Change, Collection, Collections, Executor, FieldType, ROLES, Schema, Sources, Writer, has_roles,
    path_collection,
};
use crate::expr::system::System;
use crate::expr::{Thrown, Value};
use crate::script::Pool;

/// The collection that a node writes to.
#[derive(Clone)]
pub(super) struct Destination {
    collections: Arc<Collections>,
    pub schema: Arc<Schema>,
    pub collection: Arc<Collection>,
    system: Arc<dyn System>,
    sources: Arc<Sources>,
    /// The name of the data source.
    source: String,
    evaluators: Arc<Pool>,
}

/// What NocoBase throws for a data source, and for a collection, that does not exist.
pub(super) struct Unknown {
    pub source: fn(&str) -> Thrown,
    pub collection: &'static str,
}

impl Destination {
    pub(super) async fn open(
        cx: &mut Context<'_>,
        configured: &Value,
        unknown: &Unknown,
    ) -> Result<Self, Refused> {
        if !configured.is_truthy() {
            return Err((unknown.source)("undefined").into());
        }
        let system = cx.scope()?.system.clone();
        let sources = cx.services().sources.clone();
        let name = CollectionName::parse(configured);
        let source = name.data_source;
        let collections = resolve(cx, &source, || (unknown.source)(&source)).await?;
        let mut schema = collections.schema_with(&name.collection).await.map_err(database)?;
        let collection =
            schema.get(&name.collection).cloned().ok_or_else(|| Thrown::type_error(unknown.collection))?;
        for name in beside(&schema, &collection) {
            schema = collections.schema_with(&name).await.map_err(database)?;
        }
        let evaluators = cx.scripts();
        Ok(Self { collections, schema, collection, system, sources, source, evaluators })
    }

    /// Where the node writes.
    pub(super) async fn begin<'a>(&self, cx: &'a mut Context<'_>) -> Result<Session<'a>, Thrown> {
        Session::begin(cx, &self.source, &self.collections).await
    }

    /// The transaction of the node, to write in.
    pub(super) fn database<'a>(&'a self, session: &'a Session<'_>) -> Executor<'a> {
        self.collections.executor(Some(session.transaction()))
    }

    /// What was thrown while writing, with the name of a data source that is away.
    pub(super) async fn told(&self, thrown: Thrown) -> Thrown {
        told(&self.sources, &self.source, &self.collections, thrown).await
    }

    pub(super) fn writer<'a>(&'a self, db: &'a Executor<'a>) -> Writer<'a, Executor<'a>> {
        self.collections.writer(&self.schema, db, &*self.system).with_evaluators(&*self.evaluators)
    }
}

/// What NocoBase writes to besides the collections themselves: plugins define it in code.
fn beside(schema: &Schema, collection: &Collection) -> Vec<String> {
    let mut names: Vec<String> = schema.collections().filter_map(|one| path_collection(one)).collect();
    let is_counted =
        |collection: &Arc<Collection>| collection.fields().any(|field| field.kind == FieldType::Sequence);
    if schema.collections().any(is_counted) {
        names.push("sequences".to_owned());
    }
    if has_roles(&collection.name) {
        names.extend(ROLES.map(str::to_owned));
    }
    names
}

/// The rendered parameters of a node as what to write.
pub(super) fn change(params: &Value) -> Result<Change, Thrown> {
    Ok(Change {
        values: params.member("values"),
        filter: params.member("filter"),
        filter_by_tk: params.member("filterByTk"),
        whitelist: texts(&params.member("whitelist"))?,
        blacklist: texts(&params.member("blacklist"))?,
        update_association_values: texts(&params.member("updateAssociationValues"))?,
        individual_hooks: !matches!(params.member("individualHooks"), Value::Bool(false)),
        force_update: params.member("forceUpdate").is_truthy(),
    })
}

/// For nodes whose code in NocoBase reads `collectionManager` without a check.
pub(super) const UNCHECKED: Unknown = Unknown {
    source: |_| Thrown::reading(&Value::Undefined, "collectionManager"),
    collection: "Cannot destructure property 'repository' of 'this.workflow.app.dataSourceManager.dataSources.get(...)\
                 .collectionManager.getCollection(...)' as it is undefined.",
};
