//! The collections of an external database: its tables and columns as NocoBase's introspectors name them, with what
//! NocoBase keeps of them laid over (`database-introspector.ts` and `mergeWithLoadedCollections` of
//! `database-data-source.ts`). Pure.

use std::collections::{BTreeMap, HashSet};

use entity::{JsonText, collection, field};
use indexmap::IndexMap;
use sea_orm::DbBackend;

use super::super::association::AssociationKind;
use super::super::definition::parse_options;
use crate::expr::{Object, Value, json};
use crate::store::metadata::Metadata;
use crate::store::source::SourceColumn;

/// What is read of an external database.
pub(super) struct Description<'a> {
    pub backend: DbBackend,
    pub columns: &'a [SourceColumn],
    /// `tablePrefix`: other tables are not there, and names of collections are without it.
    pub prefix: &'a str,
    /// Whether tables are there of which NocoBase keeps nothing (`addAllCollections`).
    pub takes_all: bool,
    /// What NocoBase keeps.
    pub kept: &'a Metadata,
}

/// Rows as NocoBase would keep them of all that is there.
pub(super) fn metadata(described: &Description<'_>) -> Metadata {
    let mut tables: IndexMap<&str, Vec<&SourceColumn>> = IndexMap::new();
    for column in described.columns {
        tables.entry(&column.table).or_default().push(column);
    }
    let mut options: BTreeMap<&str, Value> = BTreeMap::new();
    for row in &described.kept.collections {
        options.insert(&row.name, parse_options(row.options.as_ref()));
    }
    let mut fields: BTreeMap<&str, Vec<KeptField>> = BTreeMap::new();
    for row in &described.kept.fields {
        let Some(owner) = row.collection_name.as_deref() else { continue };
        fields.entry(owner).or_default().push(KeptField::new(row));
    }
    let mut merged = Metadata::default();
    for (table, columns) in tables {
        let Some(name) = collection_name(table, described.prefix) else { continue };
        let own = options.get(name.as_str());
        let kept = fields.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        if !described.takes_all && own.is_none() && kept.is_empty() {
            continue;
        }
        let fields = merge(&columns, kept, described.backend);
        merged.collections.push(collection::Model {
            name: name.clone(),
            options: Some(stored(&collection_options(table, &fields, own))),
        });
        merged.fields.extend(fields.into_iter().map(|field| field.into_row(&name)));
    }
    merged
}

/// The name of a table's collection; `None` for tables of others.
fn collection_name(table: &str, prefix: &str) -> Option<String> {
    Some(table.strip_prefix(prefix)?.replace('.', "_"))
}

/// A field with all its options.
#[derive(Clone)]
struct KeptField {
    name: String,
    type_name: String,
    interface: Option<String>,
    options: Object,
}

impl KeptField {
    fn new(row: &field::Model) -> Self {
        let options = parse_options(row.options.as_ref()).as_object().cloned().unwrap_or_default();
        let type_name = options.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { name: row.name.clone(), type_name, interface: row.interface.clone(), options }
    }

    /// The column that it names, else its own name.
    fn column(&self) -> &str {
        let named = ["columnName", "field"].into_iter().find_map(|key| self.options.get(key)?.as_str());
        named.filter(|name| !name.is_empty()).unwrap_or(&self.name)
    }

    /// Whether it is another name of a column.
    fn is_alias(&self) -> bool {
        self.options
            .get("field")
            .and_then(Value::as_str)
            .is_some_and(|field| !field.is_empty() && field != self.name)
    }

    fn into_row(self, collection: &str) -> field::Model {
        field::Model {
            name: self.name,
            r#type: Some(self.type_name),
            interface: self.interface,
            collection_name: Some(collection.to_owned()),
            options: Some(stored(&self.options)),
        }
    }
}

fn stored(options: &Object) -> JsonText {
    JsonText(json::stringify_or_null(&Value::from(options.clone())))
}

/// The fields of the columns, with what is kept of them, then what is kept besides: further names of columns, and
/// associations.
fn merge(columns: &[&SourceColumn], kept: &[KeptField], backend: DbBackend) -> Vec<KeptField> {
    let mut fields: Vec<KeptField> = Vec::new();
    for column in columns {
        let Some(read) = field_of(column, backend) else { continue };
        let of_column = || kept.iter().filter(|field| field.column() == column.name);
        let own = kept.iter().find(|field| field.name == column.name);
        let own = own.or_else(|| of_column().find(|field| !field.is_alias())).or_else(|| of_column().next());
        fields.push(match own {
            Some(own) => over(read, own),
            None => read,
        });
    }
    let mut names: HashSet<String> = fields.iter().map(|field| field.name.clone()).collect();
    let is_association = |field: &KeptField| AssociationKind::parse(&field.type_name).is_some();
    for field in kept.iter().filter(|field| field.is_alias() || is_association(field)) {
        if names.insert(field.name.clone()) {
            fields.push(field.clone());
        }
    }
    fields
}

/// What is kept of a field wins over what the database says of its column, but for nulls and `allowNull`.
fn over(read: KeptField, own: &KeptField) -> KeptField {
    let mut options = read.options;
    for (name, value) in own.options.iter() {
        let is_of_the_database =
            &**name == "allowNull" || (value.is_nullish() && options.get(name).is_some());
        if !is_of_the_database {
            options.insert(name.clone(), value.clone());
        }
    }
    let type_name = if own.type_name.is_empty() { read.type_name } else { own.type_name.clone() };
    KeptField { name: own.name.clone(), type_name, interface: own.interface.clone(), options }
}

/// The field that NocoBase makes of a column; `None` for types that it leaves out.
fn field_of(column: &SourceColumn, backend: DbBackend) -> Option<KeptField> {
    let kind = match backend {
        DbBackend::Postgres => of_postgres(&column.type_name)?,
        DbBackend::MySql => of_mysql(&column.type_name)?,
        _ => of_sqlite(&column.type_name)?,
    };
    let mut options: Object = [
        ("type", Value::from(kind)),
        ("field", column.name.as_str().into()),
        ("primaryKey", column.is_primary_key.into()),
        ("autoIncrement", column.is_generated.into()),
        ("allowNull", column.allows_null.into()),
    ]
    .into_iter()
    .collect();
    if column.type_name.starts_with('_') {
        options.insert("dataType", Value::from("array"));
    }
    Some(KeptField { name: column.name.clone(), type_name: kind.to_owned(), interface: None, options })
}

/// The options of a collection: those that follow from its fields, then those that are kept. The table is the one that
/// was found, whatever is kept.
fn collection_options(table: &str, fields: &[KeptField], own: Option<&Value>) -> Object {
    let is = |field: &KeptField, flag: &str| field.options.get(flag).is_some_and(Value::is_truthy);
    let named = |flag: &str| -> Vec<Value> {
        fields.iter().filter(|field| is(field, flag)).map(|field| Value::from(field.name.as_str())).collect()
    };
    let keys = named("primaryKey");
    let key = match keys.len() {
        0 => named("autoIncrement").into_iter().next(),
        1 => named("autoIncrement").into_iter().next().or_else(|| keys.into_iter().next()),
        _ => Some(Value::array(keys)),
    };
    let mut options: Object =
        [("timestamps", Value::from(false)), ("autoGenId", false.into())].into_iter().collect();
    if let Some(key) = key {
        options.insert("filterTargetKey", key);
    }
    for (name, value) in own.and_then(Value::as_object).into_iter().flat_map(Object::iter) {
        if !value.is_nullish() {
            options.insert(name.clone(), value.clone());
        }
    }
    // The names are those of the database, without a prefix or another case, in the schema of the source.
    for (name, value) in [
        ("tableName", Value::from(table)),
        ("viewName", table.into()),
        ("from", "dbsync".into()),
        ("underscored", false.into()),
        ("schema", Value::Null),
    ] {
        options.insert(name, value);
    }
    options
}

fn of_postgres(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        name if name.starts_with('_') => "array",
        "varchar" | "bpchar" | "char" | "oid" | "name" => "string",
        "text" => "text",
        "int2" | "int4" => "integer",
        "int8" => "bigInt",
        "numeric" => "decimal",
        "float4" | "float8" => "float",
        "timestamp" => "datetimeNoTz",
        "timestamptz" => "datetimeTz",
        "time" => "time",
        "date" => "dateOnly",
        "bool" => "boolean",
        "json" | "jsonb" | "point" | "path" | "polygon" | "circle" => "json",
        "uuid" => "uuid",
        _ => return None,
    })
}

fn of_mysql(type_name: &str) -> Option<&'static str> {
    let base = type_name.split(['(', ' ']).next().unwrap_or_default();
    Some(match base {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" => "integer",
        "bigint" => "bigInt",
        "char" | "varchar" | "year" | "enum" => "string",
        "tinytext" | "text" | "mediumtext" | "longtext" => "text",
        "date" => "dateOnly",
        "time" => "time",
        "float" | "double" => "float",
        "decimal" => "decimal",
        "boolean" => "boolean",
        "datetime" => "datetimeNoTz",
        "timestamp" => "datetimeTz",
        "json" => "json",
        _ => return None,
    })
}

/// NocoBase has no external data sources on SQLite: the list is that of its introspector, with the types that sidehook's
/// own tables have.
fn of_sqlite(type_name: &str) -> Option<&'static str> {
    let base = type_name.split(['(', ' ']).next().unwrap_or_default();
    Some(match base {
        "text" => "text",
        "varchar" | "char" => "string",
        "integer" | "int" | "smallint" | "tinyint" => "integer",
        "bigint" => "bigInt",
        "real" => "real",
        "double" | "float" => "float",
        "datetime" => "datetimeTz",
        "date" => "date",
        "time" => "time",
        "boolean" => "boolean",
        "numeric" | "decimal" => "decimal",
        "json" => "json",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(table: &str, name: &str, type_name: &str, is_primary_key: bool) -> SourceColumn {
        SourceColumn {
            table: table.into(),
            name: name.into(),
            type_name: type_name.into(),
            is_primary_key,
            is_generated: is_primary_key,
            allows_null: !is_primary_key,
        }
    }

    fn kept(fields: &[(&str, &str, &str)]) -> Metadata {
        let row = |(owner, name, options): &(&str, &str, &str)| field::Model {
            name: (*name).into(),
            r#type: None,
            interface: None,
            collection_name: Some((*owner).into()),
            options: Some(JsonText((*options).into())),
        };
        Metadata { collections: Vec::new(), fields: fields.iter().map(row).collect() }
    }

    fn merged(columns: &[SourceColumn], prefix: &str, takes_all: bool, kept: &Metadata) -> Vec<String> {
        let described = Description { backend: DbBackend::Postgres, columns, prefix, takes_all, kept };
        let merged = metadata(&described);
        let field = |row: &field::Model| {
            let owner = row.collection_name.as_deref().unwrap_or_default();
            format!("{owner}.{}: {}", row.name, row.r#type.as_deref().unwrap_or_default())
        };
        merged.fields.iter().map(field).collect()
    }

    #[test]
    fn columns_become_fields_and_what_is_kept_wins() {
        let columns = [
            column("t_orders", "id", "int8", true),
            column("t_orders", "ref_no", "varchar", false),
            column("t_orders", "odd", "tsvector", false),
            column("t_orders", "tags", "_text", false),
            column("other", "id", "int4", true),
        ];
        let kept = kept(&[
            ("orders", "ref", r#"{"type":"uid","field":"ref_no"}"#),
            ("orders", "customer", r#"{"type":"belongsTo","target":"customers"}"#),
            ("orders", "gone", r#"{"type":"string"}"#),
        ]);
        assert_eq!(
            merged(&columns, "t_", true, &kept),
            ["orders.id: bigInt", "orders.ref: uid", "orders.tags: array", "orders.customer: belongsTo"]
        );
        assert_eq!(merged(&columns, "", false, &kept), [""; 0], "only what is kept");
    }
}
