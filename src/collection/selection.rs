//! The columns of a statement that reads records, and the attributes that are made of them.

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, SelectStatement};
use sea_orm::{DbBackend, QueryResult};

use super::field::{ColumnType, Field};
use super::record::{Record, attribute};
use super::row;
use super::shape::Collection;
use crate::expr::Object;
use crate::store::Codec;

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

    /// Takes out what was only read for loading associations.
    pub fn hide(&self, records: &mut [Record]) {
        let Some(shown) = &self.shown else { return };
        for record in records {
            let kept = record.values.iter().filter(|(name, _)| shown.contains(name));
            record.values = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
    }
}

fn is_opaque(field: &Field, backend: DbBackend) -> bool {
    let is_array = field.option("dataType").as_str() == Some("array");
    backend == DbBackend::Postgres && field.column_type == ColumnType::Other && !is_array
}
