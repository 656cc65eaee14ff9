//! Puts the addresses of files into every record of `attachments` and of file collections that is read or created, as
//! the hooks of NocoBase's file manager do.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;

use super::error::thrown;
use super::file_links::FileLinks;
use super::reader::Reader;
use super::record::Record;
use super::storage::Storage;
use crate::expr::{Object, Thrown, Value};
use crate::store::storage::by_ids;

impl<C: ConnectionTrait> Reader<'_, C> {
    /// Sets the addresses of records, where they are files.
    pub(super) async fn link_files(&self, records: &mut [Record]) -> Result<(), Thrown> {
        let Some(first) = records.first().filter(|first| first.collection.is_of_files()) else {
            return Ok(());
        };
        let Some(links) = self.files else { return Ok(()) };
        let collection = first.collection.name.clone();
        let storages = self.storages(links, records.iter().map(|record| record.get("storageId"))).await?;
        for record in records {
            let storage = storage_of(&storages, &record.values);
            links.link(&mut record.values, &collection, storage)?;
        }
        Ok(())
    }

    /// The same for records that are appended to others. Their field `local` is a hidden one, which only the file's own
    /// `toJSON` shows.
    pub(super) async fn link_appended_files(&self, records: &mut [Record]) -> Result<(), Thrown> {
        self.link_files(records).await?;
        for record in records.iter_mut().filter(|record| record.collection.is_of_files()) {
            let shown = record.values.iter().filter(|(name, _)| &***name != "local");
            record.values = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        Ok(())
    }

    /// The same for the values of one record.
    pub(super) async fn link_file(&self, values: &mut Object, collection: &str) -> Result<(), Thrown> {
        let Some(links) = self.files else { return Ok(()) };
        let id = values.get("storageId").cloned().unwrap_or_default();
        let storages = self.storages(links, std::iter::once(id)).await?;
        let storage = storage_of(&storages, values);
        links.link(values, collection, storage)
    }

    async fn storages(
        &self,
        links: &FileLinks,
        ids: impl Iterator<Item = Value>,
    ) -> Result<HashMap<i64, Storage>, Thrown> {
        let mut ids: Vec<i64> = ids.filter_map(|id| number_of(&id)).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = by_ids(self.db, &links.names, self.codec, &ids).await;
        let found = found.map_err(|err| thrown(&err, "the storages of files"))?;
        found.into_iter().map(|row| Ok((row.id, links.rendered(row.into())?))).collect()
    }
}

fn storage_of<'a>(storages: &'a HashMap<i64, Storage>, values: &Object) -> Option<&'a Storage> {
    storages.get(&number_of(values.get("storageId")?)?)
}

fn number_of(id: &Value) -> Option<i64> {
    match id {
        Value::Number(number) if number.fract() == 0.0 => Some(*number as i64),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
