//! Associations that are an array of keys on the record itself (`plugin-field-m2m-array`).

use sea_orm::ConnectionTrait;

use super::super::association::AssociationKind;
use super::instance::Instance;
use super::value;
use super::value::equal;
use super::writer::Writer;
use crate::expr::{Object, Thrown, Value};

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Sets the arrays from the given values: keys, and objects, which are created or change what exists.
    pub(super) async fn set_key_arrays(
        &self,
        instance: &mut Instance,
        values: &Object,
    ) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        let arrays = collection.associations().filter(|one| one.kind == AssociationKind::BelongsToArray);
        for association in arrays {
            let items = match values.get(&association.name) {
                None | Some(Value::Undefined) => continue,
                Some(Value::Array(items, _)) => items.items().to_vec(),
                Some(one) if one.is_truthy() => vec![one.clone()],
                Some(_) => Vec::new(),
            };
            let target = self.collection(&association.target)?;
            let key = &association.target_key;
            let is_object = |item: &&Value| matches!(item, Value::Object(_, _) | Value::Live(_));
            let mut keys: Vec<Value> = items.iter().filter(|item| !is_object(item)).cloned().collect();
            let objects: Vec<&Value> = items.iter().filter(is_object).collect();
            let known: Vec<Value> =
                objects.iter().map(|item| item.member(key)).filter(Value::is_truthy).collect();
            let found = self.load(&target, key, &known).await?;
            keys.extend(found.iter().map(|one| one.raw(key)));
            for item in objects {
                let own = item.member(key);
                let existing = found.iter().find(|one| own.is_truthy() && equal(&one.raw(key), &own));
                match existing {
                    Some(existing) => {
                        Box::pin(self.change(&mut existing.clone(), &value::members(item))).await?
                    }
                    None => {
                        let created =
                            Box::pin(self.create_associated(&target, &value::members(item))).await?;
                        keys.push(created.raw(key));
                    }
                }
            }
            instance.set(&association.foreign_key, Value::array(keys), self.codec)?;
        }
        Ok(())
    }
}
