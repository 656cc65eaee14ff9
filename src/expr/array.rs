//! JavaScript's arrays, with what their items are, what was found out about them and what was put on them.

use std::sync::{Mutex, OnceLock, PoisonError};

use once_cell::race::OnceBox;

use super::{Str, Twin, Value};

/// An array, together with the columns that templates have read through it.
///
/// NocoBase stores such a column as a property of the very array object (`appendArrayColumn` in
/// `packages/core/evaluators/src/utils/index.ts`), where later nodes of the same run find it. Sorting is done in place,
/// too: whoever holds the array finds it sorted.
#[derive(Debug, Default)]
pub struct Array {
    items: Box<[Value]>,
    /// Made when it is first needed: payloads have many arrays of which nothing is read.
    noted: OnceBox<Noted>,
}

/// What has been found out about an array or put on it.
#[derive(Debug, Default)]
struct Noted {
    /// By twin, and for each in the order in which they were set.
    columns: Mutex<Vec<(Twin, Str, Value)>>,
    present: Present,
    sorted: OnceLock<Sorted>,
}

/// Where the items are that are neither null nor undefined; nothing when that is all of them.
type Present = OnceLock<Option<Box<[usize]>>>;

/// The items in the order in which somebody has sorted them.
#[derive(Debug, Default)]
struct Sorted {
    items: Box<[Value]>,
    present: Present,
}

impl Array {
    pub fn items(&self) -> &[Value] {
        self.sorted().map_or(&self.items, |sorted| &sorted.items)
    }

    /// The items as they were when the array was made.
    pub(super) fn first_items(&self) -> &[Value] {
        &self.items
    }

    fn sorted(&self) -> Option<&Sorted> {
        self.noted.get()?.sorted.get()
    }

    pub(super) fn is_sorted(&self) -> bool {
        self.sorted().is_some()
    }

    /// Gives the array its items in the order in which JavaScript's `sort` leaves them. Sorting what is sorted
    /// changes nothing, so only the first time counts.
    pub fn set_sorted(&self, items: Vec<Value>) {
        if self.items.is_empty() {
            return;
        }
        let sorted = &self.noted.get_or_init(Box::default).sorted;
        sorted.get_or_init(|| Sorted { items: items.into(), ..Sorted::default() });
    }

    /// The item at this place among those that are neither null nor undefined.
    pub fn present_item(&self, index: usize) -> Option<&Value> {
        let items = self.items();
        let present = match self.sorted() {
            Some(sorted) => &sorted.present,
            None => &self.noted.get_or_init(Box::default).present,
        };
        let present = present.get_or_init(|| {
            let is_present = |i: &usize| !items[*i].is_nullish();
            let places: Box<[usize]> = (0..items.len()).filter(is_present).collect();
            (places.len() < items.len()).then_some(places)
        });
        match present {
            None => items.get(index),
            Some(places) => places.get(index).map(|place| &items[*place]),
        }
    }

    /// See [`Value::column`].
    pub(super) fn column(&self, twin: Twin, name: &str) -> Option<Value> {
        let columns = self.noted.get()?.columns.lock().unwrap_or_else(PoisonError::into_inner);
        of_twin(&columns, twin).iter().find(|(_, key, _)| key == name).map(|(_, _, value)| value.clone())
    }

    /// See [`Value::columns`].
    pub(super) fn columns(&self, twin: Twin) -> Vec<(Str, Value)> {
        let Some(noted) = self.noted.get() else { return Vec::new() };
        let columns = noted.columns.lock().unwrap_or_else(PoisonError::into_inner);
        of_twin(&columns, twin).iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
    }

    /// See [`Value::set_column`].
    pub(super) fn set_column(&self, twin: Twin, name: &str, value: Value) {
        let noted = self.noted.get_or_init(Box::default);
        let mut columns = noted.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let end = columns.partition_point(|(other, _, _)| *other <= twin);
        let own = columns[..end].iter_mut().rev().take_while(|(other, _, _)| *other == twin);
        match own.into_iter().find(|(_, key, _)| key == name) {
            Some(column) => column.2 = value,
            None => columns.insert(end, (twin, name.into(), value)),
        }
    }
}

/// The columns of one of the arrays that share an allocation.
fn of_twin(columns: &[(Twin, Str, Value)], twin: Twin) -> &[(Twin, Str, Value)] {
    let start = columns.partition_point(|(other, _, _)| *other < twin);
    let end = columns.partition_point(|(other, _, _)| *other <= twin);
    &columns[start..end]
}

impl From<Vec<Value>> for Array {
    fn from(items: Vec<Value>) -> Self {
        Self { items: exact(items), ..Self::default() }
    }
}

impl From<Box<[Value]>> for Array {
    fn from(items: Box<[Value]>) -> Self {
        Self { items, ..Self::default() }
    }
}

/// Fewer items than this are moved to where they take no more memory than they need; more stay where they are, and what
/// was kept for further ones goes back to the system unused.
const MOVED: usize = 1024;

/// Without the places that a vector has left.
pub(super) fn exact<T>(mut items: Vec<T>) -> Box<[T]> {
    if items.len() < items.capacity() && items.len() < MOVED {
        return items.drain(..).collect();
    }
    items.into_boxed_slice()
}
