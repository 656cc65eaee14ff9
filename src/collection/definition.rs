//! One collection, made from its rows, or from its table where it has none: attributes, their columns, the key and
//! the times. Associations come later, when all collections are there (`link`).

use std::collections::BTreeSet;

use entity::{JsonText, Names, snake_case};
use indexmap::IndexMap;
use sea_orm::DbBackend;

use super::association::AssociationKind;
use super::field::{Field, FieldType};
use super::link::Link;
use super::name::camelize;
use super::shape::{Collection, TableName, column_name, is_underscored};
use crate::expr::{Object, Str, Value, json};
use crate::store::metadata::{Metadata, TableColumn};

/// How the table of a collection is called, by its options.
pub(super) fn table_name(names: &Names, backend: DbBackend, name: &str, options: &Value) -> TableName {
    let text = |key: &str| match options.member(key) {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    let base = if options.member("view").is_truthy() {
        text("viewName").unwrap_or_else(|| name.into())
    } else {
        let base = text("tableName").unwrap_or_else(|| name.into());
        if is_underscored(names, options) { snake_case(&base).into() } else { base }
    };
    let is_synced = text("from").as_deref() == Some("dbsync");
    let table = if is_synced { base.to_string() } else { names.prefixed(&base) };
    let sql = text("sql").map(|sql| sql.trim().strip_suffix(';').unwrap_or(sql.trim()).into());
    let schema = match backend {
        DbBackend::Postgres if sql.is_none() => text("schema").or_else(|| names.schema().map(Str::from)),
        _ => None,
    };
    TableName { schema, name: table.into(), sql }
}

pub(super) fn parse_options(text: Option<&JsonText>) -> Value {
    let value = text.and_then(|text| json::parse(text.0.as_bytes()).ok()).unwrap_or_default();
    // PostgreSQL's rows that were written as a JSON string hold the object as text.
    let value = match &value {
        Value::Text(text) => json::parse(text.as_bytes()).unwrap_or_default(),
        _ => value,
    };
    if value.as_object().is_some() { value } else { Value::empty_object() }
}

/// The rows of one collection.
pub(super) struct CollectionRows<'a> {
    options: Value,
    fields: Vec<FieldRow<'a>>,
}

impl CollectionRows<'_> {
    /// The collections that it inherits from.
    pub(super) fn parents(&self) -> Vec<Str> {
        let parents = self.options.member("inherits");
        let parents = match &parents {
            Value::Array(parents, _) => parents.items(),
            one => std::slice::from_ref(one),
        };
        let name = |parent: &Value| match parent {
            Value::Text(name) => Some(name.clone()),
            _ => None,
        };
        parents.iter().filter_map(name).collect()
    }
}

#[derive(Clone)]
pub(super) struct FieldRow<'a> {
    pub row: &'a entity::field::Model,
    /// With `interface`.
    pub options: Value,
}

impl FieldRow<'_> {
    pub(super) fn type_name(&self) -> &str {
        self.row.r#type.as_deref().unwrap_or_default()
    }
}

fn rows_by_collection(metadata: &Metadata) -> IndexMap<&str, CollectionRows<'_>> {
    let mut rows: IndexMap<&str, CollectionRows<'_>> = IndexMap::new();
    for row in &metadata.collections {
        let options = parse_options(row.options.as_ref());
        rows.insert(&row.name, CollectionRows { options, fields: Vec::new() });
    }
    for row in &metadata.fields {
        let owner = row.collection_name.as_deref().and_then(|name| rows.get_mut(name));
        if let Some(owner) = owner {
            let mut options = parse_options(row.options.as_ref()).as_object().cloned().unwrap_or_default();
            if let Some(interface) = &row.interface {
                options.insert("interface", Value::text(interface.as_str()));
            }
            owner.fields.push(FieldRow { row, options: Value::from(options) });
        }
    }
    rows
}

pub(super) struct Builder<'a> {
    pub names: &'a Names,
    pub backend: DbBackend,
    pub rows: IndexMap<&'a str, CollectionRows<'a>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(names: &'a Names, backend: DbBackend, metadata: &'a Metadata) -> Self {
        Self { names, backend, rows: rows_by_collection(metadata) }
    }

    /// A collection with everything but associations and the keys that these add.
    pub(super) fn collection(&self, name: &str) -> Collection {
        let options = self.rows.get(name).map(|rows| rows.options.clone()).unwrap_or_default();
        let rows = self.own_and_inherited(name);
        let is_view = options.member("view").is_truthy() || options.member("sql").is_truthy();
        let mut fields = IndexMap::new();
        let has_key = rows.iter().any(|row| row.options.member("primaryKey").is_truthy());
        if !has_key && !is_view && is_not_false(&options, "autoGenId") {
            let id = object([("primaryKey", true.into()), ("autoIncrement", true.into())]);
            self.add(&mut fields, &options, Attribute::implicit("id", FieldType::BigInt, id));
        }
        let has_times = !is_view && is_not_false(&options, "timestamps");
        let mut times = ["createdAt", "updatedAt"].map(|time| {
            let time = has_times.then(|| time_attribute(&options, time)).flatten()?;
            self.add(&mut fields, &options, Attribute::implicit(&time, FieldType::Date, Value::default()));
            // Only fields of NocoBase have a getter, implicit times do not; see `Record`.
            Some(time)
        });
        for row in &rows {
            let Some(kind) = FieldType::parse(row.type_name()) else { continue };
            if AssociationKind::parse(row.type_name()).is_some() {
                continue;
            }
            self.add(&mut fields, &options, Attribute::declared(&row.row.name, kind, row.options.clone()));
            for (place, time) in ["createdAt", "updatedAt"].iter().enumerate() {
                if kind == FieldType::Date && row.row.interface.as_deref() == Some(time) {
                    times[place] = Some(row.row.name.as_str().into());
                }
            }
        }
        if let Some((sort, sort_options)) = sort_field(&options)
            && !fields.contains_key(&*sort)
        {
            self.add(&mut fields, &options, Attribute::declared(&sort, FieldType::Sort, sort_options));
        }
        let [created_at, updated_at] = times;
        let primary_key = primary_key(&fields, &options);
        Collection {
            name: name.into(),
            table: table_name(self.names, self.backend, name, &options),
            fields,
            associations: IndexMap::new(),
            primary_key,
            created_at,
            updated_at,
            is_parent: false,
            options,
        }
    }

    /// A collection of which only the table is known.
    pub(super) fn of_table(&self, name: &str, columns: &[TableColumn], options: Value) -> Collection {
        let mut fields = IndexMap::new();
        for column in columns {
            let attribute = match self.names.underscored() {
                true => camelize(&column.name),
                false => column.name.clone(),
            };
            let kind = match kind_of_column(&column.type_name) {
                // SQLite's row ids are called so whatever their field is.
                FieldType::Integer if column.is_primary_key => FieldType::BigInt,
                kind => kind,
            };
            let is_array = column.type_name.starts_with('_');
            let of_field = object([
                ("field", column.name.as_str().into()),
                ("primaryKey", column.is_primary_key.into()),
                ("dataType", if is_array { "array".into() } else { Value::Undefined }),
            ]);
            let field = Field {
                name: attribute.as_str().into(),
                column: column.name.as_str().into(),
                kind,
                column_type: kind.column_type(&of_field, self.backend),
                is_declared: true,
                options: of_field,
            };
            fields.insert(field.name.clone(), field);
        }
        let time = |name: &str| fields.get_key_value(name).map(|(name, _)| name.clone());
        let keys = fields.values().filter(|field| field.is_primary_key()).count();
        Collection {
            name: name.into(),
            table: table_name(self.names, self.backend, name, &options),
            associations: IndexMap::new(),
            primary_key: (keys == 1).then(|| primary_key(&fields, &options)).flatten(),
            created_at: time("createdAt"),
            updated_at: time("updatedAt"),
            is_parent: false,
            options,
            fields,
        }
    }

    /// What the options `createdBy` and `updatedBy` add: a key and an association to the users.
    pub(super) fn add_authors(&self, name: &str, collections: &mut IndexMap<Str, Collection>) {
        for (flag, key) in [("createdBy", "createdById"), ("updatedBy", "updatedById")] {
            let Some(own) = collections.get_mut(name) else { return };
            if !matches!(own.option(flag), Value::Bool(true)) {
                continue;
            }
            if !own.fields.contains_key(key) {
                let options = object([("dataType", "bigInt".into())]);
                let collection = own.options.clone();
                let key = Attribute::declared(key, FieldType::Context, options);
                self.add(&mut own.fields, &collection, key);
            }
            if !own.associations.contains_key(flag) {
                let users = [("target", "users"), ("foreignKey", key), ("targetKey", "id")];
                let options = object(users.map(|(key, name)| (key, name.into())));
                let kind = AssociationKind::BelongsTo;
                let link = Link { collection: name, name: flag, kind, options: &options };
                link.add_to(collections, self.backend, self.names);
            }
        }
    }

    fn add(&self, fields: &mut IndexMap<Str, Field>, collection: &Value, attribute: Attribute<'_>) {
        let Attribute { name, kind, options, is_declared } = attribute;
        let column = match options.member("field") {
            Value::Text(column) if collection.member("view").is_truthy() => column,
            Value::Text(column) => column_name(self.names, collection, &column),
            _ => column_name(self.names, collection, name),
        };
        let column_type = kind.column_type(&options, self.backend);
        let field = Field { name: name.into(), column, kind, column_type, is_declared, options };
        fields.insert(field.name.clone(), field);
    }

    /// The field rows of the collections that this one inherits from, then its own. A field that is there
    /// twice is the own one.
    pub(super) fn own_and_inherited(&self, name: &str) -> Vec<FieldRow<'_>> {
        let mut found: IndexMap<&str, FieldRow<'_>> = IndexMap::new();
        let mut seen = BTreeSet::new();
        self.collect_rows(name, &mut seen, &mut found);
        found.into_values().collect()
    }

    fn collect_rows<'b>(
        &'b self,
        name: &str,
        seen: &mut BTreeSet<String>,
        found: &mut IndexMap<&'b str, FieldRow<'b>>,
    ) {
        let Some(rows) = self.rows.get(name) else { return };
        if !seen.insert(name.to_owned()) {
            return;
        }
        for parent in rows.parents() {
            self.collect_rows(&parent, seen, found);
        }
        for row in &rows.fields {
            found.insert(&row.row.name, row.clone());
        }
    }
}

/// A field that is to be added to a collection.
struct Attribute<'a> {
    name: &'a str,
    kind: FieldType,
    options: Value,
    is_declared: bool,
}

impl<'a> Attribute<'a> {
    /// One that NocoBase has a field for.
    fn declared(name: &'a str, kind: FieldType, options: Value) -> Self {
        Self { name, kind, options, is_declared: true }
    }

    /// One that NocoBase's models have by themselves.
    fn implicit(name: &'a str, kind: FieldType, options: Value) -> Self {
        Self { name, kind, options, is_declared: false }
    }
}

fn is_not_false(options: &Value, key: &str) -> bool {
    !matches!(options.member(key), Value::Bool(false))
}

/// The attribute of one of the two times: only `false` turns it off, a text renames it.
fn time_attribute(options: &Value, key: &str) -> Option<Str> {
    match options.member(key) {
        Value::Bool(false) => None,
        Value::Text(name) if !name.is_empty() => Some(name),
        _ => Some(key.into()),
    }
}

/// The field that the option `sortable` adds.
fn sort_field(options: &Value) -> Option<(Str, Value)> {
    let mut field: Object = [("hidden", Value::from(true))].into_iter().collect();
    let name = match options.member("sortable") {
        Value::Bool(true) => "sort".into(),
        Value::Text(name) => name,
        Value::Object(own, _) => {
            own.iter().for_each(|(key, value)| field.insert(key.clone(), value.clone()));
            own.get("name").and_then(Value::as_str).unwrap_or("sort").into()
        }
        _ => return None,
    };
    Some((name, Value::from(field)))
}

fn primary_key(fields: &IndexMap<Str, Field>, options: &Value) -> Option<Str> {
    let declared = fields.values().find(|field| field.is_primary_key()).map(|field| field.name.clone());
    declared.or_else(|| {
        let key = match options.member("filterTargetKey") {
            Value::Text(key) => key,
            Value::Array(keys, _) if keys.items().len() == 1 => keys.items()[0].as_str()?.into(),
            _ => return None,
        };
        fields.contains_key(&*key).then_some(key)
    })
}

/// The field type that NocoBase would most likely give a column; texts, numbers and times do not lose anything.
fn kind_of_column(type_name: &str) -> FieldType {
    let base = type_name.split(['(', ' ']).next().unwrap_or_default();
    match (base, type_name) {
        ("tinyint", name) if name.starts_with("tinyint(1)") => FieldType::Boolean,
        ("bool" | "boolean", _) => FieldType::Boolean,
        ("int8" | "bigint" | "bigserial", _) => FieldType::BigInt,
        ("int2" | "int4" | "int" | "integer" | "smallint" | "mediumint" | "tinyint", _) => FieldType::Integer,
        ("float4" | "float8" | "float" | "double" | "real", _) => FieldType::Double,
        ("numeric" | "decimal", _) => FieldType::Decimal,
        ("json", _) => FieldType::Json,
        ("jsonb", _) => FieldType::Jsonb,
        ("timestamptz" | "datetime", _) => FieldType::Date,
        ("timestamp", _) => FieldType::DatetimeNoTz,
        ("date", _) => FieldType::DateOnly,
        ("time", _) => FieldType::Time,
        ("uuid", _) => FieldType::Uuid,
        ("varchar" | "bpchar" | "char" | "name", _) => FieldType::String,
        ("text" | "tinytext" | "mediumtext" | "longtext", _) => FieldType::Text,
        ("bytea" | "blob" | "longblob", _) => FieldType::Blob,
        _ => FieldType::Other,
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::object(members)
}
