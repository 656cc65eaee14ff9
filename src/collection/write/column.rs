//! Values on their way into columns: what Sequelize makes of them for the type of the attribute, always bound.

use indexmap::IndexMap;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Keyword};

use super::super::bind::{float_text, stored_time, text, typed_text};
use super::super::field::{ColumnType, Field, FieldType};
use super::super::geometry;
use super::instance::Instance;
use crate::expr::convert::to_text;
use crate::expr::date::calendar::server_reading;
use crate::expr::{Date, Str, Thrown, Value, json};
use crate::store::Codec;

/// What a statement sets the columns of these attributes to, as far as they have values. A column is set once.
pub(super) fn assigned<'a>(
    instance: &Instance,
    names: impl IntoIterator<Item = &'a Str>,
    codec: &Codec,
) -> Result<Vec<(Alias, Expr)>, Thrown> {
    let mut columns = IndexMap::new();
    for field in names.into_iter().filter_map(|name| instance.collection.field(name)) {
        let value = instance.raw(&field.name);
        if !value.is_undefined() {
            columns.insert(&*field.column, written(&value, field, codec)?);
        }
    }
    Ok(columns.into_iter().map(|(column, value)| (Alias::new(column), value)).collect())
}

/// The expression that writes a value. PostgreSQL gets texts that it reads as the type of the column, as
/// NocoBase's driver sends them, so that it refuses the same ones with the same words.
pub(super) fn written(value: &Value, field: &Field, codec: &Codec) -> Result<Expr, Thrown> {
    let column = field.column_type;
    if value.is_nullish() {
        return Ok(Expr::Keyword(Keyword::Null));
    }
    if field.kind.is_geometry() {
        return geometry::written(field, value, codec);
    }
    match column {
        ColumnType::Json => return Ok(json_text(value, column, codec)),
        ColumnType::Jsonb => return Ok(json_text(value, column, codec)),
        ColumnType::Other if matches!(field.kind, FieldType::Array | FieldType::Set) => {
            return native_array(value, field, codec);
        }
        ColumnType::Instant | ColumnType::Date if !value.is_truthy() => {
            return Ok(no_date(value, field, codec));
        }
        ColumnType::Float => {
            if let Some(text) = odd_number(value, codec)? {
                return Ok(typed_text(text, column, codec));
            }
        }
        _ => {}
    }
    Ok(match value {
        Value::Date(date) => time(*date, field, codec),
        Value::Bool(flag) if codec.backend() != DbBackend::Postgres => Expr::val(*flag),
        Value::Number(number) if codec.backend() != DbBackend::Postgres && column != ColumnType::Text => {
            self::number(*number)
        }
        value => typed_text(plain_text(value, column)?, column, codec),
    })
}

fn json_text(value: &Value, column: ColumnType, codec: &Codec) -> Expr {
    let text = json::stringify_or_null(value);
    match codec.backend() {
        DbBackend::Sqlite => codec.json(Some(text)),
        _ => typed_text(text, column, codec),
    }
}

/// What reaches the database of a value that Sequelize makes no date of: `moment(value)`, in which 0 is 1970.
fn no_date(value: &Value, field: &Field, codec: &Codec) -> Expr {
    let date = match value {
        Value::Number(number) if *number == 0.0 => Date(0.0),
        _ => Date(f64::NAN),
    };
    match Date(server_reading(date.0)).to_chrono() {
        Some(local) if field.column_type == ColumnType::Date => {
            typed_text(local.format("%Y-%m-%d").to_string(), field.column_type, codec)
        }
        _ => time(date, field, codec),
    }
}

/// The text of what is no plain number in a column of doubles: NaN stands for anything that JavaScript makes no
/// number of. A list stays one, which the database refuses.
fn odd_number(value: &Value, codec: &Codec) -> Result<Option<String>, Thrown> {
    let text = float_text(value)?;
    if matches!(&*text, "NaN" | "Infinity" | "-Infinity") {
        return Ok(Some(text));
    }
    let Value::Array(array, _) = value else { return Ok(None) };
    Ok(Some(match codec.backend() {
        DbBackend::Postgres => array_literal(array.items())?,
        DbBackend::MySql => json::stringify_or_null(value),
        _ => text,
    }))
}

fn number(number: f64) -> Expr {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= LIMIT { Expr::val(number as i64) } else { Expr::val(number) }
}

/// Numbers and the like by their own text; what has members as JSON where no number is expected.
fn plain_text(value: &Value, column: ColumnType) -> Result<String, Thrown> {
    let is_number =
        matches!(column, ColumnType::Integer | ColumnType::BigInt | ColumnType::Float | ColumnType::Decimal);
    match value {
        Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) if !is_number => {
            Ok(json::stringify_or_null(value))
        }
        value => to_text(value),
    }
}

fn time(date: Date, field: &Field, codec: &Codec) -> Expr {
    let column = field.column_type;
    let invalid = || typed_text("Invalid date".to_owned(), column, codec);
    match (column, codec.backend()) {
        (ColumnType::Timestamp, DbBackend::Postgres) => match Date(server_reading(date.0)).to_chrono() {
            Some(local) => typed_text(local.format("%Y-%m-%d %H:%M:%S%.3f").to_string(), column, codec),
            None => invalid(),
        },
        (ColumnType::Instant | ColumnType::Timestamp, _) => match date.to_chrono() {
            Some(time) => codec.time(stored_time(time, Some(field), codec)),
            None => invalid(),
        },
        _ => typed_text(date.to_iso().unwrap_or_else(|| "Invalid date".to_owned()), column, codec),
    }
}

/// A native array of PostgreSQL's, cast to its type.
fn native_array(value: &Value, field: &Field, codec: &Codec) -> Result<Expr, Thrown> {
    let name = match field.option("elementType").as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "integer" => "integer[]",
        "bigint" => "bigint[]",
        "double" | "float" => "double precision[]",
        "decimal" => "numeric[]",
        "boolean" => "boolean[]",
        "date" => "timestamptz[]",
        "uuid" => "uuid[]",
        "json" => "json[]",
        "jsonb" => "jsonb[]",
        _ => "varchar[]",
    };
    let items = value.as_array().map(|array| array.items().to_vec()).unwrap_or_else(|| vec![value.clone()]);
    Ok(text(&array_literal(&items)?, codec).cast_as(Alias::new(name)))
}

/// A list as PostgreSQL reads an array.
fn array_literal(items: &[Value]) -> Result<String, Thrown> {
    let mut literal = String::from("{");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            literal.push(',');
        }
        match item {
            item if item.is_nullish() => literal.push_str("NULL"),
            item => {
                let text = plain_text(item, ColumnType::Other)?;
                literal.push('"');
                literal.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
                literal.push('"');
            }
        }
    }
    literal.push('}');
    Ok(literal)
}
