//! Reads records: filter, order, page, fields and associations (`repository.ts`, `options-parser.ts`).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, NullOrdering, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, Order, QueryResult, Statement, StatementBuilder};

use super::error::thrown;
use super::field::{ColumnType, Field};
use super::filter::{self, Filter};
use super::include::{Include, includes};
use super::record::{Record, attribute};
use super::row;
use super::schema::{Collection, Schema};
use crate::expr::{Object, Thrown, Value};
use crate::store::Codec;

/// What reading needs besides the collection.
pub struct Reader<'a, C> {
    pub schema: &'a Schema,
    pub codec: &'a Codec,
    /// The pool, or a transaction.
    pub db: &'a C,
    /// What `today` and the like are relative to.
    pub now: DateTime<Utc>,
}

/// What to read of a collection.
#[derive(Clone, Debug, Default)]
pub struct Find {
    pub filter: Value,
    /// Only these attributes and associations; all attributes when not given.
    pub fields: Option<Vec<String>>,
    /// Attributes to leave out.
    pub except: Vec<String>,
    /// Associations to load, nested ones with dots.
    pub appends: Vec<String>,
    pub sort: Vec<Sort>,
    pub limit: Option<u64>,
    pub offset: Option<u64>,
}

/// A key to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    pub field: String,
    pub is_descending: bool,
}

/// The columns that a statement reads, and those that the record is to show.
pub(super) struct Selection {
    pub columns: Vec<SelectedColumn>,
    /// `None`: all of them.
    pub shown: Option<Vec<Arc<str>>>,
}

pub(super) struct SelectedColumn {
    pub name: Arc<str>,
    pub column: Arc<str>,
    pub field: Option<Field>,
}

impl Selection {
    /// The given attributes, or all of the collection.
    pub fn of(collection: &Collection, names: Option<&[Arc<str>]>) -> Self {
        let column = |name: &Arc<str>| match collection.field(name) {
            Some(field) => SelectedColumn {
                name: name.clone(),
                column: field.column.clone(),
                field: Some(field.clone()),
            },
            None => SelectedColumn { name: name.clone(), column: name.clone(), field: None },
        };
        match names {
            None => {
                Self { columns: collection.fields().map(|field| column(&field.name)).collect(), shown: None }
            }
            Some(names) => Self { columns: names.iter().map(column).collect(), shown: Some(names.to_vec()) },
        }
    }

    /// Reads an attribute besides, without showing it.
    pub fn require(&mut self, collection: &Collection, name: &str) {
        if let Some(field) =
            collection.field(name).filter(|_| !self.columns.iter().any(|one| &*one.name == name))
        {
            let (name, column) = (field.name.clone(), field.column.clone());
            self.columns.push(SelectedColumn { name, column, field: Some(field.clone()) });
        }
    }

    /// Adds the columns to a statement, from the table of this alias; `None` where there is but one table.
    pub fn select(&self, select: &mut SelectStatement, table: Option<&str>, backend: DbBackend) {
        for one in &self.columns {
            let column = match table {
                Some(table) => Expr::col((Alias::new(table), Alias::new(&*one.column))),
                None => Expr::col(Alias::new(&*one.column)),
            };
            match &one.field {
                // Of geometry and the like only the text can be read.
                Some(field) if is_opaque(field, backend) => select.expr(column.cast_as(Alias::new("text"))),
                _ => select.expr(column),
            };
        }
    }

    /// The attributes of a row, whose first one is at `start`.
    pub fn read(&self, row: &QueryResult, start: usize, codec: &Codec) -> Result<Object, sea_orm::DbErr> {
        let mut values = Object::with_capacity(self.columns.len());
        for (i, one) in self.columns.iter().enumerate() {
            let value = row::value(row, start + i, codec)?;
            let value = match &one.field {
                Some(field) => attribute(field, value, codec),
                None => value,
            };
            values.insert(one.name.clone(), value);
        }
        Ok(values)
    }
}

fn is_opaque(field: &Field, backend: DbBackend) -> bool {
    let is_array = field.option("dataType").as_str() == Some("array");
    backend == DbBackend::Postgres && field.column_type == ColumnType::Other && !is_array
}

impl<C: ConnectionTrait> Reader<'_, C> {
    /// The records that match, with their associations.
    pub async fn find(&self, collection: &Arc<Collection>, find: &Find) -> Result<Vec<Record>, Thrown> {
        let plan = self.plan(collection, find)?;
        let rows = match plan.is_of_keys {
            false => self.query(&plan.statement).await?,
            true => self.by_keys(collection, &plan).await?,
        };
        let mut records = self.records(collection, &plan.selection, &rows)?;
        self.load(&mut records, collection, &plan.includes).await?;
        plan.selection.hide(&mut records);
        Ok(records)
    }

    /// The statement that [`Reader::find`] begins with: it reads the records, or, where a filter follows an
    /// association to many, only their keys.
    pub fn statement(&self, collection: &Collection, find: &Find) -> Result<SelectStatement, Thrown> {
        Ok(self.plan(collection, find)?.statement)
    }

    fn plan(&self, collection: &Collection, find: &Find) -> Result<Plan, Thrown> {
        let mut appends = find.appends.clone();
        let names = attributes(collection, find, &mut appends);
        let mut selection = Selection::of(collection, names.as_deref());
        let includes = includes(self.schema, collection, &appends);
        self.require_keys(collection, &includes, &mut selection);
        if selection.columns.is_empty() {
            let quote = if self.codec.backend() == DbBackend::Postgres { '"' } else { '`' };
            let name = &collection.name;
            return Err(Thrown::error(format!(
                "Attempted a SELECT query for model '{name}' as {quote}{name}{quote} without selecting any columns"
            )));
        }
        let order = Ordering::parse(self.schema, collection, &find.sort)?;
        let filter = self.filter(collection, &find.filter)?;
        let backend = self.codec.backend();
        let mut statement = self.page(collection, &filter, &order, find);
        let is_of_keys = !filter.joins.are_single();
        if is_of_keys {
            // Each once, although a join may find it many times.
            let key = key_column(collection)?;
            statement.expr(key.clone()).add_group_by([key]);
            if backend == DbBackend::MySql {
                statement.add_group_by(order.columns(&collection.name));
            }
        } else {
            let table = Some(&*collection.name).filter(|_| !filter.joins.is_empty());
            selection.select(&mut statement, table, backend);
        }
        Ok(Plan { statement, is_of_keys, selection, includes, order })
    }

    pub(super) fn filter(&self, collection: &Collection, filter: &Value) -> Result<Filter, Thrown> {
        let (schema, codec, now) = (self.schema, self.codec, self.now);
        Filter::parse(filter, filter::Context { schema, collection, codec, now })
    }

    /// Everything but the columns.
    fn page(
        &self,
        collection: &Collection,
        filter: &Filter,
        order: &Ordering,
        find: &Find,
    ) -> SelectStatement {
        let mut select = self.filtered(collection, filter);
        order.apply(&mut select, &collection.name, self.codec.backend());
        if let Some(limit) = find.limit {
            select.limit(limit);
        }
        if let Some(offset) = find.offset.filter(|offset| *offset > 0 || find.limit.is_some()) {
            select.offset(offset);
        }
        select
    }

    /// The table under the collection's name, joined and filtered.
    pub(super) fn filtered(&self, collection: &Collection, filter: &Filter) -> SelectStatement {
        let mut select = Query::select();
        select.from_as(collection.table.table_ref(), Alias::new(&*collection.name));
        filter.joins.apply(&mut select, self.codec.backend());
        if let Some(condition) = &filter.condition {
            select.and_where(condition.clone());
        }
        select
    }

    /// First the keys of a page, then the records.
    async fn by_keys(&self, collection: &Collection, plan: &Plan) -> Result<Vec<QueryResult>, Thrown> {
        let column = key_column(collection)?;
        let mut found = Vec::new();
        for row in self.query(&plan.statement).await? {
            let value = row::value(&row, 0, self.codec).map_err(|err| thrown(&err, ""))?;
            found.push(super::bind::operand(&value, collection.key_field(), self.codec)?);
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Query::select();
        select
            .from_as(collection.table.table_ref(), Alias::new(&*collection.name))
            .and_where(column.is_in(found));
        plan.order.apply(&mut select, &collection.name, self.codec.backend());
        plan.selection.select(&mut select, None, self.codec.backend());
        self.query(&select).await
    }

    pub(super) fn records(
        &self,
        collection: &Arc<Collection>,
        selection: &Selection,
        rows: &[QueryResult],
    ) -> Result<Vec<Record>, Thrown> {
        let record = |row: &QueryResult| {
            let values = selection.read(row, 0, self.codec).map_err(|err| thrown(&err, ""))?;
            Ok(Record { collection: collection.clone(), values, linked: Vec::new() })
        };
        rows.iter().map(record).collect()
    }

    pub(super) async fn query<S: StatementBuilder>(&self, select: &S) -> Result<Vec<QueryResult>, Thrown> {
        let statement: Statement = self.codec.backend().build(select);
        let sql = statement.sql.clone();
        self.db.query_all_raw(statement).await.map_err(|err| thrown(&err, &sql))
    }

    /// The attributes that associations are loaded by.
    pub(super) fn require_keys(
        &self,
        collection: &Collection,
        includes: &[Include],
        selection: &mut Selection,
    ) {
        if includes.is_empty() {
            return;
        }
        if let Some(key) = &collection.primary_key {
            selection.require(collection, key);
        }
        for include in includes {
            if let Some(association) = collection.association(&include.association) {
                selection.require(collection, &association.foreign_key);
                selection.require(collection, &association.source_key);
            }
        }
    }
}

impl Selection {
    /// Takes out what was only read for loading associations.
    pub fn hide(&self, records: &mut [Record]) {
        let Some(shown) = &self.shown else { return };
        for record in records {
            let kept = record.values.iter().filter(|(name, _)| shown.contains(name));
            record.values = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
    }
}

/// How records are going to be read.
struct Plan {
    statement: SelectStatement,
    /// Whether the statement gives keys only.
    is_of_keys: bool,
    selection: Selection,
    includes: Vec<Include>,
    order: Ordering,
}

/// The primary key, without which records cannot be told apart.
pub(super) fn key_column(collection: &Collection) -> Result<Expr, Thrown> {
    let key = collection
        .key_field()
        .ok_or_else(|| Thrown::error(format!("Model {} does not have primary key", collection.name)))?;
    Ok(Expr::col((Alias::new(&*collection.name), Alias::new(&*key.column))))
}

/// The attributes to select: `None` is all. Associations among the fields are loaded, too.
fn attributes(collection: &Collection, find: &Find, appends: &mut Vec<String>) -> Option<Vec<Arc<str>>> {
    let is_association =
        |name: &str| collection.association(name.split('.').next().unwrap_or_default()).is_some();
    if let Some(fields) = &find.fields {
        let (linked, own): (Vec<&String>, Vec<&String>) =
            fields.iter().partition(|name| is_association(name));
        appends.extend(linked.into_iter().cloned());
        return Some(own.into_iter().map(|name| name.as_str().into()).collect());
    }
    if find.except.is_empty() {
        return None;
    }
    let kept = collection.fields().filter(|field| !find.except.iter().any(|name| **name == *field.name));
    Some(kept.map(|field| field.name.clone()).collect())
}

/// The order of records.
struct Ordering {
    keys: Vec<OrderKey>,
}

struct OrderKey {
    column: String,
    is_known: bool,
    is_descending: bool,
}

impl Ordering {
    /// The given keys, then the primary key, so that pages do not overlap.
    fn parse(schema: &Schema, collection: &Collection, sort: &[Sort]) -> Result<Self, Thrown> {
        let mut sort = sort.to_vec();
        if let Some(key) =
            collection.primary_key.as_deref().filter(|key| !sort.iter().any(|one| one.field == **key))
        {
            sort.push(Sort { field: key.to_owned(), is_descending: false });
        }
        let keys = sort.into_iter().map(|Sort { field, is_descending }| {
            if let Some((association, _)) = field.split_once('.') {
                return Err(not_sortable(schema, collection, association));
            }
            let known =
                collection.field(&field).or_else(|| collection.fields().find(|one| *one.column == *field));
            let column = known.map_or(field.clone(), |field| field.column.to_string());
            Ok(OrderKey { column, is_known: known.is_some(), is_descending })
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// Nulls come last in either direction.
    fn apply(&self, select: &mut SelectStatement, table: &str, backend: DbBackend) {
        for key in &self.keys {
            let column = || Expr::col((Alias::new(table), Alias::new(&key.column)));
            let order = if key.is_descending { Order::Desc } else { Order::Asc };
            if backend == DbBackend::MySql {
                if key.is_known {
                    select.order_by_expr(Func::cust("ISNULL").arg(column()).into(), Order::Asc);
                }
                select.order_by_expr(column(), order);
            } else {
                select.order_by_expr_with_nulls(column(), order, NullOrdering::Last);
            }
        }
    }

    fn columns(&self, table: &str) -> Vec<Expr> {
        let known = self.keys.iter().filter(|key| key.is_known);
        known.map(|key| Expr::col((Alias::new(table), Alias::new(&key.column)))).collect()
    }
}

/// Sorting by a field of an association fails in NocoBase.
fn not_sortable(schema: &Schema, collection: &Collection, association: &str) -> Thrown {
    match collection.association(association).and_then(|association| schema.get(&association.target)) {
        Some(target) => {
            Thrown::error(format!("Unable to find a valid association for model, '{}'", target.name))
        }
        None => Thrown::reading(&Value::Undefined, "target"),
    }
}
