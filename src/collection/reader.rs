//! What every way of reading starts from: the collections, the connection and the clock; filters as statements, and
//! rows as records.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, Query, SelectStatement};
use sea_orm::{ConnectionTrait, QueryResult, Statement, StatementBuilder};

use super::error::thrown;
use super::file_links::FileLinks;
use super::filter::{self, Filter};
use super::record::Record;
use super::schema::Schema;
use super::selection::{COLLECTION, SCHEMA_NAME, Selection, TABLE_NAME};
use super::shape::Collection;
use crate::expr::{Thrown, Value};
use crate::store::Codec;

/// What reading needs besides the collection.
pub struct Reader<'a, C> {
    pub schema: &'a Schema,
    pub codec: &'a Codec,
    /// The pool, or a transaction.
    pub db: &'a C,
    /// What `today` and the like are relative to.
    pub now: DateTime<Utc>,
    /// What the addresses of files are made with; without it they are those that are stored.
    pub files: Option<&'a FileLinks>,
}

impl<C: ConnectionTrait> Reader<'_, C> {
    pub(super) fn filter(&self, collection: &Collection, filter: &Value) -> Result<Filter, Thrown> {
        let (schema, codec, now) = (self.schema, self.codec, self.now);
        Filter::parse(filter, filter::Context { schema, collection, codec, now })
    }

    /// The table under the collection's name, joined and filtered.
    pub(super) fn filtered(&self, collection: &Collection, filter: &Filter) -> SelectStatement {
        let mut select = Query::select();
        select.from(collection.table.read_as(&collection.name));
        filter.joins.apply(&mut select, self.codec.backend());
        if let Some(condition) = &filter.condition {
            select.and_where(condition.clone());
        }
        select
    }

    pub(super) fn records(
        &self,
        collection: &Arc<Collection>,
        selection: &Selection,
        rows: &[QueryResult],
    ) -> Result<Vec<Record>, Thrown> {
        let record = |row: &QueryResult| {
            let values = selection.read(row, 0, self.codec).map_err(|err| thrown(&err, ""))?;
            let mut record = Record { collection: collection.clone(), values, linked: Vec::new() };
            self.set_collection(&mut record);
            Ok(record)
        };
        rows.iter().map(record).collect()
    }

    /// Says which collection a record belongs to that was read through a parent of it.
    pub(super) fn set_collection(&self, record: &mut Record) {
        if !record.collection.is_parent {
            return;
        }
        let (schema, table) = (record.get(SCHEMA_NAME), record.get(TABLE_NAME));
        let (Some(schema), Some(table)) = (schema.as_str(), table.as_str()) else { return };
        if let Some(own) = self.schema.of_table(schema, table) {
            record.values.insert(COLLECTION, Value::Text(own.name.clone()));
        }
    }

    pub(super) async fn query<S: StatementBuilder>(&self, select: &S) -> Result<Vec<QueryResult>, Thrown> {
        let statement: Statement = self.codec.backend().build(select);
        let (count, most) =
            (statement.values.as_ref().map_or(0, |values| values.0.len()), self.codec.bind_limit());
        if count > most {
            return Err(Thrown::error(format!(
                "the statement has {count} values, and this database takes at most {most} in one: divide the list"
            )));
        }
        let sql = statement.sql.clone();
        self.db.query_all_raw(statement).await.map_err(|err| thrown(&err, &sql))
    }
}

/// The primary key, without which records cannot be told apart.
pub(super) fn key_column(collection: &Collection) -> Result<Expr, Thrown> {
    let key = collection
        .key_field()
        .ok_or_else(|| Thrown::error(format!("Model {} does not have primary key", collection.name)))?;
    Ok(Expr::col((Alias::new(&*collection.name), Alias::new(&*key.column))))
}
