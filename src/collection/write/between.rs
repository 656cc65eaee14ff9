//! The rows between two collections that belong to many of each other (`sequelize/lib/associations/belongs-to-many.js`).

use std::sync::Arc;

use indexmap::IndexSet;
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query};

use super::super::association::Association;
use super::super::bind::operand;
use super::super::shape::Collection;
use super::instance::Instance;
use super::save::Save;
use super::value::equal;
use super::writer::{Writer, no_field};
use super::{check, column, password};
use crate::expr::{Object, Str, Thrown, Value};

/// The way from one record over the collection between to those that it belongs to.
pub(super) struct Link<'a> {
    pub instance: &'a Instance,
    pub association: &'a Association,
    /// The collection between.
    pub between: Arc<Collection>,
    /// Its attribute that refers to the target.
    pub other_key: Str,
}

impl Link<'_> {
    fn owner(&self) -> Value {
        self.instance.raw(&self.association.source_key)
    }
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// `None` where nothing lies between.
    pub(super) fn between<'a>(
        &self,
        instance: &'a Instance,
        association: &'a Association,
    ) -> Result<Option<Link<'a>>, Thrown> {
        let Some(through) = &association.through else { return Ok(None) };
        let between = self.collection(&through.collection)?;
        Ok(Some(Link { instance, association, between, other_key: through.other_key.clone() }))
    }

    /// Links one record beside those that are linked already; the row between the two gets the values.
    pub(super) async fn add_between(
        &self,
        link: &Link<'_>,
        other: &Instance,
        values: &Object,
    ) -> Result<(), Thrown> {
        let key = other.raw(&link.association.target_key);
        let rows = self.rows_between(link).await?;
        match rows.iter().find(|row| equal(&row.raw(&link.other_key), &key)) {
            None => self.insert_between(link, &key, values).await,
            Some(row) => self.change_between(link, row, values).await,
        }
    }

    /// Links exactly these records.
    pub(super) async fn set_between(&self, link: &Link<'_>, others: &[Instance]) -> Result<(), Thrown> {
        let target_key = &link.association.target_key;
        let rows = self.rows_between(link).await?;
        let is_wanted = |row: &Instance| {
            let key = row.raw(&link.other_key);
            others.iter().any(|one| equal(&one.raw(target_key), &key))
        };
        let obsolete: Vec<Value> =
            rows.iter().filter(|row| !is_wanted(row)).map(|row| row.raw(&link.other_key)).collect();
        if !obsolete.is_empty() {
            let condition =
                self.of_owner(link)?.add(self.is_in(&link.between, &link.other_key, &obsolete)?);
            self.destroy_where(&link.between, condition).await?;
        }
        for one in others {
            let key = one.raw(target_key);
            if !rows.iter().any(|row| equal(&row.raw(&link.other_key), &key)) {
                self.insert_between(link, &key, &Object::new()).await?;
            }
        }
        Ok(())
    }

    fn of_owner(&self, link: &Link<'_>) -> Result<Condition, Thrown> {
        self.is_in(&link.between, &link.association.foreign_key, &[link.owner()])
    }

    async fn rows_between(&self, link: &Link<'_>) -> Result<Vec<Instance>, Thrown> {
        let condition = self.of_owner(link)?;
        self.select(&link.between, condition).await
    }

    async fn insert_between(&self, link: &Link<'_>, key: &Value, values: &Object) -> Result<(), Thrown> {
        let mut values = values.clone();
        values.insert(link.association.foreign_key.clone(), link.owner());
        values.insert(link.other_key.clone(), key.clone());
        let mut row = Instance::build(&link.between, &values, self.codec)?;
        self.save(&mut row, Save { keeps_time: true, ..Save::default() }).await
    }

    /// Changes the row between two records, found by its keys: it need not have one of its own. The values can be
    /// other keys, which then link other records.
    async fn change_between(&self, link: &Link<'_>, row: &Instance, values: &Object) -> Result<(), Thrown> {
        let between = &link.between;
        if values.iter().all(|(name, value)| is_same(value, &row.raw(name))) {
            return Ok(());
        }
        let given = values
            .iter()
            .filter(|(name, value)| !value.is_undefined() && between.field(name).is_some())
            .map(|(name, value)| (name.clone(), value.clone()));
        let given: Object = given.collect();
        let mut changed = Instance::build(between, &given, self.codec)?;
        let mut names: IndexSet<Str> = given.iter().map(|(name, _)| name.clone()).collect();
        check::attributes(&changed, &names, self.codec)?;
        password::hash_given(&mut changed, &mut names).await?;
        if let Some(time) = &between.updated_at {
            changed.set_raw(time, Value::Date(self.now()));
            names.shift_remove(time);
            if names.is_empty() {
                return Ok(());
            }
            names.insert(time.clone());
        }
        let assigned = column::assigned(&changed, &names, self.codec)?;
        if assigned.is_empty() {
            return Ok(());
        }
        let mut update = Query::update();
        update.table(between.table.table_ref()).values(assigned);
        for key in [&link.association.foreign_key, &link.other_key] {
            let field = between.field(key).ok_or_else(|| no_field(between, key))?;
            let value = operand(&row.raw(key), Some(field), self.codec)?;
            update.and_where(Expr::col(Alias::new(&*field.column)).eq(value));
        }
        self.execute(&update).await.map(drop)
    }
}

/// JavaScript's `===` between a given value and one of a row: dates and the like are never the same.
fn is_same(given: &Value, stored: &Value) -> bool {
    match given {
        Value::Date(_) | Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) => false,
        Value::Number(number) if number.is_nan() => false,
        given => equal(given, stored),
    }
}
