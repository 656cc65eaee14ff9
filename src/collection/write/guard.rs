//! Which of the given values may be written (`packages/core/database/src/update-guard.ts`).

use super::super::association::{Association, AssociationKind};
use super::super::schema::Schema;
use super::super::shape::Collection;
use super::change::Change;
use super::value;
use crate::expr::{Object, Thrown, Value};

pub(super) struct Guard<'a> {
    schema: &'a Schema,
    collection: &'a Collection,
    whitelist: Option<Vec<String>>,
    blacklist: Option<Vec<String>>,
    /// The associations whose records get values beside the key that they are linked by.
    association_keys: Vec<String>,
}

impl<'a> Guard<'a> {
    pub(super) fn of_change(
        schema: &'a Schema,
        collection: &'a Collection,
        change: &Change,
        is_new: bool,
    ) -> Self {
        let given = change.update_association_values.clone().unwrap_or_default();
        let association_keys = match given.is_empty() && is_new {
            true => collection.associations().map(|association| association.name.to_string()).collect(),
            false => given,
        };
        let (whitelist, blacklist) = (change.whitelist.clone(), change.blacklist.clone());
        Self { schema, collection, whitelist, blacklist, association_keys }
    }

    /// The guard of an association's records.
    fn of_target(&self, name: &str, target: &'a Collection) -> Self {
        let below = |list: &[String]| -> Vec<String> {
            list.iter()
                .filter_map(|key| key.strip_prefix(name)?.strip_prefix('.'))
                .map(str::to_owned)
                .collect()
        };
        let list = |list: &Option<Vec<String>>| list.as_deref().map(below).filter(|list| !list.is_empty());
        Self {
            schema: self.schema,
            collection: target,
            whitelist: list(&self.whitelist),
            blacklist: list(&self.blacklist),
            association_keys: below(&self.association_keys),
        }
    }

    pub(super) fn sanitize(&self, values: &Object) -> Result<Object, Thrown> {
        self.check_through(values)?;
        let mut values = values.clone();
        for association in self.collection.associations() {
            let Some(given) = values.get(&association.name).cloned() else { continue };
            let sanitized = self.sanitize_association(association, given)?;
            if association.kind == AssociationKind::BelongsTo {
                let key = match &sanitized {
                    Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) => {
                        Some(sanitized.member(&association.target_key)).filter(|key| !key.is_nullish())
                    }
                    scalar => Some(scalar.clone()),
                };
                if let Some(key) = key {
                    values.insert(association.foreign_key.clone(), key);
                }
            }
            values.insert(association.name.clone(), sanitized);
        }
        let is_allowed = |name: &str| {
            let first = |key: &String| key.split('.').next() == Some(name);
            self.whitelist.as_ref().is_none_or(|list| list.iter().any(first))
                && !self.blacklist.as_ref().is_some_and(|list| list.iter().any(|key| key == name))
        };
        let mut result = Object::new();
        for (name, value) in values.iter().filter(|(name, _)| is_allowed(name)) {
            set_path(&mut result, name, value.clone());
        }
        Ok(result)
    }

    fn sanitize_association(&self, association: &Association, given: Value) -> Result<Value, Thrown> {
        let Some(target) = self.schema.get(&association.target) else { return Ok(given) };
        let guard = self.of_target(&association.name, target);
        let one = |value: &Value| -> Result<Value, Thrown> {
            let kept = self.without_changes(association, target, value);
            Ok(Value::from(guard.sanitize(&value::members(&kept))?))
        };
        Ok(match &given {
            Value::Array(items, _) => {
                let item = |item: &Value| match item {
                    Value::Undefined | Value::Null | Value::Text(_) | Value::Number(_) => Ok(item.clone()),
                    item => one(item),
                };
                Value::array(items.items().iter().map(item).collect::<Result<_, _>>()?)
            }
            Value::Object(_, _) | Value::Live(_) => one(&given)?,
            _ => given,
        })
    }

    /// A record that is linked by its key keeps its other values, unless the association is to be updated.
    fn without_changes(&self, association: &Association, target: &Collection, value: &Value) -> Value {
        if self.association_keys.iter().any(|key| **key == *association.name) {
            return value.clone();
        }
        let key = match association.option("targetKey") {
            Value::Text(key) if !key.is_empty() => key,
            _ => match &target.primary_key {
                Some(key) => key.clone(),
                None => return value.clone(),
            },
        };
        if !value.member(&key).is_truthy() {
            return value.clone();
        }
        let is_kept = |name: &str| *name == *key || target.association(name).is_some();
        let members = value::members(value);
        let kept = members.iter().filter(|(name, _)| is_kept(name));
        Value::object(kept.map(|(name, value)| (name.clone(), value.clone())))
    }

    /// The records between two collections cannot be given twice.
    fn check_through(&self, values: &Object) -> Result<(), Thrown> {
        let given = || self.collection.associations().filter(|one| values.get(&one.name).is_some());
        let throughs: Vec<_> =
            given().filter_map(|one| one.through.as_ref().map(|through| &through.collection)).collect();
        for many in given().filter(|one| one.kind == AssociationKind::HasMany) {
            if throughs.contains(&&many.target) {
                return Err(Thrown::error(format!(
                    "HasMany association {} cannot be used with BelongsToMany association {} with same through model",
                    many.name, many.target
                )));
            }
        }
        Ok(())
    }
}

/// lodash's `set` for names with dots.
fn set_path(object: &mut Object, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        object.insert(path, value);
        return;
    };
    let mut inner = object.get(first).map(value::members).unwrap_or_default();
    set_path(&mut inner, rest, value);
    object.insert(first, Value::from(inner));
}
