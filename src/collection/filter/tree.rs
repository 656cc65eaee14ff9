//! The conditions of a filter as Sequelize's `where` objects: keys are names or operators.

use indexmap::IndexMap;
use sea_orm::sea_query::Expr;

use super::operator::Op;
use crate::collection::inspect::{braced, inspect, member};
use crate::expr::{Value, array_index};

/// How many places of an array may be left open.
const SPARSE: usize = 1000;

/// A part of a `where` object.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Value),
    List(Vec<Node>),
    Map(Map),
    /// A condition that is SQL already.
    Sql(Expr),
}

/// An object whose keys are names and operators. Operators come first when conditions are made of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub operators: IndexMap<Op, Node>,
    pub names: IndexMap<String, Node>,
    /// Conditions that are SQL already and hold together with the others.
    pub sql: Vec<Expr>,
}

/// One step of the way to a part.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Operator(Op),
    /// A name, or a place in an array.
    Name(String),
}

impl Node {
    pub(super) fn operator(op: Op, operand: impl Into<Node>) -> Self {
        Node::Map(Map { operators: IndexMap::from([(op, operand.into())]), ..Map::default() })
    }

    /// As a message shows it.
    pub(super) fn inspect(&self) -> String {
        match self {
            Node::Leaf(value) => inspect(value),
            Node::List(items) => {
                let items: Vec<String> = items.iter().map(Node::inspect).collect();
                if items.is_empty() { "[]".to_owned() } else { format!("[ {} ]", items.join(", ")) }
            }
            Node::Map(map) => {
                let names = map.names.iter().map(|(name, node)| member(name, &node.inspect()));
                let operators = map
                    .operators
                    .iter()
                    .map(|(op, node)| format!("[Symbol({})]: {}", op.symbol(), node.inspect()));
                braced(&names.chain(operators).collect::<Vec<_>>())
            }
            Node::Sql(_) => "[Literal]".to_owned(),
        }
    }

    /// As a plain value, for operands; `None` where there are operators in it.
    pub(super) fn value(&self) -> Option<Value> {
        match self {
            Node::Leaf(value) => Some(value.clone()),
            Node::List(items) => Some(Value::array(items.iter().map(Node::value).collect::<Option<_>>()?)),
            Node::Map(map) if map.operators.is_empty() && map.sql.is_empty() => {
                let members = map.names.iter().map(|(name, node)| Some((name.as_str(), node.value()?)));
                Some(Value::object(members.collect::<Option<Vec<_>>>()?))
            }
            _ => None,
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match &value {
            Value::Array(array, _) if array.items().is_empty() => Node::List(Vec::new()),
            Value::Object(object, _) if object.is_empty() => Node::Map(Map::default()),
            _ => Node::Leaf(value),
        }
    }
}

impl Map {
    pub(super) fn len(&self) -> usize {
        self.operators.len() + self.names.len() + self.sql.len()
    }

    /// Sets a part, as lodash's `set` does; an object that is there already keeps its members beside the new
    /// ones, and its own win.
    pub(super) fn set(&mut self, path: &[Step], node: Node) {
        let Some((first, rest)) = path.split_first() else { return };
        let slot = match first {
            Step::Operator(op) => self.operators.entry(*op).or_insert(Node::Leaf(Value::Undefined)),
            Step::Name(name) => self.names.entry(name.clone()).or_insert(Node::Leaf(Value::Undefined)),
        };
        set_in(slot, rest, node);
    }
}

fn set_in(slot: &mut Node, path: &[Step], node: Node) {
    let Some((first, rest)) = path.split_first() else {
        *slot = merged(std::mem::replace(slot, Node::Leaf(Value::Undefined)), node);
        return;
    };
    let index = match first {
        Step::Name(name) => array_index(name).map(|index| index as usize),
        Step::Operator(_) => None,
    };
    match (&mut *slot, index) {
        (Node::List(items), Some(index)) => {
            // A key may say any number, which must not take memory for all those below it.
            let index = index.min(items.len() + SPARSE);
            while items.len() <= index {
                items.push(Node::Leaf(Value::Undefined));
            }
            set_in(&mut items[index], rest, node);
        }
        (Node::Map(map), _) => map.set(path, node),
        (Node::Sql(_), _) => {
            let mut map = Map::default();
            map.set(path, node);
            *slot = merged(std::mem::replace(slot, Node::Leaf(Value::Undefined)), Node::Map(map));
        }
        (_, Some(_)) => {
            *slot = Node::List(Vec::new());
            set_in(slot, path, node);
        }
        (_, None) => {
            let mut map = Map::default();
            map.set(path, node);
            *slot = Node::Map(map);
        }
    }
}

fn merged(old: Node, new: Node) -> Node {
    match (old, new) {
        (Node::Map(old), Node::Map(mut new)) => {
            old.operators.into_iter().for_each(|(op, node)| drop(new.operators.insert(op, node)));
            old.names.into_iter().for_each(|(name, node)| drop(new.names.insert(name, node)));
            new.sql.extend(old.sql);
            Node::Map(new)
        }
        (Node::Sql(sql), Node::Map(mut map)) | (Node::Map(mut map), Node::Sql(sql)) => {
            map.sql.push(sql);
            Node::Map(map)
        }
        (Node::Sql(old), Node::Sql(new)) => Node::Map(Map { sql: vec![old, new], ..Map::default() }),
        (_, new) => new,
    }
}
