//! Associations that lead to many records: which ones are linked, and what is written to these and to the
//! collection between (`update-associations.ts`, `sequelize/lib/associations/{has-many,belongs-to-many}.js`).

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Query};

use super::super::association::{Association, AssociationKind};
use super::super::shape::Collection;
use super::association::{Linking, require_source_key};
use super::instance::{Instance, Linked};
use super::save::Save;
use super::value::equal;
use super::writer::{Writer, no_field};
use super::{column, rule, value};
use crate::expr::{Object, Str, Thrown, Value};

/// An association with the collections at its ends.
struct Many<'a> {
    association: &'a Association,
    target: Arc<Collection>,
    /// The attribute of the target that values name it by.
    given_key: Str,
    /// The attribute of the target that decides whether a record exists.
    known_by: Str,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    pub(super) async fn link_multiple(
        &self,
        instance: &mut Instance,
        association: &Association,
        given: &Value,
        linking: &Linking,
    ) -> Result<(), Thrown> {
        let many = self.many(association)?;
        if given.is_nullish() {
            self.set_many(instance, &many, &[]).await?;
            instance.link(&association.name, Linked::Nothing);
            return Ok(());
        }
        require_source_key(instance, association)?;
        if matches!(given, Value::Text(_) | Value::Number(_)) {
            let key = many.target.primary_key.clone().unwrap_or_default();
            let one = Instance::reference(&many.target, &key, given.clone(), self.codec)?;
            return self.set_many(instance, &many, &[one]).await;
        }
        let items = match given {
            Value::Array(items, _) => items.items().to_vec(),
            one => vec![one.clone()],
        };
        let mut linked = self.named(&many, &items).await?;
        self.set_many(instance, &many, &linked).await?;
        let objects = items.iter().filter(|item| matches!(item, Value::Object(_, _) | Value::Live(_)));
        let mut written = Vec::new();
        for item in objects {
            written.extend(self.link_item(instance, &many, item, linking).await?);
        }
        for one in written {
            let key = one.raw(&many.given_key);
            match linked.iter_mut().find(|other| equal(&other.raw(&many.given_key), &key)) {
                Some(other) => *other = one,
                None => linked.push(one),
            }
        }
        instance.link(&association.name, Linked::Many(linked));
        Ok(())
    }

    fn many<'a>(&self, association: &'a Association) -> Result<Many<'a>, Thrown> {
        let target = self.collection(&association.target)?;
        let option = match association.option("targetKey") {
            Value::Text(key) if !key.is_empty() => Some(key),
            _ => None,
        };
        let own =
            (association.kind == AssociationKind::BelongsToMany).then(|| association.target_key.clone());
        let given_key = own.or_else(|| option.clone()).unwrap_or_else(|| "id".into());
        let primary_key = target.primary_key.clone().unwrap_or_default();
        let is_unique = |key: &Str| target.field(key).is_some_and(|field| field.option("unique").is_truthy());
        let known_by = option.filter(|key| *key != primary_key && is_unique(key)).unwrap_or(primary_key);
        Ok(Many { association, target, given_key, known_by })
    }

    /// The records that the items name by their keys: by a plain key those that exist, by an object any.
    async fn named(&self, many: &Many<'_>, items: &[Value]) -> Result<Vec<Instance>, Thrown> {
        let (mut named, mut keys) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Value::Text(_) | Value::Number(_) => keys.push(item.clone()),
                Value::Object(_, _) | Value::Live(_) => {
                    let key = item.member(&many.given_key);
                    if key.is_truthy() {
                        named.push(Instance::reference(&many.target, &many.given_key, key, self.codec)?);
                    }
                }
                _ => {}
            }
        }
        if !keys.is_empty() {
            named.extend(self.load(&many.target, &many.given_key, &keys).await?);
        }
        Ok(named)
    }

    /// Links, creates or changes the record of one item. Returns it if it is to be shown.
    async fn link_item(
        &self,
        instance: &Instance,
        many: &Many<'_>,
        item: &Value,
        linking: &Linking,
    ) -> Result<Option<Instance>, Thrown> {
        let (association, target) = (many.association, &many.target);
        let mut values = value::members(item);
        let between = association.through.as_ref().map(|through| item.member(&through.collection));
        // A row that a query of the same part of the run has left there is no plain object to NocoBase, and says
        // nothing about the new row.
        let between = match between {
            Some(Value::Object(between, _)) => (*between).clone(),
            _ => Object::new(),
        };
        let known = item.member(&many.known_by);
        let primary_key = target.primary_key.clone().unwrap_or_default();
        if primary_key != many.known_by && !item.member(&primary_key).is_nullish() && known.is_nullish() {
            return Err(Thrown::error(format!("{} field value is empty", many.known_by)));
        }
        let below = linking.below(&instance.collection, association);
        let found = match known.is_nullish() {
            true => None,
            false => self.load_one(target, &many.known_by, &known).await?,
        };
        let Some(mut found) = found else {
            rule::check_all(target, &values)?;
            let mut created = self.create_item(instance, many, &values, &between).await?;
            self.link(&mut created, &values, &below).await?;
            return Ok(Some(created));
        };
        self.add_one(instance, many, &found, &between).await?;
        if !linking.is_recursive {
            return Ok(None);
        }
        if linking.updates(association) {
            if association.kind == AssociationKind::HasMany {
                let kept = values.iter().filter(|(name, _)| **name != association.foreign_key);
                values = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            }
            rule::check_given(target, &values)?;
            self.change(&mut found, &values).await?;
        }
        self.link(&mut found, &values, &below).await?;
        Ok(Some(found))
    }

    async fn create_item(
        &self,
        instance: &Instance,
        many: &Many<'_>,
        values: &Object,
        between: &Object,
    ) -> Result<Instance, Thrown> {
        let association = many.association;
        let mut values = values.clone();
        if association.kind == AssociationKind::HasMany {
            values.insert(association.foreign_key.clone(), instance.raw(&association.source_key));
        }
        let created = self.create_associated(&many.target, &values).await?;
        if association.kind == AssociationKind::BelongsToMany {
            self.add_one(instance, many, &created, between).await?;
        }
        Ok(created)
    }

    /// Links one record beside those that are linked already.
    async fn add_one(
        &self,
        instance: &Instance,
        many: &Many<'_>,
        other: &Instance,
        between: &Object,
    ) -> Result<(), Thrown> {
        match self.between(instance, many.association)? {
            Some(link) => self.add_between(&link, other, between).await,
            None => {
                let owner = instance.raw(&many.association.source_key);
                self.set_key(many, std::slice::from_ref(other), &owner).await
            }
        }
    }

    /// Links exactly these records.
    async fn set_many(
        &self,
        instance: &Instance,
        many: &Many<'_>,
        others: &[Instance],
    ) -> Result<(), Thrown> {
        let association = many.association;
        if let Some(link) = self.between(instance, association)? {
            return self.set_between(&link, others).await;
        }
        let owner = instance.raw(&association.source_key);
        let primary_key = many.target.primary_key.clone().unwrap_or_default();
        let old = self.load(&many.target, &association.foreign_key, std::slice::from_ref(&owner)).await?;
        let is_in = |list: &[Instance], one: &Instance| {
            list.iter().any(|other| equal(&other.raw(&primary_key), &one.raw(&primary_key)))
        };
        for mut obsolete in old.iter().filter(|one| !is_in(others, one)).cloned() {
            obsolete.set(&association.foreign_key, Value::Null, self.codec)?;
            self.save(&mut obsolete, Save::default()).await?;
        }
        let keys: Vec<Value> =
            others.iter().filter(|one| !is_in(&old, one)).map(|one| one.raw(&primary_key)).collect();
        for mut new in self.load(&many.target, &primary_key, &keys).await? {
            new.set(&association.foreign_key, owner.clone(), self.codec)?;
            self.save(&mut new, Save::default()).await?;
        }
        Ok(())
    }

    /// Sets the key of records that refer to their owner, past their fields.
    async fn set_key(&self, many: &Many<'_>, others: &[Instance], owner: &Value) -> Result<(), Thrown> {
        let (association, target) = (many.association, &many.target);
        let field = target
            .field(&association.foreign_key)
            .ok_or_else(|| no_field(target, &association.foreign_key))?;
        let primary_key = target.primary_key.clone().unwrap_or_default();
        let keys: Vec<Value> = others.iter().map(|one| one.raw(&primary_key)).collect();
        let mut update = Query::update();
        update
            .table(target.table.table_ref())
            .value(Alias::new(&*field.column), column::written(owner, field, self.codec)?)
            .cond_where(self.is_in(target, &primary_key, &keys)?);
        if let Some(time) = target.updated_at.as_deref().and_then(|name| target.field(name)) {
            let now = column::written(&Value::Date(self.now()), time, self.codec)?;
            update.value(Alias::new(&*time.column), now);
        }
        self.execute(&update).await.map(drop)
    }
}
