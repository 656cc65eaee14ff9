//! The columns of a statement that reads records, and the attributes that are made of them.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{DbBackend, QueryResult};

use super::field::{ColumnType, Field};
use super::record::{Record, attribute};
use super::row;
use super::shape::Collection;
use crate::expr::{Object, Str};
use crate::store::Codec;

/// The columns that a statement reads, and those that the record is to show.
pub(super) struct Selection {
    /// The name of the collection, which is also that of its table in a statement of one table.
    collection: Str,
    pub columns: Vec<SelectedColumn>,
    /// `None`: all of them.
    pub shown: Option<Vec<Str>>,
}

pub(super) struct SelectedColumn {
    pub name: Str,
    pub column: Str,
    pub field: Option<Field>,
}

/// What records of a collection that others inherit from say of the table that they lie in.
pub(super) const TABLE_NAME: &str = "__tableName";
pub(super) const SCHEMA_NAME: &str = "__schemaName";
/// The collection of that table.
pub(super) const COLLECTION: &str = "__collection";

impl Selection {
    /// The given attributes, or all of the collection.
    pub(super) fn of(collection: &Collection, names: Option<&[Str]>) -> Self {
        let column = |name: &Str| match collection.field(name) {
            Some(field) => SelectedColumn {
                name: name.clone(),
                column: field.column.clone(),
                field: Some(field.clone()),
            },
            None => SelectedColumn { name: name.clone(), column: name.clone(), field: None },
        };
        let origin = || {
            let names = [TABLE_NAME, SCHEMA_NAME].iter().filter(|_| collection.is_parent);
            names.map(|name| SelectedColumn { name: (*name).into(), column: (*name).into(), field: None })
        };
        // NocoBase leaves out of SQL collections what they have no field for.
        let is_read = |name: &&Str| !collection.is_sql() || collection.field(name).is_some();
        match names {
            None => {
                let own = collection.fields().map(|field| column(&field.name));
                Self {
                    collection: collection.name.clone(),
                    columns: own.chain(origin()).collect(),
                    shown: None,
                }
            }
            Some(names) => {
                let columns: Vec<_> = origin().chain(names.iter().filter(is_read).map(column)).collect();
                let mut shown: Vec<_> = columns.iter().map(|one| one.name.clone()).collect();
                if collection.is_parent {
                    shown.push(COLLECTION.into());
                }
                Self { collection: collection.name.clone(), columns, shown: Some(shown) }
            }
        }
    }

    /// Reads an attribute besides, without showing it.
    pub(super) fn require(&mut self, collection: &Collection, name: &str) {
        if let Some(field) =
            collection.field(name).filter(|_| !self.columns.iter().any(|one| &*one.name == name))
        {
            let (name, column) = (field.name.clone(), field.column.clone());
            self.columns.push(SelectedColumn { name, column, field: Some(field.clone()) });
        }
    }

    /// Adds the columns to a statement, from the table of this alias; `None` where there is but one table.
    pub(super) fn select(&self, select: &mut SelectStatement, table: Option<&str>, backend: DbBackend) {
        for one in &self.columns {
            let origin = || origin_of_row(&one.name, table.unwrap_or(&self.collection));
            if let Some(origin) = one.field.is_none().then(origin).flatten() {
                select.expr(origin);
                continue;
            }
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
    pub(super) fn read(
        &self,
        row: &QueryResult,
        start: usize,
        codec: &Codec,
    ) -> Result<Object, sea_orm::DbErr> {
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

    /// Takes out what was only read for loading associations.
    pub(super) fn hide(&self, records: &mut [Record]) {
        let Some(shown) = &self.shown else { return };
        for record in records {
            let kept = record.values.iter().filter(|(name, _)| shown.contains(name));
            record.values = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
    }
}

/// Where a row lies, of a table that others inherit from.
fn origin_of_row(name: &str, table: &str) -> Option<Expr> {
    const SCHEMA: &str = "(SELECT nspname FROM pg_namespace WHERE pg_namespace.oid = pg_class.relnamespace)";
    let column = match name {
        TABLE_NAME => "relname",
        SCHEMA_NAME => SCHEMA,
        _ => return None,
    };
    let (class, oid) = (Alias::new("pg_class"), Expr::col((Alias::new(table), Alias::new("tableoid"))));
    let query = Query::select()
        .expr(Expr::cust(column).cast_as(Alias::new("text")))
        .from(class.clone())
        .and_where(Expr::col((class, Alias::new("oid"))).eq(oid))
        .to_owned();
    Some(Expr::SubQuery(None, Box::new(query.into())))
}

fn is_opaque(field: &Field, backend: DbBackend) -> bool {
    let is_array = field.option("dataType").as_str() == Some("array");
    backend == DbBackend::Postgres && field.column_type == ColumnType::Other && !is_array
}
