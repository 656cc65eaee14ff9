//! Reads records: filter, order, page, fields and associations (`repository.ts`, `options-parser.ts`).

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, NullOrdering, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, Order, QueryResult};

use super::error::thrown;
use super::filter::Filter;
use super::include::{Include, includes};
use super::reader::{Reader, key_column};
use super::record::Record;
use super::row;
use super::schema::Schema;
use super::selection::Selection;
use super::shape::Collection;
use crate::expr::{Str, Thrown, Value};

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

impl<C: ConnectionTrait> Reader<'_, C> {
    /// The records that match, with their associations.
    pub async fn find(&self, collection: &Arc<Collection>, find: &Find) -> Result<Vec<Record>, Thrown> {
        let plan = self.plan(collection, find)?;
        let rows = match plan.is_of_keys {
            false => self.query(&plan.statement).await?,
            true => self.by_keys(collection, &plan).await?,
        };
        let mut records = self.records(collection, &plan.selection, &rows)?;
        self.link_files(&mut records).await?;
        self.load(&mut records, collection, &plan.includes).await?;
        // Without associations NocoBase leaves what its hooks have added beside the fields that were asked for.
        if !plan.includes.is_empty() {
            plan.selection.hide(&mut records);
        }
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
        select.from(collection.table.read_as(&collection.name)).and_where(column.is_in(found));
        plan.order.apply(&mut select, &collection.name, self.codec.backend());
        plan.selection.select(&mut select, None, self.codec.backend());
        self.query(&select).await
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

/// The attributes to select: `None` is all. Associations among the fields are loaded, too.
fn attributes(collection: &Collection, find: &Find, appends: &mut Vec<String>) -> Option<Vec<Str>> {
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
