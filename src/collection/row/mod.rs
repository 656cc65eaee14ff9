//! Values as the database drivers of NocoBase hand them out, from rows of any statement: numbers, texts and
//! dates by the type of the column, not of a field. What a field makes of them is in `record`.

mod mysql;
mod numeric;
mod postgres;
mod sqlite;

use chrono::{DateTime, NaiveDateTime, Utc};
use sea_orm::{DbErr, QueryResult};

use crate::expr::{Date, Object, Value};
use crate::store::Codec;

/// 2^53 - 1: greater integers are texts, as JavaScript cannot hold them.
const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// The value of a column.
pub fn value(row: &QueryResult, index: usize, codec: &Codec) -> Result<Value, DbErr> {
    if let Some(row) = row.try_as_pg_row() {
        return postgres::value(row, index);
    }
    if let Some(row) = row.try_as_mysql_row() {
        return mysql::value(row, index, codec);
    }
    match row.try_as_sqlite_row() {
        Some(row) => sqlite::value(row, index),
        None => Err(DbErr::Type("a row of an unknown database".into())),
    }
}

/// A whole row as an object; of columns with equal names the last one counts.
pub fn object(row: &QueryResult, codec: &Codec) -> Result<Value, DbErr> {
    let names = row.column_names();
    let mut object = Object::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        object.insert(name, value(row, index, codec)?);
    }
    Ok(Value::from(object))
}

pub(super) fn integer(number: i64) -> Value {
    match number.unsigned_abs() {
        0..=MAX_SAFE_INTEGER => Value::Number(number as f64),
        _ => Value::text(number.to_string()),
    }
}

/// A single-precision number as its shortest text says it: `0.1`, not 0.10000000149.
fn single(number: f32) -> Value {
    Value::Number(number.to_string().parse().unwrap_or(f64::NAN))
}

fn instant(time: DateTime<Utc>) -> Value {
    Value::Date(Date(time.timestamp_millis() as f64))
}

/// A wall clock's time as the server's zone understands it.
fn local_instant(time: NaiveDateTime) -> Value {
    match time.and_local_timezone(chrono::Local).earliest() {
        Some(time) => instant(time.to_utc()),
        None => instant(time.and_utc()),
    }
}

/// Bytes as Node.js writes a `Buffer` into JSON.
fn buffer(bytes: &[u8]) -> Value {
    let data = bytes.iter().map(|byte| Value::Number((*byte).into())).collect();
    Value::object([("type", Value::from("Buffer")), ("data", Value::array(data))])
}

fn unreadable(column: &str, type_name: &str) -> DbErr {
    DbErr::Type(format!(
        "the column \"{column}\" is of the type {type_name}, which sidehook cannot read; cast it to text"
    ))
}
