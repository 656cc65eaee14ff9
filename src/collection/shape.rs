//! What a collection is to all that reads and writes it: its table, its attributes, its associations and its keys. How
//! it is derived from rows is up to `definition`, `link` and `schema`.

use entity::{Names, snake_case};
use indexmap::IndexMap;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, Func, IntoIden, IntoTableRef, TableRef};

use super::association::Association;
use super::field::{ColumnType, Field, FieldType};
use crate::expr::{Str, Value};

/// A collection: a table, or a view, with what NocoBase knows of it.
#[derive(Clone, Debug)]
pub struct Collection {
    pub name: Str,
    pub table: TableName,
    /// In the order of NocoBase's model.
    pub(super) fields: IndexMap<Str, Field>,
    pub(super) associations: IndexMap<Str, Association>,
    /// The attribute that identifies a record, if there is a single one.
    pub primary_key: Option<Str>,
    /// The attribute that is set when a record is created.
    pub created_at: Option<Str>,
    /// The attribute that is set whenever a record is saved.
    pub updated_at: Option<Str>,
    /// Whether others inherit from it: then its rows may be in their tables.
    pub is_parent: bool,
    /// `collections.options`: an object.
    pub options: Value,
}

/// A table with its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// On PostgreSQL; `None` is the search path.
    pub schema: Option<Str>,
    pub name: Str,
    /// The statement that an SQL collection is read from: there is no table then.
    pub sql: Option<Str>,
}

impl TableName {
    /// For sea-query.
    pub fn table_ref(&self) -> TableRef {
        let name = Alias::new(&*self.name);
        match &self.schema {
            Some(schema) => (Alias::new(&**schema), name).into_table_ref(),
            None => name.into_table_ref(),
        }
    }

    /// What rows are read from, under another name.
    pub fn read_as(&self, alias: &str) -> TableRef {
        let alias = Alias::new(alias);
        match &self.sql {
            // A function without a name is a pair of parentheses.
            Some(sql) => {
                TableRef::FunctionCall(Func::cust("").arg(Expr::cust(sql.to_string())), alias.into_iden())
            }
            None => self.table_ref().alias(alias),
        }
    }
}

impl Collection {
    /// An attribute: a field with a column.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// All attributes, in the order of the columns of a result.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.values()
    }

    pub fn association(&self, name: &str) -> Option<&Association> {
        self.associations.get(name)
    }

    pub fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.values()
    }

    /// The field of the primary key.
    pub fn key_field(&self) -> Option<&Field> {
        self.field(self.primary_key.as_deref()?)
    }

    /// The attributes that identify a record: all of a composite key.
    pub fn key_attributes(&self) -> Vec<Str> {
        let declared = self.fields().filter(|field| field.is_primary_key());
        let declared: Vec<Str> = declared.map(|field| field.name.clone()).collect();
        if declared.is_empty() { self.primary_key.iter().cloned().collect() } else { declared }
    }

    /// The attribute that NocoBase finds records by.
    pub fn target_key(&self) -> Option<Str> {
        match self.option("filterTargetKey") {
            Value::Text(key) if self.field(&key).is_some() => Some(key),
            _ => self.primary_key.clone(),
        }
    }

    pub fn option(&self, name: &str) -> Value {
        self.options.member(name)
    }

    /// Whether it is read from a statement instead of a table.
    pub fn is_sql(&self) -> bool {
        self.table.sql.is_some()
    }

    /// Whether its records are files of NocoBase's file manager.
    pub fn is_of_files(&self) -> bool {
        &*self.name == "attachments" || self.option("template").as_str() == Some("file")
    }
}

pub(super) fn is_underscored(names: &Names, options: &Value) -> bool {
    match options.member("underscored") {
        _ if options.member("sql").is_truthy() => false,
        value if value.is_nullish() => names.underscored(),
        value => value.is_truthy(),
    }
}

/// The column of an attribute that has no `field` option of its own.
pub(super) fn column_name(names: &Names, collection: &Value, attribute: &str) -> Str {
    if is_underscored(names, collection) { snake_case(attribute).into() } else { attribute.into() }
}

/// The key column that an association adds where there is no field of its name.
pub(super) fn key_field(
    names: &Names,
    collection: &Value,
    name: &str,
    like: Option<&Field>,
    backend: DbBackend,
) -> Field {
    let kind = match like.map(|field| field.kind) {
        None | Some(FieldType::SnowflakeId | FieldType::Sort) => FieldType::BigInt,
        Some(kind) => kind,
    };
    Field {
        name: name.into(),
        column: column_name(names, collection, name),
        kind,
        column_type: like.map_or(ColumnType::BigInt, |field| field.kind.column_type(&field.options, backend)),
        is_declared: false,
        options: Value::empty_object(),
    }
}
