//! What data nodes have in common: which collection a configuration names, and whose it is.

use std::sync::Arc;

use sea_orm::DatabaseExecutor;

use super::Context;
use crate::collection::{Collections, Reader, Schema};
use crate::expr::{Thrown, Value};

/// A collection as configurations name it: `posts`, or `erp:orders` of another data source.
#[derive(Debug, PartialEq)]
pub(super) struct CollectionName {
    pub data_source: String,
    pub collection: String,
}

impl CollectionName {
    pub fn parse(value: &Value) -> Self {
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

/// Refuses data sources other than the main one: `unknown` is what NocoBase says when there is none of that
/// name; one that NocoBase knows lies in another database, which sidehook does not reach.
pub(super) async fn main_only(collections: &Collections, name: &str, unknown: &str) -> Result<(), Thrown> {
    if name == "main" {
        return Ok(());
    }
    let is_known = collections.store().has_data_source(name).await.map_err(database)?;
    if is_known {
        return Err(Thrown::error(format!(
            "the data source \"{name}\" is not the main one: sidehook reads and writes NocoBase's own database only"
        )));
    }
    Err(Thrown::type_error(unknown))
}

/// An error of reading what sidehook itself needs.
pub(super) fn database(err: sea_orm::DbErr) -> Thrown {
    Thrown::error(err.to_string())
}

/// What a node reads with.
pub(super) struct Source {
    pub collections: Arc<Collections>,
    pub schema: Arc<Schema>,
    now: chrono::DateTime<chrono::Utc>,
}

impl Source {
    /// With a schema that has the given collections, where they exist.
    pub async fn open(cx: &mut Context<'_>, names: &[&str]) -> Result<Self, Thrown> {
        let collections = cx.services().collections.clone();
        let now = cx.scope()?.system.now().to_utc();
        let mut schema = collections.schema();
        for name in names {
            schema = collections.schema_with(name).await.map_err(database)?;
        }
        Ok(Self { collections, schema, now })
    }

    /// Where the node reads: in the transaction of a transaction node around it, else on the pool.
    pub fn database<'a>(&'a self, cx: &'a mut Context<'_>) -> DatabaseExecutor<'a> {
        match cx.run().scope_transaction() {
            Some(transaction) => transaction.into(),
            None => (&self.collections.store().db).into(),
        }
    }

    pub fn reader<'a>(&'a self, db: &'a DatabaseExecutor<'a>) -> Reader<'a, DatabaseExecutor<'a>> {
        Reader { schema: &self.schema, codec: &self.collections.store().codec, db, now: self.now }
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
