//! Turns the row of an association field into an [`Association`], with the names that NocoBase and Sequelize
//! derive where the row has none, and adds the key attributes that the models get by it.

use entity::Names;
use indexmap::IndexMap;
use sea_orm::DbBackend;

use super::association::{Association, AssociationKind, Through};
use super::name::{camel_case, camelize, pluralize, singularize};
use super::shape::{Collection, key_field};
use crate::expr::{Str, Value};

type Collections = IndexMap<Str, Collection>;

/// The row of an association field.
pub(super) struct Link<'a> {
    pub collection: &'a str,
    pub name: &'a str,
    pub kind: AssociationKind,
    pub options: &'a Value,
}

impl Link<'_> {
    /// Adds the association, unless its target is unknown: NocoBase waits for the target then, too.
    pub(super) fn add_to(&self, collections: &mut Collections, backend: DbBackend, names: &Names) {
        let Some(association) = self.resolve(collections) else { return };
        let like = |collections: &Collections, collection: &str, key: &str| {
            collections.get(collection).and_then(|one| one.field(key)).cloned()
        };
        let own_key = like(collections, self.collection, &association.source_key);
        let target_key = like(collections, &association.target, &association.target_key);
        let mut keys = Vec::new();
        match (&association.kind, &association.through) {
            (AssociationKind::BelongsTo, _) => {
                keys.push((Str::from(self.collection), &association.foreign_key, target_key));
            }
            (AssociationKind::HasOne | AssociationKind::HasMany, _) => {
                keys.push((association.target.clone(), &association.foreign_key, own_key));
            }
            (AssociationKind::BelongsToMany, Some(through)) => {
                keys.push((through.collection.clone(), &association.foreign_key, own_key));
                keys.push((through.collection.clone(), &through.other_key, target_key));
            }
            _ => {}
        }
        for (holder, name, like) in keys {
            let Some(holder) = collections.get_mut(&holder) else { return };
            if !holder.fields.contains_key(name) {
                let field = key_field(names, &holder.options, name, like.as_ref(), backend);
                holder.fields.insert(name.clone(), field);
            }
        }
        if let Some(own) = collections.get_mut(self.collection) {
            own.associations.insert(association.name.clone(), association);
        }
    }

    fn resolve(&self, collections: &Collections) -> Option<Association> {
        let own = collections.get(self.collection)?;
        let target_name = self.text("target").unwrap_or_else(|| match self.kind {
            AssociationKind::BelongsTo => pluralize(self.name).into(),
            _ => self.name.into(),
        });
        let target = collections.get(&target_name)?;
        let source_key = self.text("sourceKey").or_else(|| own.primary_key.clone());
        let target_key = self.text("targetKey").or_else(|| target.primary_key.clone());
        let foreign_key = self.text("foreignKey");
        let mut through = None;
        let (foreign_key, source_key, target_key) = match self.kind {
            AssociationKind::BelongsTo => {
                let target_key = target_key?;
                let derived = || camel_case(&format!("{}_{target_key}", self.name)).into();
                (foreign_key.unwrap_or_else(derived), "".into(), target_key)
            }
            AssociationKind::HasOne | AssociationKind::HasMany => {
                let source_key = source_key?;
                let derived = || key_of(self.collection, &source_key);
                (foreign_key.unwrap_or_else(derived), source_key, target_key.unwrap_or_default())
            }
            AssociationKind::BelongsToMany => {
                let (source_key, target_key) = (source_key?, target_key?);
                let between = self.text("through").unwrap_or_else(|| self.through_name(&target_name));
                collections.get(&between)?;
                let other_key = self.text("otherKey").unwrap_or_else(|| key_of(&target_name, &target_key));
                through = Some(Through { collection: between, other_key });
                (foreign_key.unwrap_or_else(|| key_of(self.collection, &source_key)), source_key, target_key)
            }
            AssociationKind::BelongsToArray => (foreign_key?, "".into(), target_key?),
        };
        Some(Association {
            name: self.name.into(),
            kind: self.kind,
            target: target_name,
            foreign_key,
            source_key,
            target_key,
            through,
            options: self.options.clone(),
        })
    }

    fn text(&self, key: &str) -> Option<Str> {
        match self.options.member(key) {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn through_name(&self, target: &str) -> Str {
        let mut names = [self.collection.to_lowercase(), target.to_lowercase()];
        names.sort();
        camelize(&names.join("_")).into()
    }
}

/// The name of a key that refers to a collection: `posts`, `id` → `postId`.
fn key_of(collection: &str, key: &str) -> Str {
    camelize(&format!("{}_{key}", singularize(collection))).into()
}
