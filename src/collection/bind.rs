//! Values in statements. Each is bound, never written into the text, and compared as NocoBase's literal would be:
//! a text takes the type of the column, a number is an integer or a decimal, whatever the column is.

use chrono::{DateTime, Timelike, Utc};
use entity::number_text;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Keyword};

use super::field::{ColumnType, Field, FieldType};
use super::inspect::inspect;
use crate::expr::convert::to_text;
use crate::expr::{Date, Thrown, Value, json};
use crate::store::Codec;

/// An operand of a comparison with an attribute; `None` for one that is no attribute.
pub fn operand(value: &Value, field: Option<&Field>, codec: &Codec) -> Result<Expr, Thrown> {
    let column = field.map_or(ColumnType::Other, |field| field.column_type);
    if matches!(column, ColumnType::Json | ColumnType::Jsonb) && !value.is_nullish() {
        return Ok(typed_text(json::stringify_or_null(value), column, codec));
    }
    match value {
        Value::Undefined | Value::Null => Ok(Expr::Keyword(Keyword::Null)),
        Value::Bool(flag) => Ok(Expr::val(*flag)),
        Value::Number(number) => Ok(self::number(*number, column, codec)),
        Value::Text(text) => Ok(self::text(text, column, field, codec)),
        Value::Date(date) => Ok(self::date(*date, column, field, codec)),
        // Numbers are written with `toString`, whatever they are.
        other if column.is_number() => Ok(typed_text(to_text(other)?, column, codec)),
        other => Err(Thrown::error(format!("Invalid value {}", inspect(other)))),
    }
}

/// Text that the database reads as a value of the column's type.
pub fn typed_text(text: String, column: ColumnType, codec: &Codec) -> Expr {
    let bound = Expr::val(text);
    match column.postgres() {
        Some(name) if codec.backend() == DbBackend::Postgres => bound.cast_as(Alias::new(name)),
        _ => bound,
    }
}

fn number(number: f64, column: ColumnType, codec: &Codec) -> Expr {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= LIMIT {
        let integer = number as i64;
        return match i32::try_from(integer) {
            Ok(small) => Expr::val(small),
            Err(_) => Expr::val(integer),
        };
    }
    if codec.backend() != DbBackend::Postgres || column == ColumnType::Float {
        return Expr::val(number);
    }
    Expr::val(number_text(number)).cast_as(Alias::new("numeric"))
}

fn text(text: &str, column: ColumnType, field: Option<&Field>, codec: &Codec) -> Expr {
    if is_instant(column, codec) {
        let parsed = parse_local(text);
        return match parsed.to_chrono() {
            Some(_) => date(parsed, column, field, codec),
            None => typed_text("Invalid date".to_owned(), column, codec),
        };
    }
    if column == ColumnType::Date {
        return typed_text(day(text), column, codec);
    }
    typed_text(text.to_owned(), column, codec)
}

fn date(date: Date, column: ColumnType, field: Option<&Field>, codec: &Codec) -> Expr {
    let Some(time) = date.to_chrono() else { return typed_text("Invalid date".to_owned(), column, codec) };
    match column {
        ColumnType::Date => typed_text(local(time).format("%Y-%m-%d").to_string(), column, codec),
        _ if is_instant(column, codec) || codec.backend() != DbBackend::Postgres => {
            codec.time(stored_time(time, field, codec))
        }
        ColumnType::Other => codec.time(time),
        _ => typed_text(time.format("%Y-%m-%d %H:%M:%S%.3f +00:00").to_string(), column, codec),
    }
}

/// A time as exact as the column keeps it: those that NocoBase adds by itself have whole seconds on MySQL.
pub fn stored_time(time: DateTime<Utc>, field: Option<&Field>, codec: &Codec) -> DateTime<Utc> {
    let is_implicit = field.is_some_and(|field| field.kind == FieldType::Date && !field.is_declared);
    if is_implicit && codec.backend() == DbBackend::MySql {
        return time.with_nanosecond(0).unwrap_or(time);
    }
    time
}

/// Whether NocoBase treats the column as a point in time: on SQLite it has no other kind of time with a date.
fn is_instant(column: ColumnType, codec: &Codec) -> bool {
    column == ColumnType::Instant || (column == ColumnType::Timestamp && codec.backend() == DbBackend::Sqlite)
}

/// A date from text as `moment` reads it: without a zone it is the server's time, days included.
pub fn parse_local(text: &str) -> Date {
    let is_day = text.len() == 10
        && text.bytes().enumerate().all(|(i, byte)| match i {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if is_day { Date::parse(&format!("{text}T00:00:00")) } else { Date::parse(text) }
}

/// The day of a text that begins with one, or of any date.
fn day(text: &str) -> String {
    let head = text.get(..10).unwrap_or_default();
    if parse_local(head).is_valid() && head.as_bytes()[4] == b'-' {
        return head.to_owned();
    }
    match parse_local(text).to_chrono() {
        Some(time) => local(time).format("%Y-%m-%d").to_string(),
        None => "Invalid date".to_owned(),
    }
}

fn local(time: DateTime<Utc>) -> DateTime<chrono::Local> {
    time.with_timezone(&chrono::Local)
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, Query, SqliteQueryBuilder};

    use super::*;

    fn sql(value: &Value, kind: &str, backend: DbBackend) -> String {
        let kind = FieldType::parse(kind).expect("a column");
        let options = Value::default();
        let column_type = kind.column_type(&options, backend);
        let field =
            Field { name: "c".into(), column: "c".into(), kind, column_type, is_declared: true, options };
        let codec = Codec::new(backend, chrono::FixedOffset::east_opt(0).expect("an offset"));
        let mut select = Query::select();
        select.expr(operand(value, Some(&field), &codec).expect("a value"));
        let text = match backend {
            DbBackend::Postgres => select.to_string(PostgresQueryBuilder),
            DbBackend::MySql => select.to_string(MysqlQueryBuilder),
            _ => select.to_string(SqliteQueryBuilder),
        };
        text.trim_start_matches("SELECT ").to_owned()
    }

    #[test]
    fn values_take_the_type_that_a_literal_would_take() {
        let day = Value::Date(Date(1_709_164_800_123.0));
        let cases = [
            (Value::from(5), "integer", "5", "5"),
            (Value::from(5), "string", "5", "5"),
            (Value::Number(1.5), "integer", "CAST('1.5' AS numeric)", "1.5"),
            (Value::Number(1.5), "double", "1.5", "1.5"),
            (Value::Number(4e15), "bigInt", "4000000000000000", "4000000000000000"),
            (Value::from("x"), "integer", "CAST('x' AS integer)", "'x'"),
            (Value::from("x"), "string", "'x'", "'x'"),
            (
                Value::from("2024-02-29T01:02:03Z"),
                "date",
                "'2024-02-29 01:02:03.000000 +00:00'",
                "'2024-02-29 01:02:03.000 +00:00'",
            ),
            (Value::from("zz"), "date", "CAST('Invalid date' AS timestamptz)", "'Invalid date'"),
            (day.clone(), "dateOnly", "CAST('2024-02-29' AS date)", "'2024-02-29'"),
            (Value::from("2024-02-29 00:00:00"), "dateOnly", "CAST('2024-02-29' AS date)", "'2024-02-29'"),
            (
                day,
                "datetimeNoTz",
                "CAST('2024-02-29 00:00:00.123 +00:00' AS timestamp)",
                "'2024-02-29 00:00:00.123 +00:00'",
            ),
            (Value::array(vec!["a".into()]), "json", "CAST('[\"a\"]' AS json)", "'[\"a\"]'"),
            (Value::Undefined, "json", "NULL", "NULL"),
            (Value::Null, "string", "NULL", "NULL"),
        ];
        for (value, kind, postgres, sqlite) in cases {
            assert_eq!(sql(&value, kind, DbBackend::Postgres), postgres, "{value:?} {kind}");
            assert_eq!(sql(&value, kind, DbBackend::Sqlite), sqlite, "{value:?} {kind}");
        }
    }

    #[test]
    fn objects_are_no_operands() {
        let codec = Codec::new(DbBackend::Postgres, chrono::FixedOffset::east_opt(0).expect("an offset"));
        let object = Value::object([("k", Value::from(1))]);
        assert_eq!(operand(&object, None, &codec), Err(Thrown::error("Invalid value { k: 1 }")));
    }
}
