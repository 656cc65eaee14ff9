//! Updates many records with one statement, without the listeners of their fields: what `individualHooks: false`
//! asks for (`sequelize/lib/model.js`, static "update").

use std::sync::Arc;

use indexmap::IndexSet;
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::Query;

use super::super::shape::Collection;
use super::instance::Instance;
use super::writer::{KEYS, Writer};
use super::{check, column, password};
use crate::expr::{Object, Str, Thrown, Value};

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
        let mut names: IndexSet<Str> = given.iter().map(|(name, _)| name.clone()).collect();
        check::attributes(&record, &names, self.codec)?;
        password::hash_given(&mut record, &mut names).await?;
        if names.is_empty() || found.is_empty() {
            return Ok(0);
        }
        if let Some(time) = &collection.updated_at {
            record.set_raw(time, Value::Date(self.now()));
            names.insert(time.clone());
        }
        let key = collection.primary_key.clone().unwrap_or_default();
        let keys: Vec<Value> = found.iter().map(|one| one.raw(&key)).collect();
        let mut count = 0;
        for keys in keys.chunks(KEYS) {
            let mut update = Query::update();
            update
                .table(collection.table.table_ref())
                .values(column::assigned(&record, &names, self.codec)?)
                .cond_where(self.is_in(collection, &key, keys)?);
            count += self.execute(&update).await?.rows_affected();
            self.move_paths(collection, keys).await?;
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}
