//! Makes conditions of a `where` object, by the rules of Sequelize's query generator.

use std::collections::HashMap;

use sea_orm::DbBackend;
use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{Alias, ArrayType, BinOper, Expr, ExprTrait, Func, LikeExpr, Value as SqlValue};

use super::context::{Context, NamedColumn};
use super::list;
use super::moment::moment_of;
use super::operator::Op;
use super::tree::{Map, Node};
use crate::collection::bind::{is_moment, operand, text};
use crate::collection::field::{ColumnType, Field};
use crate::expr::convert::to_text;
use crate::expr::{Thrown, Value};

type Condition = Result<Option<Expr>, Thrown>;

pub(super) struct Conditions<'a> {
    pub cx: Context<'a>,
    pub columns: &'a HashMap<String, NamedColumn>,
}

/// What a condition is about.
#[derive(Clone)]
struct Column<'a> {
    expr: Expr,
    field: Option<&'a Field>,
    /// As messages name it.
    name: &'a str,
    /// Whether names below it are a path into its JSON.
    is_json: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Binding {
    And,
    Or,
}

impl Binding {
    fn join(self, parts: Vec<Option<Expr>>) -> Option<Expr> {
        parts.into_iter().flatten().reduce(|all, one| match self {
            Binding::And => all.and(one),
            Binding::Or => all.or(one),
        })
    }
}

impl<'a> Conditions<'a> {
    pub(super) fn all(&self, tree: &Map) -> Condition {
        self.members(tree, Binding::And)
    }

    fn members(&self, map: &Map, binding: Binding) -> Condition {
        let mut parts = Vec::new();
        for (op, node) in &map.operators {
            parts.push(self.group(*op, node)?);
        }
        for (name, node) in &map.names {
            parts.push(self.about(&self.column(name), node)?);
        }
        parts.extend(map.sql.iter().cloned().map(Some));
        Ok(binding.join(parts))
    }

    fn items(&self, node: &Node, binding: Binding) -> Condition {
        match node {
            Node::Map(map) => self.members(map, binding),
            Node::Leaf(value) if value.is_nullish() => Ok(None),
            Node::Leaf(Value::Text(_)) => {
                Err(Thrown::error("Support for `{where: 'raw query'}` has been removed."))
            }
            Node::List(items) if items.iter().any(|item| matches!(item, Node::Map(_))) => {
                self.group(Op::And, node)
            }
            Node::List(items) if items.is_empty() => Ok(None),
            Node::Sql(expr) => Ok(Some(expr.clone())),
            Node::List(_) | Node::Leaf(_) => {
                Err(Thrown::error("Support for literal replacements in the `where` object has been removed."))
            }
        }
    }

    /// `$and`, `$or` and `$not` with whole conditions below them.
    fn group(&self, op: Op, node: &Node) -> Condition {
        let binding = if op == Op::Or { Binding::Or } else { Binding::And };
        if !matches!(op, Op::And | Op::Or | Op::Not) || matches!(node, Node::Leaf(Value::Undefined)) {
            return Err(Thrown::type_error("Cannot convert a Symbol value to a string"));
        }
        let condition = match node {
            Node::List(items) => {
                let parts: Result<Vec<_>, _> =
                    items.iter().map(|item| self.items(item, Binding::And)).collect();
                binding.join(parts?)
            }
            node => self.items(node, binding)?,
        };
        Ok(match (op, condition) {
            (Op::Or | Op::Not, None) => Some(Expr::cust("0 = 1")),
            (Op::Not, Some(condition)) => Some(condition.not()),
            (_, condition) => condition,
        })
    }

    fn column<'n>(&self, name: &'n str) -> Column<'n>
    where
        'a: 'n,
    {
        if let Some(joined) = self.columns.get(name) {
            let expr = Expr::col((Alias::new(&joined.alias), Alias::new(&joined.column)));
            return Column { expr, field: joined.field.as_ref(), name, is_json: false };
        }
        let collection = self.cx.collection;
        let field =
            collection.field(name).or_else(|| collection.fields().find(|field| &*field.column == name));
        let column = field.map_or(name, |field| &field.column);
        let expr = Expr::col((Alias::new(&*collection.name), Alias::new(column)));
        let is_json =
            field.is_some_and(|field| matches!(field.column_type, ColumnType::Json | ColumnType::Jsonb));
        Column { expr, field, name, is_json }
    }

    fn about(&self, column: &Column<'_>, node: &Node) -> Condition {
        let map = match node {
            Node::Leaf(Value::Undefined) => {
                let name = column.name;
                return Err(Thrown::error(format!(
                    "WHERE parameter \"{name}\" has invalid \"undefined\" value"
                )));
            }
            Node::Leaf(Value::Null) => return Ok(Some(column.expr.clone().is_null())),
            Node::Sql(expr) => return Ok(Some(expr.clone())),
            Node::Leaf(Value::Array(array, _)) => {
                let items = array.items().iter().cloned().map(Node::from).collect();
                return self.one(column, Op::In, &Node::List(items));
            }
            Node::Leaf(_) => return self.one(column, Op::Eq, node),
            Node::List(_) => return self.one(column, Op::In, node),
            Node::Map(map) => map,
        };
        for (op, binding) in [(Op::Or, Binding::Or), (Op::And, Binding::And)] {
            if let Some(parts) = map.operators.get(&op).filter(|node| is_truthy(node)) {
                // Sequelize looks at nothing else then.
                return self.bind(binding, column, parts);
            }
        }
        if column.is_json {
            return self.json(column, map);
        }
        if map.len() == 1 {
            return match map.operators.first() {
                Some((op, node)) => self.one(column, *op, node),
                None if map.names.is_empty() => Ok(map.sql.first().cloned()),
                None => self.one(column, Op::Eq, node),
            };
        }
        match map.len() {
            0 => self.one(column, Op::Eq, node),
            _ => self.bind(Binding::And, column, node),
        }
    }

    /// Several conditions about the same column.
    fn bind(&self, binding: Binding, column: &Column<'_>, node: &Node) -> Condition {
        let mut parts = Vec::new();
        match node {
            Node::Map(map) => {
                for (op, node) in &map.operators {
                    parts.push(self.about(column, &Node::operator(*op, node.clone()))?);
                }
                for (name, node) in &map.names {
                    let mut one = Map::default();
                    one.names.insert(name.clone(), node.clone());
                    parts.push(self.about(column, &Node::Map(one))?);
                }
                parts.extend(map.sql.iter().cloned().map(Some));
            }
            Node::List(items) => {
                for item in items {
                    parts.push(self.about(column, item)?);
                }
            }
            _ => return Err(Thrown::type_error("value.map is not a function")),
        }
        Ok(binding.join(parts))
    }

    /// One operator and its operand.
    fn one(&self, column: &Column<'_>, op: Op, node: &Node) -> Condition {
        let invalid = || Thrown::error(format!("Invalid value {}", node.inspect()));
        let value = match node.value() {
            Some(value) => value,
            // Numbers are written with `toString`, whatever they are.
            None if column.field.is_some_and(|field| field.column_type.is_number()) => {
                Value::from("[object Object]")
            }
            None => return Err(invalid()),
        };
        let left = column.expr.clone();
        let right = |value: &Value| self.operand(value, column.field);
        let op = match (op, &value) {
            (Op::Not, Value::Array(_, _)) => Op::NotIn,
            (Op::Not, Value::Null | Value::Bool(_)) => Op::Not,
            (Op::Not, _) => Op::Ne,
            (op, _) => op,
        };
        Ok(Some(match op {
            Op::In | Op::NotIn => return self.list(column, op, &value),
            Op::Eq if matches!(value, Value::Null) => left.is_null(),
            Op::Ne if matches!(value, Value::Null) => left.is_not_null(),
            Op::Is if matches!(value, Value::Null | Value::Undefined) => left.is_null(),
            Op::Not if matches!(value, Value::Null) => left.is_not_null(),
            Op::Is | Op::Not => match value {
                Value::Bool(flag) => {
                    let operator = if op == Op::Is { BinOper::Is } else { BinOper::IsNot };
                    left.binary(operator, Expr::Constant(flag.into()))
                }
                _ => return Err(invalid()),
            },
            Op::Eq => left.eq(right(&value)?),
            Op::Ne => left.ne(right(&value)?),
            Op::Gt => left.gt(right(&value)?),
            Op::Gte => left.gte(right(&value)?),
            Op::Lt => left.lt(right(&value)?),
            Op::Lte => left.lte(right(&value)?),
            Op::Between | Op::NotBetween => {
                let (start, end) = (right(&place_of(&value, 0)?)?, right(&place_of(&value, 1)?)?);
                match op {
                    Op::Between => left.between(start, end),
                    _ => left.not_between(start, end),
                }
            }
            _ => self.pattern(left, op, &value, column.field)?,
        }))
    }

    /// A value that is compared with an attribute. What has members is a date to `moment`, where one is expected.
    fn operand(&self, value: &Value, field: Option<&Field>) -> Result<Expr, Thrown> {
        let is_date = field.is_some_and(|field| is_moment(field.column_type, self.cx.codec));
        match value {
            Value::Array(_, _) | Value::Object(_, _) if is_date => {
                operand(&Value::Date(moment_of(value, self.cx.now)), field, self.cx.codec)
            }
            value => operand(value, field, self.cx.codec),
        }
    }

    fn list(&self, column: &Column<'_>, op: Op, value: &Value) -> Condition {
        let items = list::items_of(value)?;
        let left = column.expr.clone();
        if items.is_empty() {
            let none = || vec![Expr::Keyword(sea_orm::sea_query::Keyword::Null)];
            return Ok((op == Op::In).then(|| left.is_in(none())));
        }
        if let Some(condition) = list::long(&left, op, items, column.field, self.cx.codec) {
            return Ok(Some(condition));
        }
        let items: Result<Vec<Expr>, Thrown> =
            items.iter().map(|item| self.operand(item, column.field)).collect();
        Ok(Some(if op == Op::In { left.is_in(items?) } else { left.is_not_in(items?) }))
    }

    /// Operators on texts and arrays.
    fn pattern(&self, left: Expr, op: Op, value: &Value, field: Option<&Field>) -> Result<Expr, Thrown> {
        let is_postgres = self.cx.backend() == DbBackend::Postgres;
        let operator: BinOper = match op {
            Op::Like | Op::LikeEscaped | Op::EndsWith | Op::Substring => BinOper::Like,
            Op::NotLike | Op::NotLikeEscaped => BinOper::NotLike,
            Op::ILike if is_postgres => PgBinOper::ILike.into(),
            Op::NotILike if is_postgres => PgBinOper::NotILike.into(),
            Op::Regexp if is_postgres => BinOper::Custom("~"),
            Op::NotRegexp if is_postgres => BinOper::Custom("!~"),
            Op::IRegexp if is_postgres => BinOper::Custom("~*"),
            Op::NotIRegexp if is_postgres => BinOper::Custom("!~*"),
            Op::Regexp => BinOper::Custom("REGEXP"),
            Op::NotRegexp => BinOper::Custom("NOT REGEXP"),
            Op::Overlap if is_postgres => BinOper::Custom("&&"),
            Op::Contains if is_postgres => PgBinOper::Contains.into(),
            Op::Contained if is_postgres => PgBinOper::Contained.into(),
            _ => {
                return Err(Thrown::error(format!(
                    "this database does not know the operator ${}",
                    op.symbol()
                )));
            }
        };
        let codec = self.cx.codec;
        let right = match (op, value) {
            // Nothing escapes wildcards in SQLite unless it is said, which NocoBase forgets.
            (Op::LikeEscaped | Op::NotLikeEscaped, Value::Text(text))
                if self.cx.backend() == DbBackend::Sqlite =>
            {
                let pattern = LikeExpr::new(&**text).escape('\\');
                return Ok(match op {
                    Op::LikeEscaped => left.like(pattern),
                    _ => left.not_like(pattern),
                });
            }
            // These two are put into a text, whatever they are: undefined is found as `undefined`.
            (Op::EndsWith, value) => text(&format!("%{}", to_text(value)?), codec),
            (Op::Substring, value) => text(&format!("%{}%", to_text(value)?), codec),
            (Op::Overlap | Op::Contains | Op::Contained, value) => operand(value, field, codec)?,
            (_, Value::Text(pattern)) => text(pattern, codec),
            (_, Value::Number(_) | Value::Bool(_)) if !is_postgres => text(&to_text(value)?, codec),
            (_, value) => operand(value, None, codec)?,
        };
        Ok(left.binary(operator, right))
    }

    /// Names below a JSON column are the way into it.
    fn json(&self, column: &Column<'_>, map: &Map) -> Condition {
        let plain = Column { is_json: false, ..column.clone() };
        let mut parts = Vec::new();
        for (op, node) in &map.operators {
            parts.push(self.about(&plain, &Node::operator(*op, node.clone()))?);
        }
        for (name, node) in &map.names {
            self.json_member(column, &[name], node, &mut parts)?;
        }
        parts.extend(map.sql.iter().cloned().map(Some));
        Ok(Binding::And.join(parts))
    }

    fn json_member(
        &self,
        column: &Column<'_>,
        path: &[&str],
        node: &Node,
        parts: &mut Vec<Option<Expr>>,
    ) -> Result<(), Thrown> {
        let member = |value: Option<&Value>| Column {
            expr: self.json_value(column.expr.clone(), path, value),
            field: None,
            name: column.name,
            is_json: false,
        };
        let Node::Map(map) = node else {
            parts.push(self.about(&member(node.value().as_ref()), node)?);
            return Ok(());
        };
        for (op, node) in &map.operators {
            let column = member(node.value().as_ref());
            parts.push(self.about(&column, &Node::operator(*op, node.clone()))?);
        }
        for (name, node) in &map.names {
            let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            self.json_member(column, &path, node, parts)?;
        }
        parts.extend(map.sql.iter().cloned().map(Some));
        Ok(())
    }

    /// The member at a path, as text, or as the type of what it is compared with.
    fn json_value(&self, column: Expr, path: &[&str], compared: Option<&Value>) -> Expr {
        let compared = match compared {
            Some(Value::Array(array, _)) => array.items().first(),
            other => other,
        };
        let text = match self.cx.backend() {
            DbBackend::Postgres => {
                let path = path.iter().map(|name| SqlValue::from(*name)).collect();
                let path = SqlValue::Array(ArrayType::String, Some(Box::new(path)));
                column.binary(BinOper::Custom("#>>"), Expr::val(path))
            }
            backend => {
                let names = path.iter().map(|name| format!(".\"{}\"", name.replace(['"', '\\'], "")));
                let path = format!("${}", names.collect::<String>());
                let value = Func::cust("json_extract").arg(column).arg(Expr::val(path));
                match backend {
                    DbBackend::MySql => Func::cust("json_unquote").arg(value).into(),
                    _ => value.into(),
                }
            }
        };
        match (self.cx.backend(), compared) {
            (DbBackend::Postgres, Some(Value::Number(_))) => text.cast_as(Alias::new("double precision")),
            (DbBackend::Postgres, Some(Value::Bool(_))) => text.cast_as(Alias::new("boolean")),
            (DbBackend::Postgres, Some(Value::Date(_))) => text.cast_as(Alias::new("timestamptz")),
            (DbBackend::MySql, Some(Value::Number(_))) => text.cast_as(Alias::new("double")),
            (DbBackend::MySql, Some(Value::Bool(_))) => text.eq("true"),
            _ => text,
        }
    }
}

/// `value[0]` and `value[1]`: of a text its letters, of undefined and null an error.
fn place_of(value: &Value, place: usize) -> Result<Value, Thrown> {
    match value {
        Value::Undefined | Value::Null => Err(Thrown::reading(value, &place.to_string())),
        Value::Array(items, _) => Ok(items.items().get(place).cloned().unwrap_or_default()),
        Value::Text(text) => {
            Ok(text.chars().nth(place).map_or(Value::Undefined, |c| Value::text(c.to_string())))
        }
        value => Ok(value.member(&place.to_string())),
    }
}

fn is_truthy(node: &Node) -> bool {
    match node {
        Node::Leaf(value) => value.is_truthy(),
        _ => true,
    }
}
