//! Associations: the fields of a collection that lead to records of another one.

use crate::expr::{Str, Value};

/// A field that leads to other records. All keys are names of attributes, not of columns.
#[derive(Clone, Debug)]
pub struct Association {
    pub name: Str,
    pub kind: AssociationKind,
    /// The collection it leads to.
    pub target: Str,
    /// Where this attribute is, depends on the kind: on the own collection (`BelongsTo`, `BelongsToArray`), on
    /// the target (`HasOne`, `HasMany`), on the through collection (`BelongsToMany`).
    pub foreign_key: Str,
    /// The attribute of the own collection that `foreign_key` of the others refers to.
    pub source_key: Str,
    /// The attribute of the target that is referred to.
    pub target_key: Str,
    /// The collection between the two.
    pub through: Option<Through>,
    /// `fields.options`: `sortBy`, `onDelete`, `throughScope`, …
    pub options: Value,
}

/// What is between two collections that belong to many of each other.
#[derive(Clone, Debug)]
pub struct Through {
    pub collection: Str,
    /// The attribute of the through collection that refers to the target.
    pub other_key: Str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssociationKind {
    BelongsTo,
    HasOne,
    HasMany,
    BelongsToMany,
    /// The own collection has an array of keys (`m2m array`).
    BelongsToArray,
}

impl AssociationKind {
    /// `fields.type`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "belongsTo" => Self::BelongsTo,
            "hasOne" => Self::HasOne,
            "hasMany" => Self::HasMany,
            "belongsToMany" => Self::BelongsToMany,
            "belongsToArray" => Self::BelongsToArray,
            _ => return None,
        })
    }

    /// Whether it leads to one record at most.
    pub fn is_single(self) -> bool {
        matches!(self, Self::BelongsTo | Self::HasOne)
    }
}

impl Association {
    pub fn option(&self, name: &str) -> Value {
        self.options.member(name)
    }

    /// Left out of results.
    pub fn is_hidden(&self) -> bool {
        self.option("hidden").is_truthy()
    }
}
