//! Members under keys in JavaScript's order: keys that look like array indices first and ascending, the others as
//! they were added. It holds any kind of value and knows none.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::Str;
use super::array::exact;

/// Up to this many members are looked through one by one, which takes less memory than a table and no longer.
const MAX_FEW: usize = 8;

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Members<V>(Store<V>);

/// Objects of one member are so frequent that they do without a list. How many there are of a few says the kind: the length of
/// a list would take as much as another pointer, in each object.
#[derive(Clone, Debug)]
enum Store<V> {
    None,
    One([(Str, V); 1]),
    /// In their order, like all up to eight.
    Two(Box<[(Str, V); 2]>),
    Three(Box<[(Str, V); 3]>),
    Four(Box<[(Str, V); 4]>),
    Five(Box<[(Str, V); 5]>),
    Six(Box<[(Str, V); 6]>),
    Seven(Box<[(Str, V); 7]>),
    Eight(Box<[(Str, V); MAX_FEW]>),
    Many(Box<Many<V>>),
}

/// Members that are still being added.
#[derive(Debug)]
pub(super) struct Filling<V> {
    few: Vec<(Str, V)>,
    many: Option<Box<Many<V>>>,
}

/// Index keys have a tree of their own: whatever order they come in, adding one never moves the others.
#[derive(Clone, Debug)]
struct Many<V> {
    indices: BTreeMap<u32, (Str, V)>,
    others: IndexMap<Str, V>,
}

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self(Store::None)
    }
}

impl<V> Default for Many<V> {
    fn default() -> Self {
        Self { indices: BTreeMap::new(), others: IndexMap::new() }
    }
}

impl<V> Members<V> {
    pub fn new() -> Self {
        Self::default()
    }

    /// With room for so many members, where they are many.
    pub fn with_capacity(members: usize) -> Self {
        if members <= MAX_FEW {
            return Self::default();
        }
        let others = IndexMap::with_capacity(members);
        Self(Store::Many(Box::new(Many { indices: BTreeMap::new(), others })))
    }

    pub fn get(&self, key: &str) -> Option<&V> {
        match &self.0 {
            Store::Many(many) => match array_index(key) {
                Some(index) => many.indices.get(&index).map(|(_, value)| value),
                None => many.others.get(key),
            },
            few => few.listed().iter().find(|(known, _)| known == key).map(|(_, value)| value),
        }
    }

    /// Sets a member; one that exists keeps its place.
    pub fn insert(&mut self, key: impl Into<Str>, value: V) {
        let key = key.into();
        if let Some((_, known)) = self.0.listed_mut().iter_mut().find(|(known, _)| *known == key) {
            *known = value;
            return;
        }
        let mut filling = match std::mem::take(self).0 {
            Store::Many(many) => Filling { few: Vec::new(), many: Some(many) },
            few => Filling { few: few.into_list(), many: None },
        };
        filling.few.reserve_exact(1);
        filling.insert(key, value);
        *self = filling.finish();
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Str, &V)> {
        let many = if let Store::Many(many) = &self.0 { Some(many) } else { None };
        let many = many.into_iter().flat_map(|many| {
            let indices = many.indices.values().map(|(key, value)| (key, value));
            indices.chain(&many.others)
        });
        self.0.listed().iter().map(|(key, value)| (key, value)).chain(many)
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Store::Many(many) => many.indices.len() + many.others.len(),
            few => few.listed().len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V> Store<V> {
    /// Of at most [`MAX_FEW`].
    fn of(list: Box<[(Str, V)]>) -> Self {
        /// A list of the length that it has.
        fn sized<T, const N: usize>(list: Box<[T]>) -> Option<Box<[T; N]>> {
            list.try_into().ok()
        }
        let store = match list.len() {
            1 => sized(list).map(|one| Store::One(*one)),
            2 => sized(list).map(Store::Two),
            3 => sized(list).map(Store::Three),
            4 => sized(list).map(Store::Four),
            5 => sized(list).map(Store::Five),
            6 => sized(list).map(Store::Six),
            7 => sized(list).map(Store::Seven),
            _ => sized(list).map(Store::Eight),
        };
        store.unwrap_or(Store::None)
    }

    /// The members, where they are few.
    fn listed(&self) -> &[(Str, V)] {
        match self {
            Store::One(list) => list,
            Store::Two(list) => &**list,
            Store::Three(list) => &**list,
            Store::Four(list) => &**list,
            Store::Five(list) => &**list,
            Store::Six(list) => &**list,
            Store::Seven(list) => &**list,
            Store::Eight(list) => &**list,
            Store::None | Store::Many(_) => &[],
        }
    }

    fn listed_mut(&mut self) -> &mut [(Str, V)] {
        match self {
            Store::One(list) => list,
            Store::Two(list) => &mut **list,
            Store::Three(list) => &mut **list,
            Store::Four(list) => &mut **list,
            Store::Five(list) => &mut **list,
            Store::Six(list) => &mut **list,
            Store::Seven(list) => &mut **list,
            Store::Eight(list) => &mut **list,
            Store::None | Store::Many(_) => &mut [],
        }
    }

    /// The members, where they are few.
    fn into_list(self) -> Vec<(Str, V)> {
        match self {
            Store::One(list) => list.into(),
            Store::Two(list) => (list as Box<[_]>).into_vec(),
            Store::Three(list) => (list as Box<[_]>).into_vec(),
            Store::Four(list) => (list as Box<[_]>).into_vec(),
            Store::Five(list) => (list as Box<[_]>).into_vec(),
            Store::Six(list) => (list as Box<[_]>).into_vec(),
            Store::Seven(list) => (list as Box<[_]>).into_vec(),
            Store::Eight(list) => (list as Box<[_]>).into_vec(),
            Store::None | Store::Many(_) => Vec::new(),
        }
    }
}

impl<V> Default for Filling<V> {
    fn default() -> Self {
        Self { few: Vec::new(), many: None }
    }
}

impl<V> Filling<V> {
    /// Sets a member; one that exists keeps its place.
    pub(super) fn insert(&mut self, key: Str, value: V) {
        if let Some(many) = &mut self.many {
            many.insert(key, value);
        } else if let Some((_, known)) = self.few.iter_mut().find(|(known, _)| *known == key) {
            *known = value;
        } else if self.few.len() < MAX_FEW {
            let place = array_index(&key).map_or(self.few.len(), |index| {
                self.few.partition_point(|(other, _)| array_index(other).is_some_and(|other| other < index))
            });
            self.few.insert(place, (key, value));
        } else {
            let many = self.many.get_or_insert_default();
            self.few.drain(..).for_each(|(key, value)| many.insert(key, value));
            many.insert(key, value);
        }
    }

    /// The members, in no more memory than they need. The next ones begin in what was kept for these.
    pub(super) fn take(&mut self) -> Members<V> {
        Members(match self.many.take() {
            Some(mut many) => {
                many.others.shrink_to_fit();
                Store::Many(many)
            }
            None => match self.few.len() {
                1 => self.few.pop().map_or(Store::None, |one| Store::One([one])),
                _ => Store::of(self.few.drain(..).collect()),
            },
        })
    }

    /// The members, with what has grown for further ones.
    fn finish(self) -> Members<V> {
        Members(match self.many {
            Some(many) => Store::Many(many),
            None => Store::of(exact(self.few)),
        })
    }
}

impl<V> Many<V> {
    fn insert(&mut self, key: Str, value: V) {
        match array_index(&key) {
            Some(index) => drop(self.indices.insert(index, (key, value))),
            None => drop(self.others.insert(key, value)),
        }
    }
}

impl<V, K: Into<Str>> FromIterator<(K, V)> for Members<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let mut filling = Filling::default();
        members.into_iter().for_each(|(key, value)| filling.insert(key.into(), value));
        filling.take()
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
            pairs in proptest::collection::vec(("[0-3a-c]{1,2}", any::<u8>()), 0..40), first in 0..20_usize,
            capacity in 0..20_usize,
        ) {
            let mut plain: Vec<(String, u8)> = Vec::new();
            let together = pairs.iter().take(first).map(|(key, value)| (key.as_str(), *value));
            let mut members: Members<u8> = together.collect();
            if first == 0 {
                members = Members::with_capacity(capacity);
            }
            for (i, (key, value)) in pairs.iter().enumerate() {
                match plain.iter_mut().find(|(known, _)| known == key) {
                    Some(known) => known.1 = *value,
                    None => plain.push((key.clone(), *value)),
                }
                if i >= first {
                    members.insert(key.as_str(), *value);
                }
            }
            plain.sort_by_key(|(key, _)| array_index(key).unwrap_or(u32::MAX));
            let found: Vec<(String, u8)> = members.iter().map(|(key, value)| (key.to_string(), *value)).collect();
            prop_assert_eq!(&found, &plain);
            prop_assert_eq!(members.len(), plain.len());
            prop_assert!(plain.iter().all(|(key, value)| members.get(key) == Some(value)));
        }
    }
}
