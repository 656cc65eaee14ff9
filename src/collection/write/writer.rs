//! What everything that writes works with: the transaction, and reading in it.

use std::sync::Arc;

use entity::{Names, Table};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, ExecResult, QueryResult, Statement, StatementBuilder};

use super::super::bind::operand;
use super::super::error::thrown;
use super::super::file_links::FileLinks;
use super::super::reader::Reader;
use super::super::row;
use super::super::schema::Schema;
use super::super::shape::Collection;
use super::instance::Instance;
use crate::expr::convert::to_number;
use crate::expr::evaluator::Evaluate;
use crate::expr::system::System;
use crate::expr::{Date, Thrown, Value};
use crate::store::Codec;

/// What writing needs besides the collection.
pub struct Writer<'a, C> {
    /// With the collection `sequences`, if there are fields of that type.
    pub schema: &'a Schema,
    pub codec: &'a Codec,
    pub names: &'a Names,
    /// The transaction.
    pub db: &'a C,
    pub system: &'a dyn System,
    /// What the addresses of files are made with.
    pub files: Option<&'a FileLinks>,
    /// What calculates formula fields; without it they are left as they are.
    pub evaluators: Option<&'a dyn Evaluate>,
}

impl<'a, C> Writer<'a, C> {
    /// Calculates formula fields with these.
    pub fn with_evaluators(self, evaluators: &'a dyn Evaluate) -> Self {
        Self { evaluators: Some(evaluators), ..self }
    }
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Reads in the same transaction.
    pub fn reader(&self) -> Reader<'_, C> {
        let now = self.system.now().to_utc();
        Reader { schema: self.schema, codec: self.codec, db: self.db, now, files: self.files }
    }

    /// The records that have one of these values, by their keys in ascending order.
    pub(super) async fn load(
        &self,
        collection: &Arc<Collection>,
        attribute: &str,
        values: &[Value],
    ) -> Result<Vec<Instance>, Thrown> {
        let mut found = Vec::new();
        for values in values.chunks(KEYS) {
            let condition = self.is_in(collection, attribute, values)?;
            found.extend(self.select(collection, condition).await?);
        }
        Ok(found)
    }

    /// One record by an attribute.
    pub(super) async fn load_one(
        &self,
        collection: &Arc<Collection>,
        attribute: &str,
        value: &Value,
    ) -> Result<Option<Instance>, Thrown> {
        Ok(self.load(collection, attribute, std::slice::from_ref(value)).await?.into_iter().next())
    }

    pub(super) async fn select(
        &self,
        collection: &Arc<Collection>,
        condition: Condition,
    ) -> Result<Vec<Instance>, Thrown> {
        let mut select = Query::select();
        select
            .columns(collection.fields().map(|field| Alias::new(&*field.column)))
            .from(collection.table.table_ref())
            .cond_where(condition);
        for key in collection.key_attributes().iter().filter_map(|key| collection.field(key)) {
            select.order_by(Alias::new(&*key.column), Order::Asc);
        }
        let rows = self.query(&select).await?;
        rows.iter().map(|row| Ok(Instance::existing(collection, self.row_values(collection, row)?))).collect()
    }

    pub(super) fn is_in(
        &self,
        collection: &Collection,
        attribute: &str,
        values: &[Value],
    ) -> Result<Condition, Thrown> {
        let field = collection.field(attribute).ok_or_else(|| no_field(collection, attribute))?;
        let column = Expr::col(Alias::new(&*field.column));
        let operands: Vec<Expr> =
            values.iter().map(|value| operand(value, Some(field), self.codec)).collect::<Result<_, _>>()?;
        Ok(Condition::all().add(column.is_in(operands)))
    }

    /// A collection that this one refers to.
    pub(super) fn collection(&self, name: &str) -> Result<Arc<Collection>, Thrown> {
        let found = self.schema.get(name).cloned();
        found.ok_or_else(|| Thrown::error(format!("collection {name} not found")))
    }

    pub(super) fn now(&self) -> Date {
        Date(self.system.now().timestamp_millis() as f64)
    }

    /// Lets nobody else count records of this collection until the transaction ends: its row in `collections` is
    /// locked. NocoBase has a lock in memory for this, which does not reach here.
    pub(super) async fn lock_collection(&self, name: &str) -> Result<(), Thrown> {
        if self.codec.backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let column = Alias::new(self.names.column_name("name"));
        let mut select = Query::select();
        select
            .column(column.clone())
            .from(self.names.table(Table::Collections))
            .and_where(Expr::col(column).eq(name))
            .lock_exclusive();
        self.query(&select).await.map(drop)
    }

    pub(super) async fn execute<S: StatementBuilder>(&self, statement: &S) -> Result<ExecResult, Thrown> {
        let statement: Statement = self.codec.backend().build(statement);
        let sql = statement.sql.clone();
        self.db.execute_raw(statement).await.map_err(|err| thrown(&err, &sql))
    }

    pub(super) async fn query(&self, select: &SelectStatement) -> Result<Vec<QueryResult>, Thrown> {
        let statement: Statement = self.codec.backend().build(select);
        let sql = statement.sql.clone();
        self.db.query_all_raw(statement).await.map_err(|err| thrown(&err, &sql))
    }

    /// The number in the first column of the first row.
    pub(super) async fn number(&self, select: &SelectStatement) -> Result<Option<f64>, Thrown> {
        let rows = self.query(select).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let value = row::value(first, 0, self.codec).map_err(|err| thrown(&err, ""))?;
        if value.is_nullish() { Ok(None) } else { to_number(&value).map(Some) }
    }
}

/// How many keys one statement asks for.
pub(super) const KEYS: usize = 10_000;

pub(super) fn no_field(collection: &Collection, attribute: &str) -> Thrown {
    Thrown::error(format!("the collection {} has no field {attribute}", collection.name))
}
