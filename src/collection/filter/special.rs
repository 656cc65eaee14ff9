//! What NocoBase's own operators make of their operand: conditions of Sequelize's, or SQL where that differs from
//! database to database (`packages/core/database/src/operators`).

use chrono::Offset;
use indexmap::IndexMap;
use sea_orm::DbBackend;
use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{
    Alias, ArrayType, BinOper, Expr, ExprTrait, Func, Keyword, Query, Value as SqlValue,
};

use super::context::Context;
use super::date::{Reference, Span};
use super::operator::{DateOperator, Op, Place, Special};
use super::tree::{Map, Node};
use crate::collection::bind;
use crate::collection::field::{Field, FieldType};
use crate::expr::convert::to_text;
use crate::expr::{Date, Thrown, Value, json};

/// The field that an operator is about.
pub(super) struct Subject<'a> {
    pub column: Expr,
    pub field: Option<&'a Field>,
    /// Whether the path goes on below the field, into its JSON.
    pub is_nested: bool,
}

impl Special {
    pub(super) fn condition(
        self,
        operand: Value,
        subject: &Subject<'_>,
        cx: &Context<'_>,
    ) -> Result<Node, Thrown> {
        Ok(match self {
            Special::Eq => equal(operand, subject)?,
            Special::Ne => not_equal(operand),
            Special::In => Node::operator(Op::In, list_of(operand)),
            Special::NotIn => or_null(IndexMap::from([(Op::NotIn, Node::from(operand))])),
            Special::Exists | Special::NotEmpty if !is_kind(subject, FieldType::is_string) => {
                if self == Special::NotEmpty && is_kind(subject, FieldType::is_array) {
                    return array_length(subject, cx, false);
                }
                Node::operator(Op::Not, Value::Null)
            }
            Special::NotExists => is_null(),
            Special::Exists => Node::operator(Op::Not, Value::Null),
            Special::Empty if is_kind(subject, FieldType::is_array) => array_length(subject, cx, true)?,
            Special::Empty if is_kind(subject, FieldType::is_string) => {
                or_null(IndexMap::from([(Op::Eq, Value::from("").into())]))
            }
            Special::Empty => is_null(),
            Special::NotEmpty => Node::operator(
                Op::And,
                operators([(Op::Not, Value::Null.into()), (Op::Ne, Value::from("").into())]),
            ),
            Special::IsTruly => truth(&operand, true),
            Special::IsFalsy => truth(&operand, false),
            Special::Text { place, is_negated } => text(&operand, place, is_negated, subject, cx)?,
            Special::Match => equal_array(operand, false, subject, cx)?,
            Special::NotMatch => equal_array(operand, true, subject, cx)?,
            Special::AnyOf => Node::Sql(overlaps(&operand, subject, cx)?),
            Special::NoneOf => Node::operator(
                Op::Or,
                Node::List(vec![Node::Sql(overlaps(&operand, subject, cx)?.not()), is_null()]),
            ),
            Special::ArrayEmpty => array_length(subject, cx, true)?,
            Special::ArrayNotEmpty => array_length(subject, cx, false)?,
            Special::ChildIn => Node::Sql(of_children(&operand, false, cx)?),
            Special::ChildNotIn => Node::Sql(of_children(&operand, true, cx)?),
            Special::Date(operator) => date(operator, &operand, subject, cx)?,
        })
    }
}

fn operators<const N: usize>(parts: [(Op, Node); N]) -> Node {
    Node::Map(Map { operators: IndexMap::from(parts), ..Map::default() })
}

fn is_null() -> Node {
    Node::operator(Op::Is, Value::Null)
}

fn or_null(mut parts: IndexMap<Op, Node>) -> Node {
    parts.insert(Op::Is, Value::Null.into());
    Node::operator(Op::Or, Node::Map(Map { operators: parts, ..Map::default() }))
}

fn is_kind(subject: &Subject<'_>, test: fn(FieldType) -> bool) -> bool {
    subject.field.is_some_and(|field| field.is_declared && !subject.is_nested && test(field.kind))
}

/// An operand as an array: null and undefined are an empty one.
fn list_of(operand: Value) -> Node {
    match operand {
        Value::Undefined | Value::Null => Node::List(Vec::new()),
        Value::Array(_, _) => Node::from(operand),
        one => Node::Leaf(Value::array(vec![one])),
    }
}

/// Text fields compare everything as text: null is `null`.
fn equal(operand: Value, subject: &Subject<'_>) -> Result<Node, Thrown> {
    if is_kind(subject, FieldType::is_string) && operand.as_str().is_none() {
        if let Value::Array(items, _) = &operand {
            let texts: Result<Vec<Value>, Thrown> =
                items.items().iter().map(|item| Ok(Value::text(to_text(item)?))).collect();
            return Ok(Node::operator(Op::In, Value::array(texts?)));
        }
        return Ok(Node::operator(Op::Eq, Value::text(to_text(&operand)?)));
    }
    let op = if operand.as_array().is_some() { Op::In } else { Op::Eq };
    Ok(Node::operator(op, operand))
}

fn not_equal(operand: Value) -> Node {
    match operand {
        Value::Array(_, _) => Node::operator(Op::NotIn, operand),
        Value::Null => Node::operator(Op::Ne, Value::Null),
        operand => or_null(IndexMap::from([(Op::Ne, Node::from(operand))])),
    }
}

fn truth(operand: &Value, wanted: bool) -> Node {
    let is_asked = matches!(operand, Value::Bool(true)) || operand.as_str() == Some("true");
    if is_asked == wanted {
        return Node::operator(Op::Eq, Value::Bool(true));
    }
    Node::operator(Op::Or, operators([(Op::Is, Value::Null.into()), (Op::Eq, Value::Bool(false).into())]))
}

fn text(
    operand: &Value,
    place: Place,
    is_negated: bool,
    subject: &Subject<'_>,
    cx: &Context<'_>,
) -> Result<Node, Thrown> {
    match operand {
        Value::Null if place == Place::Anywhere => {
            let op = if is_negated { Op::Not } else { Op::Is };
            Ok(Node::operator(op, Value::Null))
        }
        Value::Array(items, _) => {
            let parts: Result<Vec<Node>, Thrown> =
                items.items().iter().map(|item| like(item, place, is_negated, subject, cx)).collect();
            Ok(Node::operator(if is_negated { Op::And } else { Op::Or }, Node::List(parts?)))
        }
        operand => like(operand, place, is_negated, subject, cx),
    }
}

fn like(
    operand: &Value,
    place: Place,
    is_negated: bool,
    subject: &Subject<'_>,
    cx: &Context<'_>,
) -> Result<Node, Thrown> {
    let text = match operand {
        Value::Text(text) => text.replace('_', "\\_").replace('%', "\\%"),
        Value::Undefined | Value::Null => return Err(Thrown::reading(operand, "replace")),
        _ => return Err(Thrown::type_error("value.replace is not a function")),
    };
    let pattern = match place {
        Place::Anywhere => format!("%{text}%"),
        Place::Start => format!("{text}%"),
        Place::End => format!("%{text}"),
    };
    if cx.backend() != DbBackend::Postgres {
        let op = if is_negated { Op::NotLikeEscaped } else { Op::LikeEscaped };
        return Ok(Node::operator(op, Value::text(pattern)));
    }
    not_nested(subject)?;
    let operator = if is_negated { PgBinOper::NotILike } else { PgBinOper::ILike };
    let column = subject.column.clone().cast_as(Alias::new("text"));
    Ok(Node::Sql(column.binary(operator, bind::text(&pattern, cx.codec))))
}

fn not_nested(subject: &Subject<'_>) -> Result<(), Thrown> {
    match subject.is_nested {
        true => Err(Thrown::reading(&Value::Undefined, "target")),
        false => Ok(()),
    }
}

/// Whether an array has the same members as the operand.
fn equal_array(
    operand: Value,
    is_negated: bool,
    subject: &Subject<'_>,
    cx: &Context<'_>,
) -> Result<Node, Thrown> {
    not_nested(subject)?;
    let column = subject.column.clone();
    let condition = match cx.backend() {
        DbBackend::Postgres => {
            let wanted = || json_text(&operand).cast_as(Alias::new("jsonb"));
            let contains = column.clone().binary(PgBinOper::Contains, wanted());
            contains.and(column.binary(PgBinOper::Contained, wanted()))
        }
        backend => {
            let wanted = if is_negated { operand } else { sorted(operand)? };
            let wanted = || json_text(&wanted);
            if backend != DbBackend::MySql {
                // The text that NocoBase has written is compared.
                let wanted: Expr = Func::cust("json").arg(wanted()).into();
                return Ok(Node::Sql(if is_negated { column.ne(wanted) } else { column.eq(wanted) }));
            }
            let contains =
                |whole: Expr, part: Expr| -> Expr { Func::cust("JSON_CONTAINS").arg(whole).arg(part).into() };
            contains(column.clone(), wanted()).and(contains(wanted(), column))
        }
    };
    Ok(Node::Sql(if is_negated { condition.not() } else { condition }))
}

/// A value as JSON; undefined has none, and is NULL.
fn json_text(value: &Value) -> Expr {
    json::stringify(value).map_or(Expr::Keyword(Keyword::Null), Expr::val)
}

/// `array.sort()`: by the members' texts.
fn sorted(operand: Value) -> Result<Value, Thrown> {
    let array = match &operand {
        Value::Array(array, _) => array,
        Value::Undefined | Value::Null => return Err(Thrown::reading(&operand, "sort")),
        _ => return Err(Thrown::type_error("value.sort is not a function")),
    };
    let mut items: Vec<(Vec<u16>, Value)> = Vec::new();
    for item in array.items() {
        items.push((to_text(item)?.encode_utf16().collect(), item.clone()));
    }
    items.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(Value::array(items.into_iter().map(|(_, item)| item).collect()))
}

/// Whether an array has one of the operand's members.
fn overlaps(operand: &Value, subject: &Subject<'_>, cx: &Context<'_>) -> Result<Expr, Thrown> {
    not_nested(subject)?;
    let wanted = match operand {
        Value::Array(array, _) => array.items().to_vec(),
        one => vec![one.clone()],
    };
    let texts = || wanted.iter().map(to_text).collect::<Result<Vec<String>, Thrown>>();
    let column = subject.column.clone();
    Ok(match cx.backend() {
        DbBackend::Postgres => {
            // PostgreSQL cannot tell the type of an empty array, and refuses it.
            let array = if wanted.is_empty() {
                Expr::cust(bind::EMPTY_ARRAY)
            } else {
                let texts =
                    texts()?.into_iter().map(|text| SqlValue::from(bind::stored_text(&text, cx.codec)));
                Expr::val(SqlValue::Array(ArrayType::String, Some(Box::new(texts.collect()))))
            };
            column.binary(BinOper::Custom("?|"), array)
        }
        DbBackend::MySql => {
            let wanted = Expr::val(json::stringify_or_null(&Value::array(wanted)));
            Func::cust("JSON_OVERLAPS").arg(column).arg(wanted).into()
        }
        _ => {
            let each = Alias::new("each");
            let mut select = Query::select();
            select
                .expr(Expr::val(1))
                .from_function(Func::cust("json_each").arg(column), each.clone())
                .and_where(Expr::col((each, Alias::new("value"))).is_in(texts()?));
            Expr::exists(select)
        }
    })
}

fn array_length(subject: &Subject<'_>, cx: &Context<'_>, is_empty: bool) -> Result<Node, Thrown> {
    not_nested(subject)?;
    let name = match cx.backend() {
        DbBackend::Postgres => "jsonb_array_length",
        DbBackend::MySql => "json_length",
        _ => "json_array_length",
    };
    let length = Func::cust(name).arg(subject.column.clone());
    let length: Expr = Func::coalesce([length.into(), Expr::val(0)]).into();
    Ok(Node::Sql(if is_empty { length.eq(0) } else { length.gt(0) }))
}

/// Rows of tables that inherit from this one; PostgreSQL only.
fn of_children(operand: &Value, is_negated: bool, cx: &Context<'_>) -> Result<Expr, Thrown> {
    let names = match operand {
        Value::Array(array, _) => array.items().to_vec(),
        one => vec![one.clone()],
    };
    let mut tables = Vec::new();
    for name in names {
        if let Some(child) = cx.schema.get(&to_text(&name)?) {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let schema = child.table.schema.as_deref().map(|schema| format!("{}.", quoted(schema)));
            let name = format!("{}{}", schema.unwrap_or_default(), quoted(&child.table.name));
            tables.push(Expr::val(name).cast_as(Alias::new("regclass")));
        }
    }
    if tables.is_empty() {
        return Ok(Expr::cust(if is_negated { "1 = 1" } else { "1 = 2" }));
    }
    let own = Expr::col((Alias::new(&*cx.collection.name), Alias::new("tableoid")));
    Ok(if is_negated { own.is_not_in(tables) } else { own.is_in(tables) })
}

fn date(
    operator: DateOperator,
    operand: &Value,
    subject: &Subject<'_>,
    cx: &Context<'_>,
) -> Result<Node, Thrown> {
    let kind = subject.field.filter(|field| field.is_declared).map(|field| field.kind);
    let has_no_zone = matches!(kind, Some(FieldType::DatetimeNoTz | FieldType::DateOnly));
    let zone = if has_no_zone { chrono::Utc.fix() } else { cx.codec.time_offset() };
    let span = Span::parse(operand, Reference { now: cx.now, zone })?.ok_or_else(|| {
        let text = json::stringify(operand).unwrap_or_else(|| "undefined".to_owned());
        Thrown::error(format!("Invalid Date {text}"))
    })?;
    let value = |time: f64| Node::from(attribute_value(Date(time), subject.field));
    let one = |op: Op, time: f64| Node::operator(op, value(time));
    let both = |join: Op, first: Node, second: Node| Node::operator(join, Node::List(vec![first, second]));
    Ok(match (operator, span) {
        (DateOperator::On, Span::Instant(time)) => one(Op::Eq, time),
        (DateOperator::On, Span::Range(start, end)) => both(Op::And, one(Op::Gte, start), one(Op::Lt, end)),
        (DateOperator::NotOn, Span::Instant(time)) => one(Op::Ne, time),
        (DateOperator::NotOn, Span::Range(start, end)) => both(Op::Or, one(Op::Lt, start), one(Op::Gte, end)),
        (DateOperator::Before, Span::Instant(time) | Span::Range(time, _)) => one(Op::Lt, time),
        (DateOperator::NotBefore, Span::Instant(time) | Span::Range(time, _)) => one(Op::Gte, time),
        (DateOperator::After, Span::Instant(time)) => one(Op::Gt, time),
        (DateOperator::After, Span::Range(_, end)) => one(Op::Gte, end),
        (DateOperator::NotAfter, Span::Instant(time)) => one(Op::Lte, time),
        (DateOperator::NotAfter, Span::Range(_, end)) => one(Op::Lt, end),
        (DateOperator::Between, span) => {
            let (start, end) = span.ends();
            both(Op::And, one(Op::Gte, start), one(Op::Lt, end))
        }
    })
}

/// A point in time as the attribute keeps it.
fn attribute_value(date: Date, field: Option<&Field>) -> Value {
    let Some(field) = field.filter(|field| field.is_declared) else { return Value::Date(date) };
    match field.kind {
        FieldType::UnixTimestamp => Value::Number((date.0 / 1000.0 * field.units_per_second()).floor()),
        FieldType::DatetimeNoTz | FieldType::DateOnly => match date.to_chrono() {
            Some(time) => Value::text(time.format("%Y-%m-%d %H:%M:%S").to_string()),
            None => Value::from("Invalid date"),
        },
        _ => Value::Date(date),
    }
}
