//! NocoBase's filter language: nested objects of fields, association paths and operators, as conditions with bound
//! values (`packages/core/database/src/filter-parser.ts` and Sequelize's query generator).

mod context;
mod date;
mod list;
mod moment;
mod operator;
mod special;
mod sql;
mod tree;

use std::collections::HashMap;

use sea_orm::sea_query::{Alias, Expr};

pub use self::context::Context;

use self::context::NamedColumn;
use self::operator::Operator;
use self::special::Subject;
use self::tree::{Map, Node, Step};
use super::join::Joins;
use crate::expr::{Thrown, Value};

/// A filter as SQL: the condition, and the associations that it needs joined.
#[derive(Debug, Default)]
pub struct Filter {
    pub condition: Option<Expr>,
    pub joins: Joins,
}

impl Filter {
    /// Throws what NocoBase throws for filters that make no sense. Names that no field has become names of
    /// columns, which the database will not find.
    pub fn parse(filter: &Value, cx: Context<'_>) -> Result<Self, Thrown> {
        let mut parser = Parser {
            cx,
            tree: Map::default(),
            columns: HashMap::new(),
            joins: Joins::default(),
            skipped: None,
        };
        match filter {
            filter if !filter.is_truthy() => return Ok(Self::default()),
            Value::Object(_, _) => parser.walk(Vec::new(), &with_ids(filter))?,
            filter => parser.walk(Vec::new(), filter)?,
        }
        let condition = sql::Conditions { cx, columns: &parser.columns }.all(&parser.tree)?;
        Ok(Self { condition, joins: parser.joins })
    }

    /// Whether a filter may be used to change or remove records: it has to name something
    /// (`packages/core/database/src/decorators/must-have-filter-decorator.ts`).
    pub fn is_valid(filter: &Value) -> bool {
        let Value::Object(object, _) = filter else { return false };
        let groups: Vec<&Value> = ["$and", "$or"].iter().filter_map(|key| object.get(key)).collect();
        if groups.is_empty() {
            return !object.is_empty();
        }
        groups.iter().filter_map(|group| group.as_array()).flat_map(|group| group.items()).any(|member| {
            let first = |value: &Value| {
                value.as_object().and_then(|one| one.iter().next().map(|(_, one)| one.clone()))
            };
            first(member).is_some_and(|field| !matches!(first(&field), Some(Value::Undefined)))
        })
    }
}

/// `a.$exists` asks for the id of `a`; only where it is written with a dot.
fn with_ids(filter: &Value) -> Value {
    let Value::Object(object, _) = filter else { return filter.clone() };
    let renamed = |key: &str| -> Option<String> {
        let (path, operator) =
            key.rsplit_once('.').filter(|(_, op)| matches!(*op, "$exists" | "$notExists"))?;
        let last = path.rsplit('.').next();
        (last != Some("id")).then(|| format!("{path}.id.{operator}"))
    };
    let (moved, kept): (Vec<_>, Vec<_>) = object.iter().partition(|(key, _)| renamed(key).is_some());
    let moved = moved.into_iter().filter_map(|(key, value)| Some((renamed(key)?, value.clone())));
    Value::object(kept.into_iter().map(|(key, value)| (key.to_string(), value.clone())).chain(moved))
}

struct Parser<'a> {
    cx: Context<'a>,
    tree: Map,
    /// The columns of associations, by the name they have in the tree.
    columns: HashMap<String, NamedColumn>,
    joins: Joins,
    /// The path of the last operator of NocoBase's: what begins with it is its operand.
    skipped: Option<String>,
}

impl Parser<'_> {
    /// Goes down to the leaves and to operators of NocoBase's, whose operands are not looked into.
    fn walk(&mut self, path: Vec<String>, value: &Value) -> Result<(), Thrown> {
        let members: Vec<(String, Value)> = match value {
            Value::Object(object, _) if !object.is_empty() => {
                object.iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
            }
            Value::Array(array, _) if !array.items().is_empty() => {
                array.items().iter().enumerate().map(|(i, item)| (i.to_string(), item.clone())).collect()
            }
            _ if path.is_empty() => return Ok(()),
            leaf => return self.leaf(&path, leaf.clone()),
        };
        for (key, value) in members {
            let mut path = path.clone();
            let mut steps = key.split('.');
            let mut operand = None;
            while let Some(step) = steps.next() {
                path.push(step.to_owned());
                if let Some(Operator::Special(_)) = Operator::parse(step) {
                    let rest: Vec<&str> = steps.by_ref().collect();
                    operand = Some(
                        rest.iter()
                            .rev()
                            .fold(value.clone(), |value, key| Value::object([((*key).to_owned(), value)])),
                    );
                }
            }
            match operand {
                Some(operand) => self.leaf(&path, operand)?,
                None => self.walk(path, &value)?,
            }
        }
        Ok(())
    }

    fn leaf(&mut self, path: &[String], value: Value) -> Result<(), Thrown> {
        let key = path.join(".");
        if self.skipped.as_ref().is_some_and(|skipped| key.starts_with(skipped)) {
            return Ok(());
        }
        let is_empty_list = value.as_array().is_some_and(|array| array.items().is_empty());
        if matches!(key.as_str(), "$or" | "$and") && is_empty_list {
            return Ok(());
        }
        let mut steps = Vec::new();
        let mut place = Place::default();
        let mut rest = path.iter();
        let mut node = None;
        while let Some(name) = rest.next() {
            if name.starts_with('$') {
                match Operator::parse(name) {
                    Some(Operator::Plain(op)) => steps.push(Step::Operator(op)),
                    Some(Operator::Special(special)) => {
                        let subject = self.subject(&place);
                        node = Some(special.condition(value.clone(), &subject, &self.cx)?);
                        self.skipped = Some(key);
                        break;
                    }
                    Some(Operator::Refused) => {
                        return Err(Thrown::error(format!("the operator {name} is not allowed in a filter")));
                    }
                    None => steps.push(Step::Name(name.clone())),
                }
            } else if name.starts_with(|c: char| c.is_ascii_digit()) {
                steps.push(Step::Name(name.clone()));
            } else if self.cx.collection.association(name).is_some() {
                let joined = self.follow(name, &mut rest)?;
                place = Place { column: Some(joined.clone()), depth: 1 };
                steps.push(Step::Name(joined));
            } else {
                place.enter(name);
                steps.push(Step::Name(name.clone()));
            }
        }
        self.tree.set(&steps, node.unwrap_or_else(|| Node::from(value)));
        Ok(())
    }

    /// Follows a path through associations to an attribute and returns the name of that column in the tree.
    fn follow<'p>(
        &mut self,
        first: &str,
        rest: &mut impl Iterator<Item = &'p String>,
    ) -> Result<String, Thrown> {
        let mut collection = self.cx.collection;
        let mut path = vec![first.to_owned()];
        let mut alias = None;
        loop {
            let name = &path[path.len() - 1];
            let Some(association) = collection.association(name) else {
                return Err(Thrown::error(format!("association {name} in {} not found", collection.name)));
            };
            let Some(target) = self.cx.schema.get(&association.target) else {
                return Err(Thrown::error(format!("collection {} not found", association.target)));
            };
            alias =
                Some(self.joins.add(alias.as_deref(), collection, association, target, self.cx.schema)?);
            collection = target;
            let Some(next) = rest.next() else {
                return Err(Thrown::error(format!(
                    "undefined neither {first}'s association nor {first}'s attribute"
                )));
            };
            if let Some(field) = collection.field(next) {
                let key = format!("${}.{}$", path.join("."), field.column);
                let column = field.column.to_string();
                let alias = alias.unwrap_or_default();
                self.columns.insert(key.clone(), NamedColumn { alias, column, field: Some(field.clone()) });
                return Ok(key);
            }
            if collection.association(next).is_none() {
                return Err(Thrown::error(format!(
                    "{next} neither {first}'s association nor {first}'s attribute"
                )));
            }
            path.push(next.clone());
        }
    }

    fn subject(&self, place: &Place) -> Subject<'_> {
        let root = Alias::new(&*self.cx.collection.name);
        let is_nested = place.depth > 1;
        let Some(name) = &place.column else {
            return Subject { column: Expr::col(root), field: None, is_nested };
        };
        if let Some(joined) = self.columns.get(name) {
            let column = Expr::col((Alias::new(&joined.alias), Alias::new(&joined.column)));
            return Subject { column, field: joined.field.as_ref(), is_nested };
        }
        let field = self.cx.collection.field(name);
        let column = field.map_or(name.as_str(), |field| &field.column);
        Subject { column: Expr::col((root, Alias::new(column))), field, is_nested }
    }
}

/// The field that a path has come to.
#[derive(Default)]
struct Place {
    column: Option<String>,
    /// How many names the path has, from the field on.
    depth: usize,
}

impl Place {
    fn enter(&mut self, name: &str) {
        if self.column.is_none() {
            self.column = Some(name.to_owned());
        }
        self.depth += 1;
    }
}
