//! Values of associations: records that are linked, created and changed with the one that is written
//! (`packages/core/database/src/update-associations.ts`, `sequelize/lib/associations`).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::ConnectionTrait;

use super::super::association::{Association, AssociationKind};
use super::super::shape::Collection;
use super::change::Change;
use super::instance::{Instance, Linked};
use super::save::Save;
use super::value::equal;
use super::writer::Writer;
use super::{rule, value};
use crate::expr::{Object, Thrown, Value};

/// How far values go into associated records.
#[derive(Clone, Default)]
pub(super) struct Linking {
    /// Whether records that are linked by their key are gone into at all.
    pub is_recursive: bool,
    /// The associations of which linked records get the values.
    pub update: Vec<String>,
    /// The association that led here with its collection: the way back is not taken.
    pub from: Option<(Arc<Collection>, Association)>,
}

impl Linking {
    pub(super) fn of_change(change: &Change) -> Self {
        let update = change.update_association_values.clone();
        Self { is_recursive: update.is_some(), update: update.unwrap_or_default(), from: None }
    }

    /// For the records of an association.
    pub(super) fn below(&self, collection: &Arc<Collection>, association: &Association) -> Self {
        let below = |key: &String| Some(key.strip_prefix(&*association.name)?.strip_prefix('.')?.to_owned());
        Self {
            is_recursive: true,
            update: self.update.iter().filter_map(below).collect(),
            from: Some((collection.clone(), association.clone())),
        }
    }

    pub(super) fn updates(&self, association: &Association) -> bool {
        self.update.iter().any(|name| **name == *association.name)
    }

    fn leads_back(&self, collection: &Collection, association: &Association) -> bool {
        let Some((from, way)) = &self.from else { return false };
        is_reverse(&Way { from, association: way }, &Way { from: collection, association })
    }
}

/// An association with the collection that has it.
struct Way<'a> {
    from: &'a Collection,
    association: &'a Association,
}

/// Whether one association is the other one seen from its target.
fn is_reverse(there: &Way<'_>, back: &Way<'_>) -> bool {
    use AssociationKind::{BelongsTo, BelongsToMany, HasMany, HasOne};
    let is_between =
        *there.association.target == *back.from.name && *back.association.target == *there.from.name;
    let (way, back) = (there.association, back.association);
    match (way.kind, back.kind) {
        (BelongsToMany, BelongsToMany) => {
            let keys = |one: &Association| {
                one.through.as_ref().map(|through| (through.collection.clone(), through.other_key.clone()))
            };
            let (Some((a, a_other)), Some((b, b_other))) = (keys(way), keys(back)) else { return false };
            is_between
                && a == b
                && way.foreign_key == b_other
                && a_other == back.foreign_key
                && way.source_key == back.target_key
                && way.target_key == back.source_key
        }
        (BelongsTo, HasOne | HasMany) => {
            is_between && way.foreign_key == back.foreign_key && way.target_key == back.source_key
        }
        (HasOne | HasMany, BelongsTo) => {
            is_between && way.foreign_key == back.foreign_key && way.source_key == back.target_key
        }
        _ => false,
    }
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Writes what the values say about associations of a saved record.
    pub(super) fn link<'f>(
        &'f self,
        instance: &'f mut Instance,
        values: &'f Object,
        linking: &'f Linking,
    ) -> BoxFuture<'f, Result<(), Thrown>> {
        Box::pin(async move {
            let collection = instance.collection.clone();
            for association in collection.associations() {
                let Some(given) = values.get(&association.name) else { continue };
                let is_understood = !matches!(given, Value::Bool(_) | Value::Function(_))
                    && !linking.leads_back(&collection, association);
                if !is_understood {
                    continue;
                }
                match association.kind {
                    AssociationKind::BelongsTo | AssociationKind::HasOne => {
                        self.link_single(instance, association, given, linking).await?;
                    }
                    AssociationKind::HasMany | AssociationKind::BelongsToMany => {
                        self.link_multiple(instance, association, given, linking).await?;
                    }
                    // An attribute of the record itself.
                    AssociationKind::BelongsToArray => {}
                }
            }
            Ok(())
        })
    }

    async fn link_single(
        &self,
        instance: &mut Instance,
        association: &Association,
        given: &Value,
        linking: &Linking,
    ) -> Result<(), Thrown> {
        if matches!(given, Value::Array(_, _)) {
            return Err(Thrown::error(format!(
                "The value of '{}' cannot be in array format",
                association.name
            )));
        }
        if given.is_nullish() {
            self.set_single(instance, association, Other::Nothing).await?;
            instance.link(&association.name, Linked::Nothing);
            return Ok(());
        }
        require_source_key(instance, association)?;
        let target = self.collection(&association.target)?;
        let key = match association.kind {
            AssociationKind::BelongsTo => association.target_key.clone(),
            _ => target.primary_key.clone().unwrap_or_default(),
        };
        if matches!(given, Value::Text(_) | Value::Number(_)) {
            if let Some(found) = self.load_one(&target, &key, given).await? {
                // The key stays as it was given, a text included.
                let other = match association.kind {
                    AssociationKind::BelongsTo => Other::Key(given.clone()),
                    _ => Other::Record(Box::new(found)),
                };
                self.set_single(instance, association, other).await?;
            }
            return Ok(());
        }
        let values = value::members(given);
        let known = given.member(&key);
        if matches!(known, Value::Text(_) | Value::Number(_))
            && let Some(found) = self.load_one(&target, &key, &known).await?
        {
            return self.link_found(instance, association, found, values, linking).await;
        }
        rule::check_all(&target, &values)?;
        let mut created = self.create_single(instance, association, &target, &values).await?;
        self.link(&mut created, &values, &linking.below(&instance.collection, association)).await?;
        if association.kind == AssociationKind::BelongsTo {
            instance.set_raw(&association.foreign_key, created.raw(&key));
            if !created.raw(&key).is_truthy() {
                return Err(Thrown::error(format!(
                    "The target key {} is not set in {}",
                    association.target_key, target.name
                )));
            }
        }
        instance.link(&association.name, Linked::One(Box::new(created)));
        Ok(())
    }

    /// Links a record that exists, and changes it where that is asked for.
    async fn link_found(
        &self,
        instance: &mut Instance,
        association: &Association,
        mut found: Instance,
        mut values: Object,
        linking: &Linking,
    ) -> Result<(), Thrown> {
        self.set_single(instance, association, Other::Record(Box::new(found.clone()))).await?;
        if !linking.is_recursive {
            return Ok(());
        }
        if association.kind == AssociationKind::HasOne {
            let owner = instance.raw(&association.source_key);
            found.set(&association.foreign_key, owner, self.codec)?;
            found.saved([&association.foreign_key]);
        }
        if linking.updates(association) {
            if association.kind == AssociationKind::HasOne {
                values = values
                    .iter()
                    .filter(|(name, _)| **name != association.foreign_key)
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
            }
            self.change(&mut found, &values).await?;
        }
        self.link(&mut found, &values, &linking.below(&instance.collection, association)).await?;
        instance.link(&association.name, Linked::One(Box::new(found)));
        Ok(())
    }

    async fn create_single(
        &self,
        instance: &mut Instance,
        association: &Association,
        target: &Arc<Collection>,
        values: &Object,
    ) -> Result<Instance, Thrown> {
        let mut values = values.clone();
        if association.kind == AssociationKind::HasOne {
            values.insert(association.foreign_key.clone(), instance.raw(&association.source_key));
        }
        let mut created = self.create_associated(target, &values).await?;
        if association.kind == AssociationKind::BelongsTo {
            self.set_single(instance, association, Other::Record(Box::new(created.clone()))).await?;
        }
        created.is_new = false;
        Ok(created)
    }

    /// Creates a record of an association, without its own associations.
    pub(super) async fn create_associated(
        &self,
        target: &Arc<Collection>,
        values: &Object,
    ) -> Result<Instance, Thrown> {
        let mut created = Instance::build(target, values, self.codec)?;
        self.set_key_arrays(&mut created, values).await?;
        self.save(&mut created, Save::default()).await?;
        Ok(created)
    }

    /// Links one record, or none.
    async fn set_single(
        &self,
        instance: &mut Instance,
        association: &Association,
        other: Other,
    ) -> Result<(), Thrown> {
        let key = &association.foreign_key;
        if association.kind == AssociationKind::BelongsTo {
            let value = match other {
                Other::Nothing => Value::Null,
                Other::Key(key) => key,
                Other::Record(other) => other.raw(&association.target_key),
            };
            instance.set(key, value, self.codec)?;
            let save = Save { fields: Some(vec![key.clone()]), ..Save::default() };
            return self.save(instance, save).await;
        }
        let other = if let Other::Record(other) = other { Some(*other) } else { None };
        let target = self.collection(&association.target)?;
        let owner = instance.raw(&association.source_key);
        let old = self.load_one(&target, key, &owner).await?;
        let is_same = |a: &Instance, b: &Instance| {
            a.collection.key_attributes().iter().all(|name| equal(&a.raw(name), &b.raw(name)))
        };
        if let (Some(old), Some(other)) = (&old, &other)
            && is_same(old, other)
        {
            return Ok(());
        }
        if let Some(mut old) = old {
            old.set(key, Value::Null, self.codec)?;
            let save = Save { fields: Some(vec![key.clone()]), ..Save::default() };
            self.save(&mut old, save).await?;
        }
        if let Some(mut other) = other {
            other.set(key, owner, self.codec)?;
            self.save(&mut other, Save::default()).await?;
        }
        Ok(())
    }
}

/// What a single association is set to.
enum Other {
    Nothing,
    /// The key of a record that is known to exist.
    Key(Value),
    Record(Box<Instance>),
}

/// Records that refer to this one need something to refer to.
pub(super) fn require_source_key(instance: &Instance, association: &Association) -> Result<(), Thrown> {
    let is_referred_to = matches!(association.kind, AssociationKind::HasOne | AssociationKind::HasMany);
    if is_referred_to && !instance.raw(&association.source_key).is_truthy() {
        return Err(Thrown::error(format!(
            "The source key {} is not set in {}",
            association.source_key, instance.collection.name
        )));
    }
    Ok(())
}
