//! Values of MySQL and MariaDB, as mysql2 and Sequelize give them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use entity::Timestamp;
use sea_orm::DbErr;
use sea_orm::sqlx::mysql::MySqlRow;
use sea_orm::sqlx::{Column, Decode, MySql, Row, TypeInfo, ValueRef};

use super::{buffer, instant, integer, single, unreadable};
use crate::expr::{Value, json};
use crate::store::Codec;

pub(super) fn value(row: &MySqlRow, index: usize, codec: &Codec) -> Result<Value, DbErr> {
    let raw = row.try_get_raw(index).map_err(|err| DbErr::Type(err.to_string()))?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let type_info = raw.type_info().into_owned();
    let name = type_info.name();
    decode(row, index, name, codec).map_err(|_| unreadable(row.column(index).name(), name))
}

fn decode(row: &MySqlRow, index: usize, name: &str, codec: &Codec) -> Result<Value, sea_orm::sqlx::Error> {
    Ok(match name {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            integer(get::<i64>(row, index)?)
        }
        "YEAR" => Value::Number(get::<u16>(row, index)?.into()),
        name if name.ends_with("UNSIGNED") => {
            let number = get::<u64>(row, index)?;
            i64::try_from(number).map_or_else(|_| Value::text(number.to_string()), integer)
        }
        "FLOAT" => single(get::<f32>(row, index)?),
        "DOUBLE" => Value::Number(get::<f64>(row, index)?),
        "DATETIME" | "TIMESTAMP" => match get::<NaiveDateTime>(row, index) {
            Ok(time) => instant(codec.read_time(Timestamp(time.and_utc()))),
            // 0000-00-00, which no calendar has.
            Err(_) => Value::Date(crate::expr::Date(f64::NAN)),
        },
        "DATE" => Value::text(get::<NaiveDate>(row, index)?.format("%Y-%m-%d").to_string()),
        "TIME" => Value::text(get::<NaiveTime>(row, index)?.format("%H:%M:%S%.f").to_string()),
        "JSON" => json_value(&get::<Vec<u8>>(row, index)?),
        "BIT" | "GEOMETRY" => buffer(&get::<Vec<u8>>(row, index)?),
        // Texts of a binary collation, as MariaDB's JSON has, are called so, too.
        "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BINARY" | "VARBINARY" => {
            match row.try_get::<String, _>(index) {
                Ok(text) => Value::text(text),
                Err(_) => buffer(&get::<Vec<u8>>(row, index)?),
            }
        }
        // DECIMAL travels as text, like all the others.
        _ => Value::text(String::from_utf8_lossy(&get::<Vec<u8>>(row, index)?).into_owned()),
    })
}

/// The types are compatible by the match above; sqlx is stricter than need be.
fn get<'r, T: Decode<'r, MySql>>(row: &'r MySqlRow, index: usize) -> Result<T, sea_orm::sqlx::Error> {
    row.try_get_unchecked(index)
}

fn json_value(bytes: &[u8]) -> Value {
    json::parse(bytes).unwrap_or_else(|_| Value::text(String::from_utf8_lossy(bytes).into_owned()))
}
