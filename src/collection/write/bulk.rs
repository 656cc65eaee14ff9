//! Updates many records with one statement, without the listeners of their fields: what `individualHooks: false`
//! asks for (`sequelize/lib/model.js`, static "update").

use std::sync::Arc;

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Query};

use super::super::field::FieldType;
use super::super::shape::Collection;
use super::instance::Instance;
use super::{KEYS, Writer, check, column, password};
use crate::expr::convert::to_text;
use crate::expr::{Object, Thrown, Value};

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Returns how many rows there were; none when nothing but the time would change.
    pub(super) async fn update_in_bulk(
        &self,
        collection: &Arc<Collection>,
        found: Vec<Instance>,
        values: Object,
    ) -> Result<usize, Thrown> {
        let given =
            values.iter().filter(|(name, value)| !value.is_undefined() && collection.field(name).is_some());
        let given: Object = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut record = Instance::build(collection, &given, self.codec)?;
        let mut names: Vec<Arc<str>> = given.iter().map(|(name, _)| name.clone()).collect();
        check::attributes(&record, &names, self.codec)?;
        for field in collection.fields().filter(|field| field.kind == FieldType::Password) {
            let value = record.raw(&field.name);
            if value.is_nullish() || value.as_str() == Some("") {
                names.retain(|name| *name != field.name);
            } else if names.contains(&field.name) {
                let hash = password::hash(&to_text(&value)?, field).await?;
                record.set_raw(&field.name, Value::text(hash));
            }
        }
        if names.is_empty() || found.is_empty() {
            return Ok(0);
        }
        if let Some(time) = &collection.updated_at {
            record.set_raw(time, Value::Date(self.now()));
            if !names.contains(time) {
                names.push(time.clone());
            }
        }
        let key = collection.primary_key.clone().unwrap_or_default();
        let keys: Vec<Value> = found.iter().map(|one| one.raw(&key)).collect();
        let mut count = 0;
        for keys in keys.chunks(KEYS) {
            let mut update = Query::update();
            update.table(collection.table.table_ref()).cond_where(self.is_in(collection, &key, keys)?);
            for field in names.iter().filter_map(|name| collection.field(name)) {
                let value = column::written(&record.raw(&field.name), field, self.codec)?;
                update.value(Alias::new(&*field.column), value);
            }
            count += self.execute(&update).await?.rows_affected();
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}
