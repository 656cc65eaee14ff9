//! A JavaScript value: JSON's kinds plus what a running NocoBase holds beside them. Shared parts are behind
//! `Arc`, so a clone is cheap and, as in JavaScript, refers to the same array or object.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use indexmap::IndexMap;

use super::Method;
use super::system::SystemFunction;

/// A value that a node reads or produces.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// What a template gives for a variable that does not exist. Not a JSON value: left out of objects,
    /// null in arrays.
    #[default]
    Undefined,
    Null,
    Bool(bool),
    /// Every number is a double, so integers beyond 2^53 are rounded, as in NocoBase.
    Number(f64),
    Text(Arc<str>),
    Date(Date),
    Array(Arc<Array>),
    Object(Arc<Object>),
    /// An object that its owner still changes: the counters of a running loop.
    Live(Arc<Live>),
    Function(Function),
}

/// A point in time in milliseconds since 1970-01-01T00:00:00Z, NaN for an invalid date.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Date(pub f64);

/// Something callable that a path can lead to. Templates call it without arguments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// A function of `$system`.
    System(SystemFunction),
    /// A method that every value of a kind has, such as `[].map`.
    Method(Method),
}

/// An array, together with the columns that templates have read through it.
///
/// NocoBase stores such a column as a property of the very array object (`appendArrayColumn` in
/// `packages/core/evaluators/src/utils/index.ts`), where later nodes of the same run find it.
#[derive(Debug, Default)]
pub struct Array {
    items: Vec<Value>,
    columns: Mutex<Vec<(Arc<str>, Value)>>,
    /// Where the items are that are neither null nor undefined; nothing when that is all of them.
    present: OnceLock<Option<Box<[usize]>>>,
}

impl Array {
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    /// The item at this place among those that are neither null nor undefined.
    pub fn present_item(&self, index: usize) -> Option<&Value> {
        let present = self.present.get_or_init(|| {
            let is_present = |i: &usize| !self.items[*i].is_nullish();
            let places: Box<[usize]> = (0..self.items.len()).filter(is_present).collect();
            (places.len() < self.items.len()).then_some(places)
        });
        match present {
            None => self.items.get(index),
            Some(places) => places.get(index).map(|place| &self.items[*place]),
        }
    }

    /// A property other than an index or `length`: a column set before.
    pub fn column(&self, name: &str) -> Option<Value> {
        let columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        columns.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.clone())
    }

    /// The columns set so far, in the order in which they were set.
    pub fn columns(&self) -> Vec<(Arc<str>, Value)> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_column(&self, name: &str, value: Value) {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        match columns.iter_mut().find(|(key, _)| &**key == name) {
            Some(column) => column.1 = value,
            None => columns.push((name.into(), value)),
        }
    }
}

/// An object, whose keys are in JavaScript's order: keys that look like array indices first and ascending,
/// the others as they were added.
#[derive(Clone, Debug, Default)]
pub struct Object {
    members: IndexMap<Arc<str>, Value>,
    /// How many keys at the front look like array indices.
    indices: usize,
}

impl Object {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(members: usize) -> Self {
        Self { members: IndexMap::with_capacity(members), indices: 0 }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members.get(key)
    }

    /// Sets a member; one that exists keeps its place.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: Value) {
        let key = key.into();
        if let Some(member) = self.members.get_mut(&key) {
            *member = value;
            return;
        }
        let Some(index) = array_index(&key) else {
            self.members.insert(key, value);
            return;
        };
        let front = self.members.as_slice().get_range(..self.indices);
        let place = front.map_or(0, |front| {
            front.partition_point(|other, _| array_index(other).is_some_and(|other| other < index))
        });
        self.members.shift_insert(place, key, value);
        self.indices += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.members.iter()
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// An object that everybody who holds it sees change. NocoBase shares such objects between nodes until they
/// are saved: a variable that has taken over the result of a running loop is saved with its later counters.
#[derive(Debug, Default)]
pub struct Live(Mutex<Arc<Object>>);

impl Live {
    pub fn new(object: Object) -> Self {
        Self(Mutex::new(object.into()))
    }

    /// The object as it is now.
    pub fn object(&self) -> Arc<Object> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, object: Object) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = object.into();
    }
}

impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        let mut object = Object::new();
        for (key, value) in members {
            object.insert(key, value);
        }
        object
    }
}

/// `"0"` to `"4294967294"` without leading zeros: what JavaScript takes for an array index.
pub fn array_index(key: &str) -> Option<u32> {
    let bytes = key.as_bytes();
    let plain = matches!(bytes, [b'0'] | [b'1'..=b'9', ..]) && bytes.iter().all(u8::is_ascii_digit);
    if !plain || bytes.len() > 10 {
        return None;
    }
    key.parse().ok().filter(|index| *index < u32::MAX)
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::Text(text.into())
    }

    pub fn array(items: Vec<Value>) -> Self {
        Value::Array(Arc::new(Array { items, ..Array::default() }))
    }

    pub fn object<K: Into<Arc<str>>>(members: impl IntoIterator<Item = (K, Value)>) -> Self {
        Value::Object(Arc::new(members.into_iter().collect()))
    }

    /// `null` and `undefined`: what JavaScript's `== null` accepts.
    pub fn is_nullish(&self) -> bool {
        matches!(self, Value::Undefined | Value::Null)
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined)
    }

    /// JavaScript's truthiness.
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::Undefined | Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
            Value::Date(_) | Value::Array(_) | Value::Object(_) | Value::Live(_) | Value::Function(_) => true,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The own member of an object; undefined for a missing one and for every other kind of value.
    pub fn member(&self, key: &str) -> Value {
        if let Value::Live(live) = self {
            return live.object().get(key).cloned().unwrap_or_default();
        }
        self.as_object().and_then(|object| object.get(key)).cloned().unwrap_or_default()
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Value::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::text(text)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(object.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::text(text)
    }
}

/// What JavaScript would have thrown.
#[derive(Clone, Debug)]
pub struct Thrown {
    /// The name of the error's class, such as `TypeError`; empty for what is no error.
    pub name: Cow<'static, str>,
    pub message: String,
    /// What was thrown instead of an error, or the members that an error has besides its message.
    pub value: Option<Box<Value>>,
}

impl PartialEq for Thrown {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.message) == (&other.name, &other.message)
    }
}

impl Thrown {
    pub fn error(message: impl Into<String>) -> Self {
        Self::named("Error", message)
    }

    pub fn type_error(message: impl Into<String>) -> Self {
        Self::named("TypeError", message)
    }

    /// What reading a property of undefined or null throws.
    pub fn reading(value: &Value, name: &str) -> Self {
        let value = if value.is_undefined() { "undefined" } else { "null" };
        Self::type_error(format!("Cannot read properties of {value} (reading '{name}')"))
    }

    pub fn range_error(message: impl Into<String>) -> Self {
        Self::named("RangeError", message)
    }

    /// An error of this class.
    pub fn named(name: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into(), value: None }
    }

    /// Something thrown that is no error, with its text.
    pub fn value(value: Value, text: impl Into<String>) -> Self {
        Self { name: Cow::Borrowed(""), message: text.into(), value: Some(Box::new(value)) }
    }

    /// The error with own properties, which a job records before its message.
    pub fn with_properties(mut self, properties: Object) -> Self {
        self.value = Some(Box::new(properties.into()));
        self
    }

    /// What a job records for an error that nobody caught: its own members and its message, or the value that
    /// was thrown instead of an error.
    pub fn to_result(&self) -> Value {
        let own = match self.value.as_deref() {
            Some(value) if self.name.is_empty() => return value.clone(),
            own => own.and_then(Value::as_object),
        };
        let mut result = own.cloned().unwrap_or_default();
        result.insert("message", Value::text(self.message.as_str()));
        Value::Object(result.into())
    }

    /// `error.toString()`, which itself throws when null or undefined was thrown.
    pub fn to_caught_text(&self) -> Result<String, Thrown> {
        match self.value.as_deref() {
            Some(value) if self.name.is_empty() && value.is_nullish() => {
                Err(Thrown::reading(value, "toString"))
            }
            _ => Ok(self.to_string()),
        }
    }
}

/// `Error.prototype.toString`: `TypeError: x is not a function`.
impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.name, &*self.message) {
            ("", message) => f.write_str(message),
            (name, "") => f.write_str(name),
            (name, message) => write!(f, "{name}: {message}"),
        }
    }
}

impl std::error::Error for Thrown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_look_like_indices_come_first() {
        let object: Object =
            ["b", "10", "a", "2", "01", "4294967295"].into_iter().map(|key| (key, Value::Null)).collect();
        let keys: Vec<&str> = object.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["2", "10", "b", "a", "01", "4294967295"]);
    }

    #[test]
    fn a_member_that_exists_keeps_its_place() {
        let object: Object =
            [("a", Value::from(1)), ("b", Value::from(2)), ("a", Value::from(3))].into_iter().collect();
        assert_eq!(object.iter().next().map(|(key, _)| &**key), Some("a"));
        assert_eq!(object.len(), 2);
    }
}
