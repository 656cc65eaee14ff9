//! Which array or object a value is. Empty ones of a text share an allocation, because payloads may have millions of them,
//! and are different ones all the same.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use super::{Array, Object, Value};

/// Tells arrays, or objects, apart that share an allocation: empty ones of one text. The others are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Twin(u32);

/// Which array or object a value is, as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(usize, Twin);

impl Value {
    /// Which array, object or live object it is; `None` for what is compared by what it says.
    pub fn identity(&self) -> Option<Identity> {
        match self {
            Value::Array(array, twin) => Some(Identity(Arc::as_ptr(array) as usize, *twin)),
            Value::Object(object, twin) => Some(Identity(Arc::as_ptr(object) as usize, *twin)),
            Value::Live(live) => Some(Identity(Arc::as_ptr(live) as usize, Twin::default())),
            _ => None,
        }
    }
}

/// Makes empty arrays and objects, each one of its own, that take no memory beside their values.
#[derive(Default)]
pub(super) struct Empties {
    array: OnceCell<Arc<Array>>,
    object: OnceCell<Arc<Object>>,
    made: Cell<u32>,
}

impl Empties {
    pub(super) fn array(&self) -> Value {
        let Some(twin) = self.twin() else { return Value::array(Vec::new()) };
        Value::Array(self.array.get_or_init(Arc::default).clone(), twin)
    }

    pub(super) fn object(&self) -> Value {
        let Some(twin) = self.twin() else { return Value::empty_object() };
        Value::Object(self.object.get_or_init(Arc::default).clone(), twin)
    }

    fn twin(&self) -> Option<Twin> {
        let next = self.made.get().checked_add(1)?;
        self.made.set(next);
        Some(Twin(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn empty_ones_of_a_text_share_memory_and_are_different_ones() {
        let list = json::parse(b"[{},{},[],[]]").expect("JSON");
        let items = list.as_array().expect("an array").items();
        let [Value::Object(a, _), Value::Object(b, _), Value::Array(c, _), Value::Array(d, _)] = items else {
            panic!("{items:?}")
        };
        assert!(Arc::ptr_eq(a, b) && Arc::ptr_eq(c, d));
        for (i, one) in items.iter().enumerate() {
            let same = items.iter().filter(|other| other.identity() == one.clone().identity());
            assert_eq!(same.count(), 1, "{i}");
        }
        let copy = list.detached();
        let copies = copy.as_array().expect("an array").items();
        assert!(items.iter().all(|one| copies.iter().all(|other| one.identity() != other.identity())));
    }

    #[test]
    fn what_is_put_on_one_of_them_is_not_on_the_others() {
        let list = json::parse(b"[[],[],[]]").expect("JSON");
        let items = list.as_array().expect("an array").items();
        items[2].set_column("a", 1.into());
        items[0].set_column("a", 2.into());
        items[0].set_column("b", 3.into());
        items[2].set_column("a", 4.into());
        let columns = items.iter().map(|item| item.columns().len()).collect::<Vec<_>>();
        assert_eq!(columns, [2, 0, 1]);
        let read = |i: usize, name: &str| items[i].column(name).and_then(|value| value.as_number());
        assert_eq!(
            [read(0, "a"), read(0, "b"), read(1, "a"), read(2, "a")],
            [Some(2.0), Some(3.0), None, Some(4.0)]
        );
    }
}
