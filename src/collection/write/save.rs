//! Saves one record: INSERT, or UPDATE of what has changed (`sequelize/lib/model.js`, "save").

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, ExecResult, QueryResult, Statement};

use super::super::field::{Field, FieldType};
use super::super::row;
use super::super::shape::Collection;
use super::instance::Instance;
use super::value::{equal, stored};
use super::writer::Writer;
use super::{check, column, error};
use crate::expr::{Str, Thrown, Value};

/// How a record is saved.
#[derive(Clone, Debug)]
pub(super) struct Save {
    /// Only these attributes; all that have changed when not given.
    pub fields: Option<Vec<Str>>,
    /// Whether fields and plugins may fill in and change values on the way.
    pub hooks: bool,
    /// Whether a new record keeps the time of its last update, if it has been given one.
    pub keeps_time: bool,
}

impl Default for Save {
    fn default() -> Self {
        Self { fields: None, hooks: true, keeps_time: false }
    }
}

const NO_KEY: &str = "You attempted to save an instance with no primary key, this is not allowed since it \
                      would result in a global update";

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Writes the record, if there is anything to write.
    pub(super) async fn save(&self, instance: &mut Instance, save: Save) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        let is_new = instance.is_new;
        let takes_more = save.fields.is_none() && !is_new;
        let mut fields: IndexSet<Str> = match save.fields {
            Some(fields) => fields.into_iter().collect(),
            None if is_new => collection.fields().map(|field| field.name.clone()).collect(),
            None => instance.changed().filter(|name| collection.field(name).is_some()).cloned().collect(),
        };
        self.stamp(instance, &mut fields, save.keeps_time)?;
        if save.hooks {
            self.before_validate(instance)?;
        }
        check::attributes(instance, &fields, self.codec)?;
        if save.hooks {
            let changed = self.run_listeners(instance, &fields).await?;
            if takes_more {
                check::attributes(instance, &changed, self.codec)?;
                fields.extend(changed.into_iter().filter(|name| collection.field(name).is_some()));
            }
        }
        if fields.is_empty() || (!is_new && instance.changed().next().is_none()) {
            return Ok(());
        }
        if is_new {
            self.insert(instance, &fields).await?;
        } else {
            self.update_row(instance, &fields).await?;
        }
        match is_new {
            _ if !save.hooks => {}
            true => self.add_path(instance).await?,
            false => self.move_path(instance).await?,
        }
        instance.saved(&fields);
        Ok(())
    }

    /// Lets fields and plugins refuse and change values just before the record is written. Returns the attributes
    /// that they have changed.
    async fn run_listeners(
        &self,
        instance: &mut Instance,
        fields: &IndexSet<Str>,
    ) -> Result<IndexSet<Str>, Thrown> {
        let before: HashMap<Str, Value> =
            fields.iter().map(|name| (name.clone(), instance.raw(name))).collect();
        let ignored: Vec<Str> = instance.changed().filter(|name| !fields.contains(*name)).cloned().collect();
        self.check_role(instance)?;
        self.check_parent(instance).await?;
        self.before_save(instance).await?;
        self.note_password(instance)?;
        let differs = |name: &Str| {
            let value = instance.raw(name);
            before.get(name).map_or(!value.is_undefined(), |before| !equal(&value, before))
        };
        Ok(instance.changed().filter(|name| !ignored.contains(name) && differs(name)).cloned().collect())
    }

    /// Sets the times of creation and update, and adds them to the fields.
    fn stamp(
        &self,
        instance: &mut Instance,
        fields: &mut IndexSet<Str>,
        keeps_time: bool,
    ) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        let has_no_key = || collection.key_attributes().iter().any(|key| instance.raw(key).is_undefined());
        if !instance.is_new && has_no_key() {
            return Err(Thrown::error(NO_KEY));
        }
        let now = Value::Date(self.now());
        if let Some(updated_at) = &collection.updated_at
            && !fields.is_empty()
        {
            fields.insert(updated_at.clone());
            if !keeps_time || !instance.raw(updated_at).is_truthy() {
                instance.set_raw(updated_at, now.clone());
            }
        }
        if let Some(created_at) = collection.created_at.as_ref().filter(|_| instance.is_new) {
            fields.insert(created_at.clone());
            if !instance.raw(created_at).is_truthy() {
                instance.set_raw(created_at, now);
            }
        }
        Ok(())
    }

    async fn insert(&self, instance: &mut Instance, fields: &IndexSet<Str>) -> Result<(), Thrown> {
        let collection = instance.collection.clone();
        let mut insert = Query::insert();
        insert.into_table(collection.table.table_ref());
        let is_left_out =
            |name: &Str| collection.field(name).is_some_and(is_counted) && instance.raw(name).is_nullish();
        let given = fields.iter().filter(|name| !is_left_out(name));
        let assigned = column::assigned(instance, given, self.codec)?;
        if assigned.is_empty() {
            insert.or_default_values();
        } else {
            let (columns, values): (Vec<_>, Vec<_>) = assigned.into_iter().unzip();
            insert.columns(columns);
            insert.values(values).map_err(|err| Thrown::error(err.to_string()))?;
        }
        if self.codec.backend() == DbBackend::Postgres {
            let all = collection.fields().map(|field| Alias::new(&*field.column));
            insert.returning(Query::returning().columns(all));
            let statement = self.codec.backend().build(&insert);
            let rows = self.query_for(instance, statement).await?;
            if let Some(row) = rows.first() {
                for (name, value) in self.row_values(&collection, row)? {
                    instance.set_raw(&name, value);
                }
            }
            return Ok(());
        }
        let statement = self.codec.backend().build(&insert);
        let result = self.execute_for(instance, statement).await?;
        let counted = collection.fields().find(|field| is_counted(field));
        if let Some(field) = counted.filter(|field| instance.raw(&field.name).is_nullish()) {
            let id = result.last_insert_id();
            instance.set_raw(&field.name, row::integer(i64::try_from(id).unwrap_or_default()));
        }
        Ok(())
    }

    async fn update_row(&self, instance: &Instance, fields: &IndexSet<Str>) -> Result<(), Thrown> {
        let collection = &instance.collection;
        let assigned = column::assigned(instance, fields, self.codec)?;
        if assigned.is_empty() {
            return Ok(());
        }
        let mut update = Query::update();
        update.table(collection.table.table_ref()).values(assigned);
        let keys = collection.key_attributes();
        if keys.is_empty() {
            return Err(Thrown::error(NO_KEY));
        }
        for key in keys.iter().filter_map(|key| collection.field(key)) {
            let value = column::written(&instance.raw(&key.name), key, self.codec)?;
            update.and_where(Expr::col(Alias::new(&*key.column)).eq(value));
        }
        let statement = self.codec.backend().build(&update);
        self.execute_for(instance, statement).await.map(drop)
    }

    /// The values of a row that has all columns of the collection in order.
    pub(super) fn row_values(
        &self,
        collection: &Collection,
        row: &QueryResult,
    ) -> Result<IndexMap<Str, Value>, Thrown> {
        let mut values = IndexMap::new();
        for (index, field) in collection.fields().enumerate() {
            let value = row::value(row, index, self.codec).map_err(|err| Thrown::error(err.to_string()))?;
            values.insert(field.name.clone(), stored(field, value, self.codec));
        }
        Ok(values)
    }

    async fn execute_for(&self, instance: &Instance, statement: Statement) -> Result<ExecResult, Thrown> {
        let sql = statement.sql.clone();
        self.db.execute_raw(statement).await.map_err(|err| error::refused(&err, &sql, instance, self.codec))
    }

    async fn query_for(&self, instance: &Instance, statement: Statement) -> Result<Vec<QueryResult>, Thrown> {
        let sql = statement.sql.clone();
        self.db.query_all_raw(statement).await.map_err(|err| error::refused(&err, &sql, instance, self.codec))
    }
}

/// Whether the database counts the values. Of a table that a plugin defines in code only the key is known.
fn is_counted(field: &Field) -> bool {
    let is_number = matches!(field.kind, FieldType::BigInt | FieldType::Integer);
    field.is_auto_increment()
        || (field.is_primary_key() && is_number && field.option("autoIncrement").is_undefined())
}
