//! The collections of a database in memory; those of the main data source are kept equal to it. `collections` and `fields` have no times that could be
//! trusted, so a digest of their rows is compared, about every second together with the workflows.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, DbErr, IsolationLevel};
use tokio::sync::Mutex;

use super::definition::table_name;
use super::file_links::FileLinks;
use super::reader::Reader;
use super::schema::{Schema, targets_without_rows};
use super::shape::Collection;
use super::write::{Writer, path_collection};
use crate::expr::system::System;
use crate::expr::{Object, Value};
use crate::store::metadata::{Metadata, TableColumn};
use crate::store::{Codec, Executor, Store, Transaction};

/// The collections of one data source.
pub struct Collections {
    pub(super) store: Store,
    schema: ArcSwap<Schema>,
    /// The digest of the rows that `schema` was made of; `None` before the first reading, and where there
    /// are no such tables.
    digest: Mutex<Option<String>>,
    /// What the addresses of files are made with, in the main data source: others have no files.
    pub(super) files: Option<FileLinks>,
}

impl Collections {
    /// `public_path` is what the addresses of the application begin with, NocoBase's `APP_PUBLIC_PATH`.
    pub fn new(store: Store, public_path: &str) -> Self {
        let files = FileLinks::new(store.names.clone(), public_path.to_owned());
        Self { store, schema: ArcSwap::default(), digest: Mutex::default(), files: Some(files) }
    }

    /// Those of another database, as it was described when it was opened. They stay as they are.
    pub(super) fn of_source(store: Store, metadata: &Metadata) -> Self {
        let schema = Schema::build(&store.names, store.codec.backend(), metadata, &HashMap::new());
        Self { store, schema: ArcSwap::from_pointee(schema), digest: Mutex::default(), files: None }
    }

    /// The same of a sub-application, whose name is in the addresses of its files.
    #[must_use]
    pub fn of_app(mut self, name: &str) -> Self {
        if let Some(files) = &mut self.files {
            name.clone_into(&mut files.application);
        }
        self
    }

    /// Sets what `{{$env}}` in the storages of files stands for.
    pub fn set_environment(&self, environment: Arc<Object>) {
        if let Some(files) = &self.files {
            files.set_environment(environment);
        }
    }

    /// What is known now. The `Arc` stays the same one while nothing has changed.
    pub fn schema(&self) -> Arc<Schema> {
        self.schema.load_full()
    }

    /// How values travel to and from the database.
    pub fn codec(&self) -> &Codec {
        &self.store.codec
    }

    /// Begins a transaction of its own, which a node outside of the main data source writes in, when it is its turn.
    pub async fn begin(&self, isolation: Option<IsolationLevel>) -> Result<Transaction, DbErr> {
        self.store.begin_in_turn(isolation).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.store.db.ping().await
    }

    /// Where to read: in a transaction, or on the pool.
    pub fn executor<'a>(&'a self, transaction: Option<&'a DatabaseTransaction>) -> Executor<'a> {
        let pool = &self.store.data;
        transaction.map_or(Executor::Pool(pool), |transaction| Executor::Transaction(transaction, pool))
    }

    /// Where work in the background reads: beside a transaction that may be open around it and has its turn already.
    pub fn beside_transactions(&self) -> Executor<'_> {
        Executor::Pool(&self.store.beside)
    }

    /// Reads records of `schema`, one of those that these collections have given.
    pub fn reader<'a, C>(&'a self, schema: &'a Schema, db: &'a C, now: DateTime<Utc>) -> Reader<'a, C> {
        Reader { schema, codec: &self.store.codec, db, now, files: self.files.as_ref() }
    }

    /// Writes records of `schema` in a transaction.
    pub fn writer<'a, C>(
        &'a self,
        schema: &'a Schema,
        transaction: &'a C,
        system: &'a dyn System,
    ) -> Writer<'a, C> {
        let Store { names, codec, .. } = &self.store;
        let files = self.files.as_ref();
        Writer { schema, codec, names, db: transaction, system, files, evaluators: None }
    }

    /// Reads the collections again when they have changed. Returns whether they had.
    pub async fn refresh(&self) -> Result<bool, DbErr> {
        let mut known = self.digest.lock().await;
        let digest = self.store.metadata_digest().await?;
        if digest == *known {
            return Ok(false);
        }
        let metadata = self.store.metadata().await?;
        let mut tables = HashMap::new();
        for name in targets_without_rows(&metadata) {
            let columns = self.columns(&name, &Value::default()).await?;
            tables.insert(name, columns);
        }
        let backend = self.store.codec.backend();
        self.schema.store(Arc::new(Schema::build(&self.store.names, backend, &metadata, &tables)));
        // The tables have changed with them, as a rule.
        if known.is_some() {
            self.store.data.retire();
        }
        *known = digest;
        Ok(true)
    }

    /// A schema that has this collection, if there is one: what has no row in `collections` may be a table that
    /// one of NocoBase's plugins defines in code, which is then read from the database itself.
    pub async fn schema_with(&self, name: &str) -> Result<Arc<Schema>, DbErr> {
        let schema = self.schema();
        let is_read_once = self.files.is_none();
        if is_read_once || schema.get(name).is_some() || name.starts_with("sidehook_") {
            return Ok(schema);
        }
        let options = defined_in_code(&schema, name);
        let columns = self.columns(name, &options).await?;
        if columns.is_empty() {
            return Ok(schema);
        }
        // Under the lock, so that a refresh in the same moment is not lost.
        let _refreshing = self.digest.lock().await;
        let (names, backend) = (&self.store.names, self.store.codec.backend());
        let extended = Arc::new(self.schema().with_table(names, backend, name, &columns, options));
        self.schema.store(extended.clone());
        Ok(extended)
    }

    /// The collection of a name, as [`Collections::schema_with`] finds it.
    pub async fn find(&self, name: &str) -> Result<Option<Arc<Collection>>, DbErr> {
        Ok(self.schema_with(name).await?.get(name).cloned())
    }

    async fn columns(&self, name: &str, options: &Value) -> Result<Vec<TableColumn>, DbErr> {
        let table = table_name(&self.store.names, self.store.codec.backend(), name, options);
        self.store.table_columns(table.schema.as_deref(), &table.name).await
    }
}

/// The options of a collection that has no row: the paths of a tree are where the tree is.
fn defined_in_code(schema: &Schema, name: &str) -> Value {
    let tree = schema.collections().find(|one| path_collection(one).as_deref() == Some(name));
    let place = tree.map(|tree| tree.option("schema")).unwrap_or_default();
    Value::object([("schema", place)])
}
