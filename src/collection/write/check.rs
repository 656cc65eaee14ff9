//! What Sequelize checks before a record goes to the database (`sequelize/lib/instance-validator.js`).

use indexmap::IndexSet;

use super::super::field::{ColumnType, Field};
use super::error::{Violation, invalid};
use super::instance::Instance;
use crate::expr::{Str, Thrown, Value};
use crate::store::Codec;

/// Throws when one of the attributes may not have the value that it has.
pub(super) fn attributes(instance: &Instance, fields: &IndexSet<Str>, codec: &Codec) -> Result<(), Thrown> {
    let mut violations = Vec::new();
    for field in instance.collection.fields().filter(|field| fields.contains(&field.name)) {
        let is_time = [&instance.collection.created_at, &instance.collection.updated_at]
            .into_iter()
            .any(|time| time.as_ref() == Some(&field.name));
        if !field.is_auto_increment() && (!is_time || field.is_declared) {
            violations.extend(violation(instance, field));
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(invalid(&violations, instance, codec)) }
}

fn violation(instance: &Instance, field: &Field) -> Option<Violation> {
    let value = instance.raw(&field.name);
    let path = field.name.to_string();
    if matches!(field.option("allowNull"), Value::Bool(false)) && value.is_nullish() {
        return Some(Violation {
            message: format!("{}.{path} cannot be null", instance.collection.name),
            kind: "notNull Violation",
            path,
            value,
            validator_key: "is_null",
        });
    }
    let has_members =
        matches!(value, Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) | Value::Date(_));
    if field.column_type == ColumnType::Text && has_members {
        return Some(Violation {
            message: format!("{path} cannot be an array or an object"),
            kind: "string violation",
            path,
            value,
            validator_key: "not_a_string",
        });
    }
    None
}
