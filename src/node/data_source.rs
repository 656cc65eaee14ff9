//! What data nodes have in common: which collection a configuration names, whose it is, and lists of names.

use std::sync::Arc;

use sea_orm::DbErr;

use super::{Context, Sample};
use crate::collection::{Collections, Executor, Reader, Schema};
use crate::expr::convert::to_text;
use crate::expr::{Thrown, Value};

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
            None => Self { data_source: "main".to_owned(), collection: text.to_owned() },
        }
    }
}

/// Why a data source cannot be used.
#[derive(Debug)]
pub(super) enum Unreachable {
    /// There is none of this name. Each node says so in NocoBase's words.
    Unknown,
    /// It lies in a database that sidehook does not reach.
    Foreign(String),
    /// Which there are could not be read.
    Failed(DbErr),
}

impl Unreachable {
    /// The error of the node; `unknown` is what NocoBase throws where there is no such data source.
    pub(super) fn thrown(self, unknown: impl FnOnce() -> Thrown) -> Thrown {
        match self {
            Self::Unknown => unknown(),
            Self::Foreign(name) => Thrown::error(format!(
                "the data source \"{name}\" is not the main one: sidehook reads and writes NocoBase's own database only"
            )),
            Self::Failed(err) => database(err),
        }
    }
}

/// Whether sidehook reaches a data source: only the main one.
pub(super) async fn resolve(collections: &Collections, name: &str) -> Result<(), Unreachable> {
    if name == "main" {
        return Ok(());
    }
    match collections.knows_source(name).await {
        Ok(true) => Err(Unreachable::Foreign(name.to_owned())),
        Ok(false) => Err(Unreachable::Unknown),
        Err(err) => Err(Unreachable::Failed(err)),
    }
}

/// An error of reading what sidehook itself needs.
pub(super) fn database(err: DbErr) -> Thrown {
    Thrown::error(err.to_string())
}

/// A list of names; a text alone is a list of one. `None` when there is no list.
pub(super) fn texts(value: &Value) -> Result<Option<Vec<String>>, Thrown> {
    match value {
        Value::Array(array) => array.items().iter().map(to_text).collect::<Result<_, _>>().map(Some),
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
    now: chrono::DateTime<chrono::Utc>,
}

impl Source {
    /// With a schema that has the given collections, where they exist.
    pub(super) async fn open(cx: &mut Context<'_>, names: &[&str]) -> Result<Self, Thrown> {
        let collections = cx.services().collections.clone();
        let now = cx.scope()?.system.now().to_utc();
        let mut schema = collections.schema();
        for name in names {
            schema = collections.schema_with(name).await.map_err(database)?;
        }
        Ok(Self { collections, schema, now })
    }

    /// Where the node reads: in the transaction of a transaction node around it, else on the pool.
    pub(super) fn database<'a>(&'a self, cx: &'a mut Context<'_>) -> Executor<'a> {
        self.collections.executor(cx.host().scope_transaction())
    }

    pub(super) fn reader<'a>(&'a self, db: &'a Executor<'a>) -> Reader<'a, Executor<'a>> {
        self.collections.reader(&self.schema, db, self.now)
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
