//! Records: what a row is to NocoBase, and as JSON (`packages/core/database/src/model.ts`).

use std::sync::Arc;

use chrono::TimeZone;
use sea_orm::DbBackend;

use super::association::Association;
use super::bind::parse_local;
use super::field::{ColumnType, Field, FieldType};
use super::geometry;
use super::shape::Collection;
use crate::expr::{Date, Live, Object, Str, Value, json};
use crate::store::Codec;

/// A record with those of its associations that were loaded.
#[derive(Clone, Debug)]
pub struct Record {
    pub collection: Arc<Collection>,
    /// Attributes by name, in the order in which they were selected.
    pub values: Object,
    /// Loaded associations, in the order in which they were asked for.
    pub linked: Vec<(Str, Linked)>,
}

/// What an association leads to.
#[derive(Clone, Debug)]
pub enum Linked {
    One(Option<Box<Record>>),
    Many(Vec<Record>),
}

impl Record {
    /// An attribute; undefined when it was not selected.
    pub fn get(&self, attribute: &str) -> Value {
        self.values.get(attribute).cloned().unwrap_or_default()
    }

    pub fn set_linked(&mut self, name: &Str, linked: Linked) {
        match self.linked.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = linked,
            None => self.linked.push((name.clone(), linked)),
        }
    }

    /// The record as a node's result: dates are still dates, hidden fields are left out. Attributes that are
    /// read through a getter come first, as in NocoBase.
    pub fn to_value(&self) -> Value {
        let mut object = Object::with_capacity(self.values.len() + self.linked.len());
        let shown = |name: &str| !self.collection.field(name).is_some_and(Field::is_hidden);
        for wants_getter in [true, false] {
            for (name, value) in self.values.iter().filter(|(name, _)| shown(name)) {
                let field = self.collection.field(name);
                let has_getter = field.is_some_and(|field| field.is_declared && field.kind.has_getter());
                if has_getter == wants_getter {
                    object.insert(name.clone(), value.clone());
                }
            }
        }
        for (name, linked) in &self.linked {
            let association = self.collection.association(name);
            if !association.is_some_and(Association::is_hidden) {
                let value = linked.to_value(association);
                object.insert(name.clone(), if association.is_some() { value } else { as_model(value) });
            }
        }
        Value::from(object)
    }
}

/// The row between two records, which no association leads to, stays a model in NocoBase: whoever writes tells it
/// from an object that somebody has given. As JSON, and when it is read back, it is an object like any other.
fn as_model(row: Value) -> Value {
    match row {
        Value::Object(members, _) => Value::Live(Arc::new(Live::new((*members).clone()))),
        other => other,
    }
}

impl Linked {
    fn to_value(&self, association: Option<&Association>) -> Value {
        match self {
            Linked::One(record) => record.as_ref().map_or(Value::Null, |record| record.to_value()),
            Linked::Many(records) => {
                let sort_by = association.map(|association| association.option("sortBy")).unwrap_or_default();
                let mut records: Vec<&Record> = records.iter().collect();
                sort(&mut records, &sort_by);
                Value::array(records.into_iter().map(Record::to_value).collect())
            }
        }
    }
}

/// Sorts by the option `sortBy`: a field, or several, each with `-` for descending.
fn sort(records: &mut [&Record], sort_by: &Value) {
    let keys: Vec<String> = match sort_by {
        Value::Text(key) => vec![key.to_string()],
        Value::Array(keys, _) => keys.items().iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return,
    };
    records.sort_by(|left, right| {
        for key in &keys {
            let name = key.trim_start_matches('-');
            let order = compare(&left.get(name), &right.get(name));
            let order = if key.starts_with('-') { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        std::cmp::Ordering::Equal
    });
}

/// lodash's order: numbers and dates, texts, then null.
fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    let rank = |value: &Value| match value {
        Value::Null | Value::Undefined => 2,
        Value::Text(_) => 1,
        _ => 0,
    };
    let number = |value: &Value| match value {
        Value::Number(number) | Value::Date(Date(number)) => *number,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        _ => 0.0,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        _ => number(left).total_cmp(&number(right)),
    })
}

/// What an attribute of NocoBase's is, given what its driver gives for the column.
pub fn attribute(field: &Field, value: Value, codec: &Codec) -> Value {
    if field.kind.is_geometry() {
        return geometry::shown(field.kind, &value, codec);
    }
    if matches!(value, Value::Null | Value::Undefined) {
        return value;
    }
    let is_postgres = codec.backend() == DbBackend::Postgres;
    match (field.kind, field.column_type) {
        (FieldType::UnixTimestamp, _) if field.is_declared => unix_time(&value, field),
        (_, ColumnType::Boolean) => boolean(value),
        (_, ColumnType::Float) if codec.backend() == DbBackend::Sqlite => float(value),
        (_, ColumnType::Json | ColumnType::Jsonb) if !is_postgres => parsed(value),
        (_, ColumnType::Instant) => instant(value),
        (_, ColumnType::Timestamp) => wall_clock(value, codec),
        _ => value,
    }
}

fn unix_time(value: &Value, field: &Field) -> Value {
    let number = match value {
        Value::Number(number) => *number,
        Value::Text(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    Value::Date(Date(number / field.units_per_second() * 1000.0))
}

fn boolean(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Bool(number != 0.0),
        other => other,
    }
}

/// SQLite keeps what is no finite number as a text.
fn float(value: Value) -> Value {
    match value.as_str() {
        Some("NaN") => Value::Number(f64::NAN),
        Some("Infinity") => Value::Number(f64::INFINITY),
        Some("-Infinity") => Value::Number(f64::NEG_INFINITY),
        _ => value,
    }
}

/// JSON that the database hands out as text. What is no JSON stays as it is.
fn parsed(value: Value) -> Value {
    match &value {
        Value::Text(text) => json::parse(text.as_bytes()).unwrap_or(value),
        _ => value,
    }
}

fn instant(value: Value) -> Value {
    match &value {
        Value::Text(text) => Value::Date(parse_local(text)),
        Value::Number(number) => Value::Date(Date(*number)),
        _ => value,
    }
}

/// The time on a wall clock, in whole seconds.
fn wall_clock(value: Value, codec: &Codec) -> Value {
    let time = match &value {
        Value::Date(date) => date.to_chrono(),
        Value::Text(text) => parse_local(text).to_chrono(),
        _ => None,
    };
    let Some(time) = time else { return value };
    let local = match codec.backend() {
        // The column is read in the database's time zone.
        DbBackend::MySql => codec.time_offset().from_utc_datetime(&time.naive_utc()).naive_local(),
        _ => time.with_timezone(&chrono::Local).naive_local(),
    };
    Value::text(local.format("%Y-%m-%d %H:%M:%S").to_string())
}
