//! The fields of NocoBase's map plugin: points, lines, polygons and circles. What a value is in the database differs
//! (`plugin-map/src/server/fields`): PostgreSQL has types for them, MySQL has geometry, MariaDB and SQLite keep JSON.

use std::fmt::Write as _;

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait};

use super::bind;
use super::field::{Field, FieldType};
use crate::expr::convert::{number_to_text, to_text};
use crate::expr::{Thrown, Value, json};
use crate::store::Codec;

/// What a record keeps of a value that is given: lists of numbers, on PostgreSQL as the text that it reads.
pub(super) fn set(kind: FieldType, value: Value, codec: &Codec) -> Result<Value, Thrown> {
    let is_empty = match &value {
        Value::Array(items, _) => items.items().is_empty(),
        Value::Text(text) => text.is_empty(),
        _ => true,
    };
    if is_empty {
        return Ok(Value::Null);
    }
    if codec.backend() != DbBackend::Postgres {
        return Ok(value);
    }
    let text = match kind {
        FieldType::Circle => joined(&value, "join")?,
        FieldType::Point => format!("({})", joined(&value, "join")?),
        _ => {
            let points = value.as_array().ok_or_else(|| no_function("map"))?;
            let points: Result<Vec<String>, Thrown> =
                points.items().iter().map(|point| Ok(format!("({})", joined(point, "join")?))).collect();
            format!("({})", points?.join(","))
        }
    };
    Ok(Value::text(text))
}

fn joined(value: &Value, function: &str) -> Result<String, Thrown> {
    let items = value.as_array().ok_or_else(|| no_function(function))?;
    let texts: Result<Vec<String>, Thrown> = items.items().iter().map(to_text).collect();
    Ok(texts?.join(","))
}

fn no_function(name: &str) -> Thrown {
    Thrown::type_error(format!("value.{name} is not a function"))
}

/// The value as NocoBase shows it: lists of numbers. `value` is what a record keeps, or what the driver gives.
pub(super) fn shown(kind: FieldType, value: &Value, codec: &Codec) -> Value {
    match (codec.backend(), value) {
        (DbBackend::Postgres, Value::Text(text)) => listed(kind, text),
        (DbBackend::Postgres, Value::Object(parts, _)) => {
            let part = |name: &str| parts.get(name).cloned().unwrap_or_default();
            let radius = (kind == FieldType::Circle).then(|| part("radius"));
            Value::array([part("x"), part("y")].into_iter().chain(radius).collect())
        }
        (DbBackend::Postgres, _) => Value::Null,
        // MariaDB has JSON where MySQL has geometry, for which nothing is null.
        (DbBackend::MySql, Value::Undefined) if kind != FieldType::Circle => Value::Null,
        (_, Value::Text(text)) => json::parse(text.as_bytes()).unwrap_or_else(|_| value.clone()),
        (_, Value::Object(_, _)) => from_buffer(kind, value).unwrap_or(Value::Null),
        _ => value.clone(),
    }
}

/// `((1,2),(3,4))` as `[[1,2],[3,4]]`; a circle is `<(1,2),3>` or `1,2,3`.
fn listed(kind: FieldType, text: &str) -> Value {
    let plain = text.replace(['(', '['], "[").replace([')', ']'], "]");
    let plain = match kind {
        FieldType::Circle => format!("[{}]", plain.replace(['<', '>', '[', ']'], "")),
        _ => plain,
    };
    json::parse(plain.as_bytes()).unwrap_or(Value::Null)
}

/// MySQL's geometry, which the driver gives as bytes: the reference system, then the well-known binary form.
fn from_buffer(kind: FieldType, value: &Value) -> Option<Value> {
    let data = value.member("data");
    let bytes = data.as_array()?.items().iter().map(|byte| byte.as_number().map(|byte| byte as u8));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    let mut rest = bytes.get(4..)?;
    let is_little = *take(&mut rest, 1)?.first()? == 1;
    let whole = |rest: &mut &[u8]| {
        let bytes: [u8; 4] = take(rest, 4)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let number = |rest: &mut &[u8]| {
        let bytes: [u8; 8] = take(rest, 8)?.try_into().ok()?;
        Some(Value::Number(if is_little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) }))
    };
    let point = |rest: &mut &[u8]| Some(Value::array(vec![number(rest)?, number(rest)?]));
    whole(&mut rest)?;
    match kind {
        FieldType::Point => point(&mut rest),
        _ => {
            if kind == FieldType::Polygon {
                // The rings, of which NocoBase has one.
                whole(&mut rest)?;
            }
            let count = whole(&mut rest)?;
            let mut points = (0..count).map(|_| point(&mut rest)).collect::<Option<Vec<_>>>()?;
            if kind == FieldType::Polygon {
                // The last point is the first one again.
                points.pop();
            }
            Some(Value::array(points))
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

/// The expression that writes a value of such a field.
pub(super) fn written(field: &Field, value: &Value, codec: &Codec) -> Result<Expr, Thrown> {
    let list = || shown(field.kind, value, codec);
    match codec.backend() {
        DbBackend::Postgres => {
            let kept = match value {
                Value::Text(_) => value.clone(),
                _ => set(field.kind, list(), codec)?,
            };
            let name = match field.kind {
                FieldType::Point => "point",
                FieldType::LineString => "path",
                FieldType::Polygon => "polygon",
                _ => "circle",
            };
            Ok(bind::text(&to_text(&kept)?, codec).cast_as(Alias::new(name)))
        }
        DbBackend::MySql if field.kind != FieldType::Circle => {
            let list = list();
            let geometry = geometry(field, &list)?;
            // MySQL takes the first for code and the second for a comment, MariaDB the other way round. Both hold
            // nothing but numbers.
            let json = json::stringify_or_null(&list);
            Ok(Expr::cust(format!("/*!50700 ST_GeomFromText('{geometry}') */ /*M! '{json}' */")))
        }
        DbBackend::MySql => Ok(Expr::val(json::stringify_or_null(value))),
        _ => Ok(codec.json(Some(json::stringify_or_null(value)))),
    }
}

/// The well-known text of a geometry.
fn geometry(field: &Field, value: &Value) -> Result<String, Thrown> {
    let wrong = || Thrown::error(format!("{} has to be a list of two numbers for each point", field.name));
    let point = |value: &Value| {
        let numbers: Vec<f64> =
            value.as_array().ok_or_else(wrong)?.items().iter().filter_map(Value::as_number).collect();
        match numbers[..] {
            [x, y] if x.is_finite() && y.is_finite() => {
                Ok(format!("{} {}", number_to_text(x), number_to_text(y)))
            }
            _ => Err(wrong()),
        }
    };
    if field.kind == FieldType::Point {
        return Ok(format!("POINT({})", point(value)?));
    }
    let points = value.as_array().ok_or_else(wrong)?.items();
    let mut texts = points.iter().map(point).collect::<Result<Vec<_>, _>>()?;
    let mut out = String::new();
    if field.kind == FieldType::Polygon {
        texts.extend(texts.first().cloned());
        let _ = write!(out, "POLYGON(({}))", texts.join(","));
    } else {
        let _ = write!(out, "LINESTRING({})", texts.join(","));
    }
    Ok(out)
}
