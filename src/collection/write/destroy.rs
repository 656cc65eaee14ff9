//! Deletes records one by one, so that what refers to them follows its rules (`repository.ts`, "destroy").

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Condition, Query};

use super::super::filter::Filter;
use super::super::shape::Collection;
use super::change::Change;
use super::instance::Instance;
use super::writer::{KEYS, Writer};
use crate::expr::{Thrown, Value};

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Deletes the records that a filter finds. Returns how many; `None` when nothing was asked for.
    pub async fn destroy(
        &self,
        collection: &Arc<Collection>,
        change: &Change,
    ) -> Result<Option<usize>, Thrown> {
        let has_filter = Filter::is_valid(&change.filter);
        if !has_filter && !change.filter_by_tk.is_truthy() {
            return Ok(None);
        }
        let found = self.find(collection, change).await?;
        self.follow_rules(&found).await?;
        let key = collection.primary_key.clone().unwrap_or_default();
        let keys: Vec<Value> = found.iter().map(|one| one.raw(&key)).collect();
        let mut count = 0;
        for keys in keys.chunks(KEYS) {
            let condition = self.is_in(collection, &key, keys)?;
            count += self.delete(collection, condition).await?;
        }
        self.remove_paths(&found).await?;
        Ok(Some(count))
    }

    /// Deletes all records of a condition; they need no key.
    pub(super) fn destroy_where<'f>(
        &'f self,
        collection: &'f Arc<Collection>,
        condition: Condition,
    ) -> BoxFuture<'f, Result<usize, Thrown>> {
        Box::pin(async move {
            let found = self.select(collection, condition.clone()).await?;
            self.follow_rules(&found).await?;
            let count = self.delete(collection, condition).await?;
            self.remove_paths(&found).await?;
            Ok(count)
        })
    }

    async fn follow_rules(&self, instances: &[Instance]) -> Result<(), Thrown> {
        for instance in instances {
            self.before_destroy(instance).await?;
        }
        Ok(())
    }

    async fn delete(&self, collection: &Collection, condition: Condition) -> Result<usize, Thrown> {
        let mut delete = Query::delete();
        delete.from_table(collection.table.table_ref()).cond_where(condition);
        let count = self.execute(&delete).await?.rows_affected();
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}
