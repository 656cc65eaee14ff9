//! A JavaScript value: JSON's kinds plus what a running NocoBase holds beside them. Shared parts are behind
//! `Arc`, so a clone is cheap and, as in JavaScript, refers to the same array or object.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::members::Members;
use super::system::SystemFunction;
use super::twin::Empties;
use super::{Array, Identity, Method, Twin};

/// A text of one word, that is shared and does not change.
pub use arcstr::ArcStr as Str;

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
    Text(Str),
    Date(Date),
    Array(Arc<Array>, Twin),
    Object(Arc<Object>, Twin),
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

/// An object, whose keys are in JavaScript's order.
pub type Object = Members<Value>;

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

impl Value {
    pub fn text(text: impl Into<Str>) -> Self {
        Value::Text(text.into())
    }

    pub fn array(items: Vec<Value>) -> Self {
        Value::from(Array::from(items))
    }

    pub fn object<K: Into<Str>>(members: impl IntoIterator<Item = (K, Value)>) -> Self {
        Value::from(members.into_iter().collect::<Object>())
    }

    pub fn empty_object() -> Self {
        Value::from(Object::new())
    }

    /// Whether a list in it was sorted since it was made.
    fn is_sorted_since(&self) -> bool {
        match self {
            Value::Array(array, _) => {
                array.is_sorted() || array.first_items().iter().any(Value::is_sorted_since)
            }
            Value::Object(object, _) => object.iter().any(|(_, value)| value.is_sorted_since()),
            _ => false,
        }
    }

    /// The value as it was made, for whoever reads it once more: lists that were sorted since are in their first
    /// order. `None` when nothing was.
    pub fn as_made(&self) -> Option<Self> {
        if !self.is_sorted_since() {
            return None;
        }
        let made = |value: &Value| value.as_made().unwrap_or_else(|| value.clone());
        match self {
            Value::Array(array, _) => Some(Value::array(array.first_items().iter().map(made).collect())),
            Value::Object(object, _) => {
                Some(Value::object(object.iter().map(|(key, value)| (key.clone(), made(value)))))
            }
            _ => None,
        }
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
            Value::Date(_) | Value::Array(..) | Value::Object(..) | Value::Live(_) | Value::Function(_) => {
                true
            }
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
            Value::Array(array, _) => Some(array),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object, _) => Some(object),
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

    /// A property of an array other than an index or `length`: a column set before.
    pub fn column(&self, name: &str) -> Option<Value> {
        let Value::Array(array, twin) = self else { return None };
        array.column(*twin, name)
    }

    /// The columns of an array that were set so far, in the order in which they were set.
    pub fn columns(&self) -> Vec<(Str, Value)> {
        let Value::Array(array, twin) = self else { return Vec::new() };
        array.columns(*twin)
    }

    /// Sets a column of an array; nothing else has any.
    pub fn set_column(&self, name: &str, value: Value) {
        if let Value::Array(array, twin) = self {
            array.set_column(*twin, name, value);
        }
    }

    /// A deep copy without the columns of arrays (lodash's `cloneDeep`): what is read through it later stays
    /// on it. What was shared within the value stays shared.
    pub fn detached(&self) -> Self {
        self.detached_with(&mut Copies::default())
    }

    /// The same for one of several values that may share parts.
    pub fn detached_with(&self, copies: &mut Copies) -> Self {
        if let Value::Live(live) = self {
            return Value::from(live.object()).detached_with(copies);
        }
        let Some(identity) = self.identity() else { return self.clone() };
        if let Some(copy) = copies.made.get(&identity) {
            return copy.clone();
        }
        let copy = match self {
            Value::Array(array, _) if array.items().is_empty() => copies.empties.array(),
            Value::Array(array, _) => {
                Value::array(array.items().iter().map(|item| item.detached_with(copies)).collect())
            }
            Value::Object(object, _) if object.is_empty() => copies.empties.object(),
            Value::Object(object, _) => {
                Value::object(object.iter().map(|(key, value)| (key.clone(), value.detached_with(copies))))
            }
            value => value.clone(),
        };
        copies.made.insert(identity, copy.clone());
        copy
    }
}

/// Arrays and objects that were copied so far, by what they are copies of.
#[derive(Default)]
pub struct Copies {
    made: HashMap<Identity, Value>,
    empties: Empties,
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

impl From<Array> for Value {
    fn from(array: Array) -> Self {
        Value::Array(Arc::new(array), Twin::default())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::from(Arc::new(object))
    }
}

impl From<Arc<Object>> for Value {
    fn from(object: Arc<Object>) -> Self {
        Value::Object(object, Twin::default())
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
        Value::from(result)
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
    fn a_detached_value_shares_nothing_with_the_original_but_within_itself() {
        let list = Value::array(vec![Value::from(1)]);
        let value = Value::object([("a", list.clone()), ("b", list.clone())]);
        list.set_column("c", Value::Null);
        let copy = value.detached();
        let (a, b) = (copy.member("a"), copy.member("b"));
        assert_eq!(a.identity(), b.identity(), "what was shared stays shared");
        assert!(a.columns().is_empty(), "columns are left behind");
        a.set_column("d", Value::Null);
        assert!(list.column("d").is_none());
    }

    #[test]
    fn whoever_holds_an_array_finds_it_sorted() {
        let array = Value::array(vec!["b".into(), Value::Null, "a".into()]);
        let other = array.clone();
        let array = array.as_array().expect("an array");
        assert_eq!(array.present_item(1).and_then(Value::as_str), Some("a"));
        array.set_sorted(vec!["a".into(), "b".into(), Value::Null]);
        let other = other.as_array().expect("an array");
        assert_eq!(other.items()[0].as_str(), Some("a"));
        assert_eq!(other.present_item(1).and_then(Value::as_str), Some("b"));
    }

    #[test]
    fn what_is_read_once_more_is_in_its_first_order() {
        let list = Value::array(vec![2.0.into(), 1.0.into()]);
        let context = Value::object([("a", Value::array(vec![list.clone()])), ("b", true.into())]);
        assert!(context.as_made().is_none());
        list.as_array().expect("an array").set_sorted(vec![1.0.into(), 2.0.into()]);
        assert_eq!(crate::expr::json::stringify_or_null(&context), r#"{"a":[[1,2]],"b":true}"#);
        let again = context.as_made().expect("a copy");
        assert_eq!(crate::expr::json::stringify_or_null(&again), r#"{"a":[[2,1]],"b":true}"#);
    }

    /// A payload may have millions of values.
    #[test]
    fn values_are_small() {
        assert_eq!(size_of::<Value>(), 16);
        assert_eq!((size_of::<Object>(), size_of::<Array>()), (24, 24));
    }
}
