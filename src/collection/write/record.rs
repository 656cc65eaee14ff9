//! Creates and changes records with what is nested in their values (`repository.ts`, "create" and "update").

use std::sync::Arc;

use sea_orm::ConnectionTrait;

use super::super::find::Find;
use super::super::shape::Collection;
use super::association::Linking;
use super::change::{Change, NO_FILTER};
use super::guard::Guard;
use super::instance::Instance;
use super::save::Save;
use super::writer::Writer;
use super::{rule, value};
use crate::expr::{Object, Thrown, Value};

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Creates a record with what is nested in its values.
    pub async fn create(&self, collection: &Arc<Collection>, change: &Change) -> Result<Instance, Thrown> {
        let guard = Guard::of_change(self.schema, collection, change, true);
        let values = self.prepared(collection, &guard, &change.values)?;
        rule::check_all(collection, &values)?;
        let mut instance = Instance::build(collection, &values, self.codec)?;
        self.set_key_arrays(&mut instance, &value::members(&change.values)).await?;
        self.save(&mut instance, Save::default()).await?;
        self.add_addresses(&mut instance).await?;
        self.link(&mut instance, &values, &Linking::of_change(change)).await?;
        self.add_linked_addresses(&mut instance).await?;
        self.give_role(&instance).await?;
        Ok(instance)
    }

    /// Changes the records that a filter finds. Returns how many.
    pub async fn update(&self, collection: &Arc<Collection>, change: &Change) -> Result<usize, Thrown> {
        if let Value::Array(records, _) = &change.values {
            return self.update_many(collection, records.items()).await;
        }
        if !change.names_records() {
            return Err(Thrown::error(NO_FILTER));
        }
        let guard = Guard::of_change(self.schema, collection, change, false);
        let values = self.prepared(collection, &guard, &change.values)?;
        rule::check_given(collection, &values)?;
        let found = self.find(collection, change).await?;
        if !change.individual_hooks {
            return self.update_in_bulk(collection, found, values).await;
        }
        let count = found.len();
        let linking = Linking::of_change(change);
        for mut instance in found {
            self.set_key_arrays(&mut instance, &value::members(&change.values)).await?;
            self.change(&mut instance, &values).await?;
            self.link(&mut instance, &values, &linking).await?;
        }
        Ok(count)
    }

    /// Each record names itself by its key.
    async fn update_many(&self, collection: &Arc<Collection>, records: &[Value]) -> Result<usize, Thrown> {
        for values in records {
            let key = collection.primary_key.as_deref().map(|key| values.member(key)).unwrap_or_default();
            if !key.is_truthy() {
                return Err(Thrown::error("filterByTk invalid"));
            }
            let change = Change { values: values.clone(), filter_by_tk: key, ..Change::default() };
            Box::pin(self.update(collection, &change)).await?;
        }
        Ok(records.len())
    }

    /// Values as they go into the record: without what may not be written, and past the first setters.
    fn prepared(&self, collection: &Collection, guard: &Guard, values: &Value) -> Result<Object, Thrown> {
        let mut prepared = Object::new();
        for (name, given) in guard.sanitize(&value::members(values))?.iter() {
            let given = match collection.field(name).filter(|field| field.is_declared) {
                Some(field) => value::with_zone(field, given.clone(), self.codec),
                None => given.clone(),
            };
            prepared.insert(name.clone(), given);
        }
        Ok(prepared)
    }

    /// Sets values of a record that exists, and saves it.
    pub(super) async fn change(&self, instance: &mut Instance, values: &Object) -> Result<(), Thrown> {
        let kept = self.kept_by_files(instance, values).await?;
        let values = kept.as_ref().unwrap_or(values);
        for (name, value) in values.iter().filter(|(_, value)| !value.is_undefined()) {
            instance.set(name, value.clone(), self.codec)?;
        }
        self.save(instance, Save::default()).await
    }

    /// The records that a filter and keys find, by their keys in ascending order.
    pub(super) async fn find(
        &self,
        collection: &Arc<Collection>,
        change: &Change,
    ) -> Result<Vec<Instance>, Thrown> {
        let Some(key) = collection.key_field() else {
            return Err(Thrown::error(format!(
                "the records of {} cannot be told apart: it has no primary key",
                collection.name
            )));
        };
        let filter = change.found_by(&key.name);
        let find = Find { filter, fields: Some(vec![key.name.to_string()]), ..Find::default() };
        let records = self.reader().find(collection, &find).await?;
        let keys: Vec<Value> = records.iter().map(|record| record.get(&key.name)).collect();
        self.load(collection, &key.name, &keys).await
    }
}
