//! Where the file of a record lies: its storage, with its variables filled in, and its place there.

use super::catalog::Collections;
use super::storage::Storage;
use super::url::{is_url, join};
use crate::expr::convert::to_text;
use crate::expr::{Thrown, Value};
use crate::store::Store;
use crate::store::storage::by_ids;

/// A file where it lies.
pub struct StoredFile {
    pub storage: Storage,
    /// The URL that it is fetched from, where the storage has a base URL.
    pub address: Option<String>,
    /// Its path within the storage.
    pub key: String,
}

impl Collections {
    /// The file of a record in the storage of this id, with the variables of the storage filled in. `None` where there is
    /// no such storage.
    pub async fn stored_file(&self, record: &Value, storage_id: i64) -> Result<Option<StoredFile>, Thrown> {
        let (Store { db, names, codec, .. }, Some(files)) = (&self.store, &self.files) else {
            return Ok(None);
        };
        let found = by_ids(db, names, codec, &[storage_id]).await;
        let found =
            found.map_err(|err| Thrown::error(format!("the storages of files cannot be read: {err}")))?;
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        let storage = files.rendered(Storage::from(row))?;
        let address = Some(files.fetched(record, &storage)?).filter(|address| is_url(address));
        let part = |name: &str| match record.member(name) {
            value if value.is_truthy() => to_text(&value),
            _ => Ok(String::new()),
        };
        let key = join(&[part("path")?, part("filename")?]);
        Ok(Some(StoredFile { storage, address, key: key.trim_start_matches('/').to_owned() }))
    }
}
