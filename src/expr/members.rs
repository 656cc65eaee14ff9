//! Members under keys in JavaScript's order: keys that look like array indices first and ascending, the others as
//! they were added. It holds any kind of value and knows none.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

/// Up to this many members are looked through one by one, which takes less memory than a table and no longer.
const MAX_FEW: usize = 8;

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Members<V>(Store<V>);

#[derive(Clone, Debug)]
enum Store<V> {
    /// In their order.
    Few(Vec<(Arc<str>, V)>),
    Many(Box<Many<V>>),
}

/// Index keys have a tree of their own: whatever order they come in, adding one never moves the others.
#[derive(Clone, Debug)]
struct Many<V> {
    indices: BTreeMap<u32, (Arc<str>, V)>,
    others: IndexMap<Arc<str>, V>,
}

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self(Store::Few(Vec::new()))
    }
}

impl<V> Members<V> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(members: usize) -> Self {
        if members <= MAX_FEW {
            return Self(Store::Few(Vec::with_capacity(members)));
        }
        let others = IndexMap::with_capacity(members);
        Self(Store::Many(Box::new(Many { indices: BTreeMap::new(), others })))
    }

    pub fn get(&self, key: &str) -> Option<&V> {
        match &self.0 {
            Store::Few(few) => few.iter().find(|(known, _)| &**known == key).map(|(_, value)| value),
            Store::Many(many) => match array_index(key) {
                Some(index) => many.indices.get(&index).map(|(_, value)| value),
                None => many.others.get(key),
            },
        }
    }

    /// Sets a member; one that exists keeps its place.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: V) {
        let key = key.into();
        let few = match &mut self.0 {
            Store::Few(few) => few,
            Store::Many(many) => return many.insert(key, value),
        };
        if let Some((_, known)) = few.iter_mut().find(|(known, _)| *known == key) {
            *known = value;
        } else if few.len() < MAX_FEW {
            let place = array_index(&key).map_or(few.len(), |index| {
                few.partition_point(|(other, _)| array_index(other).is_some_and(|other| other < index))
            });
            few.insert(place, (key, value));
        } else {
            let mut many = Box::new(Many { indices: BTreeMap::new(), others: IndexMap::new() });
            few.drain(..).for_each(|(key, value)| many.insert(key, value));
            many.insert(key, value);
            self.0 = Store::Many(many);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        let (few, many) = match &self.0 {
            Store::Few(few) => (few.as_slice(), None),
            Store::Many(many) => (&[][..], Some(many)),
        };
        let many = many.into_iter().flat_map(|many| {
            let indices = many.indices.values().map(|(key, value)| (key, value));
            indices.chain(&many.others)
        });
        few.iter().map(|(key, value)| (key, value)).chain(many)
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Store::Few(few) => few.len(),
            Store::Many(many) => many.indices.len() + many.others.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives memory back that was kept for more members.
    pub fn shrink(&mut self) {
        match &mut self.0 {
            Store::Few(few) => few.shrink_to_fit(),
            Store::Many(many) => many.others.shrink_to_fit(),
        }
    }
}

impl<V> Many<V> {
    fn insert(&mut self, key: Arc<str>, value: V) {
        match array_index(&key) {
            Some(index) => drop(self.indices.insert(index, (key, value))),
            None => drop(self.others.insert(key, value)),
        }
    }
}

impl<V, K: Into<Arc<str>>> FromIterator<(K, V)> for Members<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let mut object = Members::new();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys<V>(members: &Members<V>) -> Vec<&str> {
        members.iter().map(|(key, _)| &**key).collect()
    }

    #[test]
    fn keys_that_look_like_indices_come_first() {
        let few = ["b", "10", "a", "2", "01", "4294967295"];
        let members: Members<()> = few.into_iter().map(|key| (key, ())).collect();
        assert_eq!(keys(&members), ["2", "10", "b", "a", "01", "4294967295"]);
        let many = few.into_iter().chain(["c", "4294967294", "0", "d", "-1"]);
        let members: Members<()> = many.map(|key| (key, ())).collect();
        let expected = ["0", "2", "10", "4294967294", "b", "a", "01", "4294967295", "c", "d", "-1"];
        assert_eq!(keys(&members), expected);
    }

    #[test]
    fn a_member_that_exists_keeps_its_place() {
        let members: Members<i32> = [("a", 1), ("b", 2), ("a", 3)].into_iter().collect();
        assert_eq!((keys(&members), members.get("a"), members.len()), (vec!["a", "b"], Some(&3), 2));
    }

    /// Moving members for each key that is added would take hours here.
    #[test]
    fn a_million_index_keys_are_taken_in_any_order() {
        const COUNT: u32 = 1_000_000;
        let descending: Members<u32> = (0..COUNT).rev().map(|i| (i.to_string(), i)).collect();
        assert_eq!(descending.len(), 1_000_000);
        assert!(descending.iter().map(|(_, value)| *value).eq(0..COUNT));
        let mixed = (0..COUNT).rev().map(|i| (format!("{:x}", i % 600_000), i));
        let mixed: Members<u32> = mixed.collect();
        assert_eq!((mixed.len(), mixed.get("10"), mixed.get("a")), (600_000, Some(&16), Some(&10)));
    }

    proptest! {
        /// What JavaScript does, said in the plainest way.
        #[test]
        fn order_and_values_are_those_of_javascript(
            pairs in proptest::collection::vec(("[0-3a-c]{1,2}", any::<u8>()), 0..40), capacity in 0..20_usize,
        ) {
            let mut plain: Vec<(String, u8)> = Vec::new();
            let mut members = Members::with_capacity(capacity);
            for (key, value) in &pairs {
                match plain.iter_mut().find(|(known, _)| known == key) {
                    Some(known) => known.1 = *value,
                    None => plain.push((key.clone(), *value)),
                }
                members.insert(key.as_str(), *value);
            }
            plain.sort_by_key(|(key, _)| array_index(key).unwrap_or(u32::MAX));
            members.shrink();
            let found: Vec<(String, u8)> = members.iter().map(|(key, value)| (key.to_string(), *value)).collect();
            prop_assert_eq!(&found, &plain);
            prop_assert_eq!(members.len(), plain.len());
            prop_assert!(plain.iter().all(|(key, value)| members.get(key) == Some(value)));
        }
    }
}
