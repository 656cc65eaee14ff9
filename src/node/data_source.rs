//! What data nodes have in common: which collection a configuration names, whose it is, and lists of names.

use std::sync::Arc;

use sea_orm::{DatabaseTransaction, DbErr, IsolationLevel};

use super::{Context, Outcome, Sample, Services};
use crate::collection::{Collections, Executor, Reader, Schema, SourceError, Sources, Transaction};
use crate::expr::convert::to_text;
use crate::expr::{Thrown, Value};

/// The data source that NocoBase's own tables are in.
pub const MAIN: &str = "main";

/// What the examples of data nodes work on.
pub(super) const BOOKS: &Sample = &Sample {
    collection: r#"{"name": "books", "autoGenId": false, "createdAt": false, "updatedAt": false, "fields": [
        {"name": "id", "type": "bigInt", "primaryKey": true, "autoIncrement": true},
        {"name": "title", "type": "string"}, {"name": "price", "type": "double"}, {"name": "stock", "type": "integer"}]}"#,
    records: r#"[{"id": 1, "title": "Emma", "price": 9.5, "stock": 4}, {"id": 2, "title": "Dune", "price": 12, "stock": 0},
        {"id": 3, "title": "Momo", "price": 8, "stock": 7}]"#,
};

/// A collection as configurations name it: `posts`, or `erp:orders` of another data source.
#[derive(Debug, PartialEq)]
pub(super) struct CollectionName {
    pub data_source: String,
    pub collection: String,
}

impl CollectionName {
    pub(super) fn parse(value: &Value) -> Self {
        let text = value.as_str().unwrap_or_default();
        match text.split_once(':') {
            Some((source, _)) => Self {
                data_source: source.to_owned(),
                collection: text.rsplit(':').next().unwrap_or_default().to_owned(),
            },
            None => Self { data_source: MAIN.to_owned(), collection: text.to_owned() },
        }
    }
}

/// Why a node does not run here.
pub(super) enum Refused {
    Thrown(Thrown),
    /// Its data is where only NocoBase gets at it.
    Elsewhere(Thrown),
}

impl Refused {
    /// What becomes of the node.
    pub(super) fn outcome(self) -> Result<Outcome, Thrown> {
        match self {
            Self::Thrown(thrown) => Err(thrown),
            Self::Elsewhere(thrown) => Ok(Outcome::Leave(thrown)),
        }
    }
}

impl From<Thrown> for Refused {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

/// The collections of a data source; `unknown` is what NocoBase throws where there is no such source.
pub(super) async fn resolve(
    cx: &mut Context<'_>,
    name: &str,
    unknown: impl FnOnce() -> Thrown,
) -> Result<Arc<Collections>, Refused> {
    let Services { collections, sources, .. } = cx.services();
    if name == MAIN {
        return Ok(collections.clone());
    }
    let sources = sources.clone();
    sources.find(name).await.map_err(|err| match err {
        SourceError::Unknown(_) => unknown().into(),
        SourceError::OtherType { .. } => Refused::Elsewhere(Thrown::error(err.to_string())),
        SourceError::Disabled(_) | SourceError::Unreachable { .. } | SourceError::Failed(_) => {
            Thrown::error(err.to_string()).into()
        }
    })
}

/// What a node of another data source throws: that the source is away, if it is.
pub(super) async fn told(sources: &Sources, name: &str, collections: &Collections, thrown: Thrown) -> Thrown {
    // An answer of the database has its name; the driver's own words tell nothing of whose they are.
    if name == MAIN || thrown.to_result().member("name").is_truthy() {
        return thrown;
    }
    match sources.doubt(name, collections).await {
        Some(err) => Thrown::error(err.to_string()),
        None => thrown,
    }
}

/// A data source besides the main one, as far as a transaction node needs it.
pub struct Elsewhere(Arc<Collections>);

impl Elsewhere {
    pub(super) fn new(collections: Arc<Collections>) -> Self {
        Self(collections)
    }

    pub async fn begin(&self, isolation: Option<IsolationLevel>) -> Result<Transaction, Thrown> {
        self.0.begin(isolation).await.map_err(database)
    }
}

/// Where a node writes: in the transaction in which its job is recorded; in another data source in that of the
/// transaction node around, else in one of its own.
pub(super) enum Session<'a> {
    Shared(&'a DatabaseTransaction),
    Own(Transaction),
}

impl<'a> Session<'a> {
    pub(super) async fn begin(
        cx: &'a mut Context<'_>,
        source: &str,
        collections: &Collections,
    ) -> Result<Self, Thrown> {
        if source == MAIN {
            return cx.transaction().await.map(Self::Shared);
        }
        let sources = cx.services().sources.clone();
        if let Some(scope) = cx.host().scope_transaction(source) {
            return Ok(Self::Shared(scope));
        }
        match collections.begin(None).await {
            Ok(transaction) => Ok(Self::Own(transaction)),
            Err(err) => Err(told(&sources, source, collections, database(err)).await),
        }
    }

    pub(super) fn transaction(&self) -> &DatabaseTransaction {
        match self {
            Self::Shared(transaction) => transaction,
            Self::Own(transaction) => transaction,
        }
    }

    /// Keeps what was written. Without it an own transaction is taken back.
    pub(super) async fn end(self) -> Result<(), Thrown> {
        match self {
            Self::Shared(_) => Ok(()),
            Self::Own(transaction) => transaction.commit().await.map_err(database),
        }
    }
}

/// An error of reading what sidehook itself needs.
pub(super) fn database(err: DbErr) -> Thrown {
    Thrown::error(err.to_string())
}

/// A list of names; a text alone is a list of one. `None` when there is no list.
pub(super) fn texts(value: &Value) -> Result<Option<Vec<String>>, Thrown> {
    match value {
        Value::Array(array, _) => array.items().iter().map(to_text).collect::<Result<_, _>>().map(Some),
        Value::Text(text) => Ok(Some(vec![text.to_string()])),
        _ => Ok(None),
    }
}

/// The associations that a configuration appends: of `a.b` also `a`, so that all fields of `a` are there.
pub(super) fn appends(value: &Value) -> Result<Vec<String>, Thrown> {
    let mut appends: Vec<String> = Vec::new();
    for path in texts(value)?.unwrap_or_default() {
        let first = path.split('.').next().unwrap_or_default().to_owned();
        for one in [first, path] {
            if !appends.contains(&one) {
                appends.push(one);
            }
        }
    }
    Ok(appends)
}

/// What a node reads with.
pub(super) struct Source {
    pub collections: Arc<Collections>,
    pub schema: Arc<Schema>,
    sources: Arc<Sources>,
    name: String,
    now: chrono::DateTime<chrono::Utc>,
}

impl Source {
    /// With a schema that has the given collection, where it exists; `unknown` is what NocoBase throws where there is no
    /// such source.
    pub(super) async fn open(
        cx: &mut Context<'_>,
        name: &str,
        collection: &str,
        unknown: impl FnOnce() -> Thrown,
    ) -> Result<Self, Refused> {
        let collections = resolve(cx, name, unknown).await?;
        Ok(Self::with(cx, name, collections, collection).await?)
    }

    /// The main data source.
    pub(super) async fn of_main(cx: &mut Context<'_>, collection: &str) -> Result<Self, Thrown> {
        let collections = cx.services().collections.clone();
        Self::with(cx, MAIN, collections, collection).await
    }

    async fn with(
        cx: &mut Context<'_>,
        name: &str,
        collections: Arc<Collections>,
        collection: &str,
    ) -> Result<Self, Thrown> {
        let now = cx.scope()?.system.now().to_utc();
        let schema = collections.schema_with(collection).await.map_err(database)?;
        let sources = cx.services().sources.clone();
        Ok(Self { collections, schema, sources, name: name.to_owned(), now })
    }

    /// Where the node reads: in the transaction of a transaction node around it, else on the pool.
    pub(super) fn database<'a>(&'a self, cx: &'a mut Context<'_>) -> Executor<'a> {
        self.collections.executor(cx.host().scope_transaction(&self.name))
    }

    pub(super) fn reader<'a>(&'a self, db: &'a Executor<'a>) -> Reader<'a, Executor<'a>> {
        self.collections.reader(&self.schema, db, self.now)
    }

    /// What was thrown while reading; see [`told`].
    pub(super) async fn told(&self, thrown: Thrown) -> Thrown {
        told(&self.sources, &self.name, &self.collections, thrown).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_separates_the_data_source() {
        let parse = |text: &str| {
            let name = CollectionName::parse(&text.into());
            (name.data_source, name.collection)
        };
        assert_eq!(parse("posts"), ("main".to_owned(), "posts".to_owned()));
        assert_eq!(parse("erp:orders"), ("erp".to_owned(), "orders".to_owned()));
    }
}
