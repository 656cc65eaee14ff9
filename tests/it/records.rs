//! Collections with records, read through the library itself.

use std::sync::Arc;

use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use sidehook::clock::ManualClock;
use sidehook::collection::{
    Change, Collection, Collections, Find, ROLES, Reader, Schema, Writer, path_collection,
};
use sidehook::expr::{self, Thrown, json as js};
use sidehook::ids::Ids;
use sidehook::script::{Limits, Pool};

use crate::collections;
use crate::databases::TestDatabase;
use crate::rows::Rows;
use crate::server::prepare;
use crate::wait::TIMEOUT;

const NOW: i64 = 1_795_379_400_123;

/// A database with collections.
pub struct Records {
    pub rows: Rows,
    known: Collections,
    /// 2026-11-22T20:30:00.123Z until it is set.
    pub clock: Arc<ManualClock>,
    ids: Ids,
    pool: Pool,
}

impl Records {
    pub async fn create(database: &TestDatabase, payloads: &[Value]) -> Self {
        Self::create_with_settings(database, &[], payloads).await
    }

    pub async fn create_with_settings(
        database: &TestDatabase,
        settings: &[(&str, &str)],
        payloads: &[Value],
    ) -> Self {
        let rows = Rows { store: prepare(database, settings).await };
        collections::create(&rows, payloads).await;
        let known = Collections::new(rows.store.clone(), "/");
        known.refresh().await.expect("the collections are read");
        let clock = Arc::new(ManualClock::at(NOW));
        let ids = Ids::new(clock.clone(), 7, 0, 0);
        ids.reserve(i64::MAX);
        let limits = Limits { evaluators: 1, expression_time: TIMEOUT, ..Limits::default() };
        Self { rows, known, clock, ids, pool: Pool::new(limits) }
    }

    /// Inserts rows; values are SQL.
    pub async fn insert(&self, table: &str, columns: &[&str], values: &[&str]) {
        let table = collections::quoted(&self.rows, table);
        let columns =
            columns.iter().map(|name| collections::quoted(&self.rows, name)).collect::<Vec<_>>().join(", ");
        let values = values.iter().map(|row| format!("({row})")).collect::<Vec<_>>().join(", ");
        self.rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES {values}")).await;
    }

    pub fn schema(&self) -> Arc<Schema> {
        self.known.schema()
    }

    pub fn collection(&self, name: &str) -> Arc<Collection> {
        self.schema().get(name).unwrap_or_else(|| panic!("no collection {name}")).clone()
    }

    pub fn reader<'a>(&'a self, schema: &'a Schema) -> Reader<'a, sidehook::store::Pool> {
        let now = "2026-11-22T20:30:00Z".parse().expect("a time");
        self.known.reader(schema, &self.rows.store.db, now)
    }

    /// The records that match, as a node's result.
    pub async fn find(&self, collection: &str, find: &Find) -> Result<Value, Thrown> {
        self.known.schema_with(collection).await.expect("the database answers");
        let schema = self.schema();
        let records = self.reader(&schema).find(&self.collection(collection), find).await?;
        let values = records.iter().map(sidehook::collection::Record::to_value).collect();
        let text = js::stringify_or_null(&expr::Value::array(values));
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    /// The records as the nodes of a run see them.
    pub async fn found(&self, collection: &str, find: &Find) -> Vec<expr::Value> {
        let schema = self.schema();
        let records = self.reader(&schema).find(&self.collection(collection), find).await.expect("it reads");
        records.iter().map(sidehook::collection::Record::to_value).collect()
    }

    /// Creates a record, as a node's result.
    pub async fn create_one(&self, collection: &str, values: Value) -> Result<Value, Thrown> {
        self.create_with(collection, Change { values: value(&values), ..Change::default() }).await
    }

    pub async fn create_with(&self, collection: &str, change: Change) -> Result<Value, Thrown> {
        self.write(collection, async |writer, collection| {
            let created = writer.create(collection, &change).await?;
            let text = js::stringify_or_null(&created.to_value(writer.codec));
            Ok(serde_json::from_str(&text).expect("JSON"))
        })
        .await
    }

    /// Changes the records that a filter finds.
    pub async fn update(&self, collection: &str, filter: Value, values: Value) -> Result<usize, Thrown> {
        let change = Change { filter: value(&filter), values: value(&values), ..Change::default() };
        self.update_with(collection, change).await
    }

    pub async fn update_with(&self, collection: &str, change: Change) -> Result<usize, Thrown> {
        self.write(collection, async |writer, collection| writer.update(collection, &change).await).await
    }

    /// Deletes the records that a filter finds.
    pub async fn destroy(&self, collection: &str, filter: Value) -> Result<Option<usize>, Thrown> {
        let change = Change { filter: value(&filter), ..Change::default() };
        self.write(collection, async |writer, collection| writer.destroy(collection, &change).await).await
    }

    /// Writes in a transaction, which is taken back when that throws.
    async fn write<T>(
        &self,
        collection: &str,
        work: impl AsyncFnOnce(&Writer<'_, DatabaseTransaction>, &Arc<Collection>) -> Result<T, Thrown>,
    ) -> Result<T, Thrown> {
        let trees: Vec<String> = self.schema().collections().filter_map(|one| path_collection(one)).collect();
        for name in trees.iter().map(String::as_str).chain([collection, "sequences"]).chain(ROLES) {
            self.known.schema_with(name).await.expect("the database answers");
        }
        let (schema, store) = (self.schema(), &self.rows.store);
        let transaction = store.db.begin().await.expect("a transaction");
        let writer = self.known.writer(&schema, &*transaction, &self.ids).with_evaluators(&self.pool);
        let written = work(&writer, &self.collection(collection)).await;
        match written {
            Ok(_) => transaction.commit().await.expect("it commits"),
            Err(_) => transaction.rollback().await.expect("it is taken back"),
        }
        written
    }

    /// All records of a collection, in the order of their keys.
    pub async fn all(&self, collection: &str) -> Value {
        self.find(collection, &Find::default()).await.expect("it reads")
    }

    /// The ids of the records that a filter of the library's own values finds on a connection, or what it throws.
    pub async fn ids_on<C: sea_orm::ConnectionTrait>(
        &self,
        db: &C,
        collection: &str,
        filter: expr::Value,
    ) -> Result<Vec<i64>, String> {
        let schema = self.schema();
        let now = "2026-11-22T20:30:00Z".parse().expect("a time");
        let find = Find { filter, ..Find::default() };
        let found = self.known.reader(&schema, db, now).find(&self.collection(collection), &find).await;
        let found = found.map_err(|thrown| thrown.message)?;
        Ok(found.iter().filter_map(|record| record.get("id").as_number()).map(|id| id as i64).collect())
    }

    /// The ids of the records that match a filter, or what it throws.
    pub async fn ids(&self, collection: &str, filter: &Value) -> Result<Vec<i64>, String> {
        let find = Find { filter: value(filter), ..Find::default() };
        let found = self.find(collection, &find).await.map_err(|thrown| thrown.message)?;
        Ok(found.as_array().into_iter().flatten().filter_map(|record| record["id"].as_i64()).collect())
    }
}

/// JSON as the library has it.
pub fn value(json: &Value) -> expr::Value {
    js::parse(json.to_string().as_bytes()).expect("JSON")
}

/// A collection without times.
pub fn plain(name: &str, fields: Value) -> Value {
    let mut all = vec![json!({"name": "id", "type": "bigInt", "primaryKey": true, "autoIncrement": true})];
    all.extend(fields.as_array().cloned().unwrap_or_default());
    json!({"name": name, "autoGenId": false, "createdAt": false, "updatedAt": false, "fields": all})
}
