//! A record while it is written, as Sequelize's model instances hold it: raw values, those before, and what has
//! changed (`sequelize/lib/model.js`, "set").

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::super::field::FieldType;
use super::super::shape::Collection;
use super::value::{self, equal};
use crate::expr::{Object, Str, Thrown, Value};
use crate::store::Codec;

/// A record with what is going to be written of it.
#[derive(Clone, Debug)]
pub struct Instance {
    pub collection: Arc<Collection>,
    pub is_new: bool,
    /// By attribute, as the database has them or is going to have them.
    values: IndexMap<Str, Value>,
    previous: HashMap<Str, Value>,
    changed: IndexSet<Str>,
    linked: IndexMap<Str, Linked>,
}

/// What an association was set to in this write.
#[derive(Clone, Debug)]
pub enum Linked {
    Nothing,
    One(Box<Instance>),
    Many(Vec<Instance>),
}

impl Instance {
    /// A new record: defaults first, then the given values. Names that are no attributes are left out.
    pub fn build(collection: &Arc<Collection>, values: &Object, codec: &Codec) -> Result<Self, Thrown> {
        let mut instance = Self::of(collection, true);
        let is_given = |name: &str| values.get(name).is_some_and(|value| !value.is_undefined());
        for (name, default) in value::defaults(collection, codec) {
            if !is_given(&name) {
                instance.values.insert(name, default);
            }
        }
        for (name, value) in values.iter() {
            if is_given(name) || !instance.values.contains_key(name) {
                instance.set(name, value.clone(), codec)?;
            }
        }
        Ok(instance)
    }

    /// A record that exists, with what the database has of it.
    pub fn existing(collection: &Arc<Collection>, values: IndexMap<Str, Value>) -> Self {
        let previous = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { values, previous, ..Self::of(collection, false) }
    }

    /// A record that is known by one attribute only.
    pub fn reference(
        collection: &Arc<Collection>,
        key: &str,
        value: Value,
        codec: &Codec,
    ) -> Result<Self, Thrown> {
        let mut instance = Self::of(collection, false);
        instance.set(key, value, codec)?;
        Ok(instance)
    }

    fn of(collection: &Arc<Collection>, is_new: bool) -> Self {
        Self {
            collection: collection.clone(),
            is_new,
            values: IndexMap::new(),
            previous: HashMap::new(),
            changed: IndexSet::new(),
            linked: IndexMap::new(),
        }
    }

    /// Whether the attribute has any value, an undefined one included.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value that goes to or came from the database; undefined when not known.
    pub fn raw(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// The value as NocoBase shows it.
    pub fn get(&self, name: &str, codec: &Codec) -> Value {
        match self.collection.field(name) {
            Some(field) => value::shown(field, &self.raw(name), codec),
            // What has no field was set past all of them.
            None => self.raw(name),
        }
    }

    /// What the attribute was before it was changed.
    pub fn previous(&self, name: &str) -> Value {
        self.previous.get(name).cloned().unwrap_or_default()
    }

    /// Sets an attribute through the setter of its field. What is no attribute is left out.
    pub fn set(&mut self, name: &str, value: Value, codec: &Codec) -> Result<(), Thrown> {
        let collection = self.collection.clone();
        let Some(field) = collection.field(name) else { return Ok(()) };
        value::check_rich_text(field, &value)?;
        value::check_encryption(field, &value)?;
        let original = self.raw(name);
        if value::has_setter(field.kind) {
            let value = value::setter(field, value, codec)?;
            if !equal(&value, &original) {
                self.previous.insert(field.name.clone(), original);
                self.changed.insert(field.name.clone());
            }
            self.values.insert(field.name.clone(), value);
            return Ok(());
        }
        let is_fixed = field.is_primary_key() && original.is_truthy();
        let is_creation = !self.is_new && self.collection.created_at.as_deref() == Some(name);
        if is_fixed || is_creation {
            return Ok(());
        }
        let value = value::sanitize(field, value)?;
        if !equal(&value, &original) {
            self.previous.insert(field.name.clone(), original);
            self.changed.insert(field.name.clone());
        }
        self.values.insert(field.name.clone(), value);
        Ok(())
    }

    /// Sets what is written, past all setters.
    pub fn set_raw(&mut self, name: &Str, value: Value) {
        self.values.insert(name.clone(), value);
    }

    pub fn is_changed(&self, name: &str) -> bool {
        self.changed.contains(name)
    }

    pub fn mark_changed(&mut self, name: &Str) {
        self.changed.insert(name.clone());
    }

    /// The names of changed attributes.
    pub fn changed(&self) -> impl Iterator<Item = &Str> {
        self.changed.iter()
    }

    /// Notes that these attributes have been written.
    pub fn saved<'a>(&mut self, fields: impl IntoIterator<Item = &'a Str>) {
        self.is_new = false;
        for name in fields {
            self.changed.shift_remove(name);
            self.previous.insert(name.clone(), self.raw(name));
        }
    }

    /// Keeps what an association was set to, for the result. To Sequelize that is a change like any other, so that
    /// the record is written when it is saved once more.
    pub fn link(&mut self, association: &Str, linked: Linked) {
        self.changed.insert(association.clone());
        self.linked.insert(association.clone(), linked);
    }

    /// Whether nothing is known of it but one attribute, as of a [`Instance::reference`].
    pub fn is_bare(&self) -> bool {
        self.values.len() <= 1
    }

    /// The records that it was linked with in this write.
    pub fn linked_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        self.linked.values_mut().flat_map(|linked| match linked {
            Linked::Nothing => &mut [],
            Linked::One(one) => std::slice::from_mut(&mut **one),
            Linked::Many(many) => many.as_mut_slice(),
        })
    }

    /// What NocoBase makes of the instance as JSON: hidden fields are left out, and what has a getter comes first.
    pub fn to_value(&self, codec: &Codec) -> Value {
        let mut object = Object::new();
        let getters = self.collection.fields().filter(|field| has_getter(field.kind, field.is_declared));
        let getters = getters.map(|field| &field.name);
        for name in getters.chain(self.values.keys()) {
            let is_hidden = self.collection.field(name).is_some_and(|field| field.is_hidden());
            if !is_hidden && object.get(name).is_none() {
                object.insert(name.clone(), self.get(name, codec));
            }
        }
        for (name, linked) in &self.linked {
            let association = self.collection.association(name);
            if association.is_some_and(|association| association.is_hidden()) {
                continue;
            }
            let value = match linked {
                Linked::Nothing => Value::Null,
                Linked::One(one) => one.to_value(codec),
                Linked::Many(many) => Value::array(many.iter().map(|one| one.to_value(codec)).collect()),
            };
            object.insert(name.clone(), value);
        }
        Value::from(object)
    }
}

/// Times that NocoBase adds by itself are no fields and have no getter.
fn has_getter(kind: FieldType, is_declared: bool) -> bool {
    is_declared && kind.has_getter()
}
