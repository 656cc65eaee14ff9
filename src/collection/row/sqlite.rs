//! Values of SQLite, as they are stored.

use sea_orm::DbErr;
use sea_orm::sqlx::sqlite::SqliteRow;
use sea_orm::sqlx::{Column, Row, TypeInfo, ValueRef};

use super::{buffer, unreadable};
use crate::expr::Value;

pub(super) fn value(row: &SqliteRow, index: usize) -> Result<Value, DbErr> {
    let raw = row.try_get_raw(index).map_err(|err| DbErr::Type(err.to_string()))?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let type_info = raw.type_info().into_owned();
    let name = type_info.name();
    let value = match name {
        // The driver's integers are JavaScript's numbers, which round beyond 2^53.
        "INTEGER" | "BIGINT" | "INT8" | "BOOLEAN" => {
            row.try_get_unchecked::<i64, _>(index).map(|number| Value::Number(number as f64))
        }
        "REAL" => row.try_get_unchecked::<f64, _>(index).map(Value::Number),
        "BLOB" => row.try_get_unchecked::<Vec<u8>, _>(index).map(|bytes| buffer(&bytes)),
        _ => row.try_get_unchecked::<String, _>(index).map(Value::text),
    };
    value.map_err(|_| unreadable(row.column(index).name(), name))
}
