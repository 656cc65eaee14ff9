//! What the hooks of NocoBase's file manager do to files that are written (plugin-file-manager, `server.ts`,
//! "afterDefineCollection").

use sea_orm::ConnectionTrait;

use super::instance::Instance;
use super::value::equal;
use super::writer::Writer;
use crate::expr::{Object, Str, Thrown};

impl<C: ConnectionTrait> Writer<'_, C> {
    /// Adds its addresses to a file that has been created.
    pub(super) async fn add_addresses(&self, instance: &mut Instance) -> Result<(), Thrown> {
        self.set_addresses(instance, &["url", "preview", "local"]).await
    }

    /// Adds theirs to the files that a record was linked with. Of those that are known by their keys alone nothing but
    /// the key is shown, and `local` is a hidden field, which only a file's own JSON has.
    pub(super) async fn add_linked_addresses(&self, instance: &mut Instance) -> Result<(), Thrown> {
        let mut below: Vec<&mut Instance> = instance.linked_mut().collect();
        while let Some(linked) = below.pop() {
            if !linked.is_bare() {
                self.set_addresses(linked, &["url", "preview"]).await?;
            }
            below.extend(linked.linked_mut());
        }
        Ok(())
    }

    async fn set_addresses(&self, instance: &mut Instance, names: &[&str]) -> Result<(), Thrown> {
        if !instance.collection.is_of_files() {
            return Ok(());
        }
        let values = self.with_addresses(instance).await?;
        for name in names.iter().copied().map(Str::from) {
            if let Some(value) = values.get(&name) {
                instance.set_raw(&name, value.clone());
            }
        }
        Ok(())
    }

    async fn with_addresses(&self, instance: &Instance) -> Result<Object, Thrown> {
        let collection = instance.collection.clone();
        let values = collection.fields().map(|field| (field.name.clone(), instance.raw(&field.name)));
        let mut values: Object = values.collect();
        self.reader().link_file(&mut values, &collection.name).await?;
        Ok(values)
    }

    /// What is written of a change of a file, where that is not what was given: its extension stays, and where both of
    /// its addresses would be other ones than those in the row, they become what they were when it was read, which is
    /// what NocoBase makes of them then.
    pub(super) async fn kept_by_files(
        &self,
        instance: &Instance,
        values: &Object,
    ) -> Result<Option<Object>, Thrown> {
        const ADDRESSES: [&str; 2] = ["url", "preview"];
        if !instance.collection.is_of_files() {
            return Ok(None);
        }
        let mut kept: Object = values
            .iter()
            .filter(|(name, _)| &***name != "extname")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let is_given = |name: &str| values.get(name).is_some_and(|value| !value.is_undefined());
        let is_field = |name: &&str| instance.collection.field(name).is_some();
        if !ADDRESSES.iter().any(|name| is_given(name)) || !ADDRESSES.iter().all(is_field) {
            return Ok(Some(kept));
        }
        let read = self.with_addresses(instance).await?;
        let made = |name: &str| read.get(name).cloned().unwrap_or_default();
        let is_other = |name: &str| {
            let given = values.get(name).filter(|value| !value.is_undefined());
            !equal(&made(name), &instance.raw(name)) || given.is_some_and(|given| !equal(given, &made(name)))
        };
        if ADDRESSES.iter().all(|name| is_other(name)) {
            for name in ADDRESSES.into_iter().filter(|name| is_given(name)) {
                let is_made = values.get(name).is_some_and(|given| equal(given, &made(name)));
                kept.insert(name, if is_made { instance.raw(name) } else { made(name) });
            }
        }
        Ok(Some(kept))
    }
}
