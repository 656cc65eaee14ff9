//! What happens to records that refer to a deleted one. NocoBase makes no foreign keys in the database and keeps
//! the rules itself (`features/references-map.ts`, `features/referential-integrity-check.ts`).

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, Query};

use super::super::association::{Association, AssociationKind};
use super::super::schema::Schema;
use super::super::shape::Collection;
use super::column;
use super::instance::Instance;
use super::writer::{Writer, no_field};
use crate::expr::{Str, Thrown, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
}

/// A key of one collection that refers to an attribute of another.
#[derive(Debug, PartialEq)]
struct Reference {
    source: Str,
    source_key: Str,
    target_key: Str,
    rule: Rule,
    /// Whether somebody has chosen the rule.
    is_chosen: bool,
}

impl Reference {
    fn is_same(&self, other: &Self) -> bool {
        (&self.source, &self.source_key, &self.target_key)
            == (&other.source, &other.source_key, &other.target_key)
    }
}

/// The references to a collection. Of several for the same keys the one with a chosen rule counts.
fn references(schema: &Schema, target: &str) -> Vec<Reference> {
    let mut collections: Vec<_> = schema.collections().collect();
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    let mut known: Vec<Reference> = Vec::new();
    let all = collections.iter().flat_map(|collection| {
        collection.associations().flat_map(|association| of_association(collection, association))
    });
    for (to, reference) in all {
        if *to != *target {
            continue;
        }
        let Some(old) = known.iter_mut().find(|old| old.is_same(&reference)) else {
            known.push(reference);
            continue;
        };
        let is_stronger = reference.is_chosen && old.rule == Rule::SetNull && reference.rule == Rule::Cascade;
        if (reference.is_chosen && !old.is_chosen) || is_stronger {
            *old = reference;
        }
    }
    known
}

/// What an association makes others refer to, each with the collection that is referred to.
fn of_association(own: &Collection, association: &Association) -> Vec<(Str, Reference)> {
    let option = association.option("onDelete");
    let chosen = option.as_str().filter(|rule| !rule.is_empty());
    let rule = chosen.map(|rule| match rule.to_ascii_uppercase().as_str() {
        "CASCADE" => Rule::Cascade,
        "SET NULL" => Rule::SetNull,
        "RESTRICT" => Rule::Restrict,
        _ => Rule::NoAction,
    });
    let reference = |source: &Str, source_key: &Str, target_key: &Str, default: Rule| Reference {
        source: source.clone(),
        source_key: source_key.clone(),
        target_key: target_key.clone(),
        rule: rule.unwrap_or(default),
        is_chosen: rule.is_some(),
    };
    let Association { target, foreign_key, source_key, target_key, .. } = association;
    match (association.kind, &association.through) {
        (AssociationKind::BelongsTo, _) => {
            vec![(target.clone(), reference(&own.name, foreign_key, target_key, Rule::NoAction))]
        }
        (AssociationKind::HasOne | AssociationKind::HasMany, _) => {
            vec![(own.name.clone(), reference(target, foreign_key, source_key, Rule::NoAction))]
        }
        // The rows between the two have no meaning without both.
        (AssociationKind::BelongsToMany, Some(through)) => vec![
            (target.clone(), reference(&through.collection, &through.other_key, target_key, Rule::Cascade)),
            (own.name.clone(), reference(&through.collection, foreign_key, source_key, Rule::Cascade)),
        ],
        _ => Vec::new(),
    }
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Applies the rules of all that refers to a record that is about to be deleted.
    pub(super) async fn before_destroy(&self, instance: &Instance) -> Result<(), Thrown> {
        for reference in references(self.schema, &instance.collection.name) {
            let value = instance.raw(&reference.target_key);
            let source = self.collection(&reference.source)?;
            // Null refers to nothing.
            if reference.rule == Rule::NoAction || source.option("view").is_truthy() || value.is_nullish() {
                continue;
            }
            let condition = self.is_in(&source, &reference.source_key, std::slice::from_ref(&value))?;
            let mut select = Query::select();
            select.expr(Expr::cust("COUNT(*)")).from(source.table.table_ref()).cond_where(condition.clone());
            if self.number(&select).await?.unwrap_or_default() == 0.0 {
                continue;
            }
            match reference.rule {
                Rule::Restrict => return Err(Thrown::error("RESTRICT")),
                Rule::Cascade => drop(self.destroy_where(&source, condition).await?),
                _ => {
                    let field = source
                        .field(&reference.source_key)
                        .ok_or_else(|| no_field(&source, &reference.source_key))?;
                    let mut update = Query::update();
                    update
                        .table(source.table.table_ref())
                        .value(Alias::new(&*field.column), column::written(&Value::Null, field, self.codec)?)
                        .cond_where(condition);
                    if let Some(time) = source.updated_at.as_deref().and_then(|name| source.field(name)) {
                        let now = column::written(&Value::Date(self.now()), time, self.codec)?;
                        update.value(Alias::new(&*time.column), now);
                    }
                    self.execute(&update).await?;
                }
            }
        }
        Ok(())
    }
}
