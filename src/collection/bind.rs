//! Values in statements. Each is bound, never written into the text, and compared as NocoBase's literal would be:
//! a text takes the type of the column, a number is an integer or a decimal, whatever the column is.

use chrono::{DateTime, Timelike, Utc};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Keyword};

use super::field::{ColumnType, Field, FieldType};
use super::inspect::inspect;
use crate::expr::convert::{number_to_text, to_number, to_text};
use crate::expr::date::calendar::clip;
use crate::expr::{Date, Thrown, Value, json};
use crate::store::Codec;

/// An operand of a comparison with an attribute; `None` for one that is no attribute.
///
/// On PostgreSQL every value is bound as a text, and cast where it is something else: sqlx keeps prepared statements by
/// the text of the statement alone, and would give one that knows an integer the bytes of a double.
pub fn operand(value: &Value, field: Option<&Field>, codec: &Codec) -> Result<Expr, Thrown> {
    let column = field.map_or(ColumnType::Other, |field| field.column_type);
    if value.is_nullish() {
        return Ok(Expr::Keyword(Keyword::Null));
    }
    match column {
        ColumnType::Json | ColumnType::Jsonb => {
            return Ok(typed_text(json::stringify_or_null(value), column, codec));
        }
        ColumnType::Float => return Ok(typed_text(float_text(value)?, column, codec)),
        ColumnType::Date => return Ok(typed_text(day(value), column, codec)),
        _ if is_instant(column, codec) => return Ok(instant(value, column, field, codec)),
        _ => {}
    }
    match value {
        Value::Bool(flag) => Ok(match codec.backend() {
            DbBackend::Postgres => typed(Expr::val(flag.to_string()), "boolean", codec),
            _ => Expr::val(*flag),
        }),
        Value::Number(number) => Ok(self::number(*number, codec)),
        Value::Text(text) => Ok(typed_text(text.to_string(), column, codec)),
        Value::Date(date) => Ok(self::date(*date, column, field, codec)),
        // Numbers are written with `toString`, whatever they are.
        other if column.is_number() => Ok(typed_text(to_text(other)?, column, codec)),
        Value::Array(items, _) => list(items.items(), codec)?
            .ok_or_else(|| Thrown::error(format!("Invalid value {}", inspect(value)))),
        other => Err(Thrown::error(format!("Invalid value {}", inspect(other)))),
    }
}

/// Text that the database reads as a value of the column's type.
pub fn typed_text(text: String, column: ColumnType, codec: &Codec) -> Expr {
    let bound = self::text(&text, codec);
    column.postgres().map_or_else(|| bound.clone(), |name| typed(bound.clone(), name, codec))
}

/// A text as NocoBase's driver sends it.
pub fn text(text: &str, codec: &Codec) -> Expr {
    Expr::val(stored_text(text, codec))
}

/// A text as NocoBase's driver stores it: PostgreSQL's texts cannot hold the character NUL, so that it becomes a
/// backslash and a zero there (`sequelize/lib/sql-string.js`).
pub fn stored_text(text: &str, codec: &Codec) -> String {
    match codec.backend() {
        DbBackend::Postgres => text.replace('\0', "\\0"),
        _ => text.to_owned(),
    }
}

/// What Sequelize makes of a value for a column of floating-point numbers: anything that is no number is NaN.
pub fn float_text(value: &Value) -> Result<String, Thrown> {
    let number = to_number(value)?;
    Ok(match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => to_text(value)?,
    })
}

/// An array without a type, which PostgreSQL refuses.
pub const EMPTY_ARRAY: &str = "ARRAY[]";

fn typed(value: Expr, type_name: &'static str, codec: &Codec) -> Expr {
    match codec.backend() {
        DbBackend::Postgres => value.cast_as(Alias::new(type_name)),
        _ => value,
    }
}

/// A number as a literal of the database would be: what is too great for one type gets the next one.
fn number(number: f64, codec: &Codec) -> Expr {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let text = number_to_text(number);
    if !number.is_finite() {
        // As a literal it is the name of a column, which the database does not find.
        return Expr::cust(text);
    }
    if codec.backend() != DbBackend::Postgres {
        let is_exact = number.fract() == 0.0 && number.abs() <= LIMIT;
        return if is_exact { Expr::val(number as i64) } else { Expr::val(number) };
    }
    match (text.parse::<i32>(), text.parse::<i64>()) {
        (Ok(_), _) => typed(Expr::val(text), "integer", codec),
        (_, Ok(_)) => typed(Expr::val(text), "bigint", codec),
        _ => typed(Expr::val(text), "numeric", codec),
    }
}

/// A list where one value is expected: an array on PostgreSQL. On the others the items stand one after the other,
/// which makes sense for a single one only.
fn list(items: &[Value], codec: &Codec) -> Result<Option<Expr>, Thrown> {
    let mut items = items.iter().map(|item| operand(item, None, codec)).collect::<Result<Vec<Expr>, _>>()?;
    if codec.backend() != DbBackend::Postgres {
        return Ok(if items.len() == 1 { items.pop() } else { None });
    }
    if items.is_empty() {
        return Ok(Some(Expr::cust(EMPTY_ARRAY)));
    }
    let rows: Vec<String> = (1..=items.len()).map(|place| format!("(${place})")).collect();
    Ok(Some(Expr::cust_with_exprs(format!("ARRAY(VALUES {})", rows.join(", ")), items)))
}

/// A point in time for a column of such: `moment` reads what it is given.
fn instant(value: &Value, column: ColumnType, field: Option<&Field>, codec: &Codec) -> Expr {
    match moment(value).to_chrono() {
        Some(time) => self::time(stored_time(time, field, codec), codec),
        None => typed_text("Invalid date".to_owned(), column, codec),
    }
}

/// The day of a value, on the server's clock.
fn day(value: &Value) -> String {
    match moment(value).to_chrono() {
        Some(time) => time.with_timezone(&chrono::Local).format("%Y-%m-%d").to_string(),
        None => "Invalid date".to_owned(),
    }
}

fn date(date: Date, column: ColumnType, field: Option<&Field>, codec: &Codec) -> Expr {
    let Some(time) = date.to_chrono() else { return typed_text("Invalid date".to_owned(), column, codec) };
    if codec.backend() != DbBackend::Postgres {
        return codec.time(stored_time(time, field, codec));
    }
    match column {
        ColumnType::Other => self::time(time, codec),
        _ => typed_text(time.format("%Y-%m-%d %H:%M:%S%.3f +00:00").to_string(), column, codec),
    }
}

fn time(time: DateTime<Utc>, codec: &Codec) -> Expr {
    match codec.backend() {
        DbBackend::Postgres => {
            let text = time.format("%Y-%m-%d %H:%M:%S%.6f +00:00").to_string();
            typed(Expr::val(text), "timestamptz", codec)
        }
        _ => codec.time(time),
    }
}

/// What a value means that is to be a date, as `moment` reads it: milliseconds, or a text without a zone on the
/// server's clock.
fn moment(value: &Value) -> Date {
    match value {
        Value::Date(date) => *date,
        Value::Number(number) => Date(clip(*number)),
        Value::Text(text) => parse_local(text),
        _ => Date(f64::NAN),
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

/// Whether `moment` reads what is compared with the column.
pub fn is_moment(column: ColumnType, codec: &Codec) -> bool {
    column == ColumnType::Date || is_instant(column, codec)
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
            (Value::from(5), "integer", "CAST('5' AS integer)", "5"),
            (Value::from(5), "string", "CAST('5' AS integer)", "5"),
            (Value::Number(1.5), "integer", "CAST('1.5' AS numeric)", "1.5"),
            (Value::Number(1.5), "double", "CAST('1.5' AS double precision)", "'1.5'"),
            (Value::Number(4e15), "bigInt", "CAST('4000000000000000' AS bigint)", "4000000000000000"),
            (Value::Number(1e21), "bigInt", "CAST('1e+21' AS numeric)", "none"),
            (Value::Number(f64::NAN), "integer", "NaN", "NaN"),
            (Value::from(true), "boolean", "CAST('true' AS boolean)", "TRUE"),
            (Value::from("1,5"), "double", "CAST('NaN' AS double precision)", "'NaN'"),
            (Value::from(""), "float", "CAST('' AS double precision)", "''"),
            (Value::array(vec![1.into()]), "real", "CAST('1' AS double precision)", "'1'"),
            (
                Value::array(vec![1.into(), "a".into()]),
                "string",
                "ARRAY(VALUES (CAST('1' AS integer)), ('a'))",
                "none",
            ),
            (Value::from("a\0b"), "string", r"E'a\\0b'", "none"),
            (Value::from("x"), "integer", "CAST('x' AS integer)", "'x'"),
            (Value::from("x"), "string", "'x'", "'x'"),
            (
                Value::from("2024-02-29T01:02:03Z"),
                "date",
                "CAST('2024-02-29 01:02:03.000000 +00:00' AS timestamptz)",
                "'2024-02-29 01:02:03.000 +00:00'",
            ),
            (
                Value::Number(1_709_168_523_000.0),
                "date",
                "CAST('2024-02-29 01:02:03.000000 +00:00' AS timestamptz)",
                "'2024-02-29 01:02:03.000 +00:00'",
            ),
            (Value::Number(1_709_208_000_000.0), "dateOnly", "CAST('2024-02-29' AS date)", "'2024-02-29'"),
            (Value::from(true), "date", "CAST('Invalid date' AS timestamptz)", "'Invalid date'"),
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
            if sqlite != "none" {
                assert_eq!(sql(&value, kind, DbBackend::Sqlite), sqlite, "{value:?} {kind}");
            }
        }
    }

    #[test]
    fn objects_are_no_operands() {
        let codec = Codec::new(DbBackend::Postgres, chrono::FixedOffset::east_opt(0).expect("an offset"));
        let object = Value::object([("k", Value::from(1))]);
        assert_eq!(operand(&object, None, &codec), Err(Thrown::error("Invalid value { k: 1 }")));
    }
}
