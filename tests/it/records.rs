//! Collections with records, read through the library itself.

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use serde_json::{Value, json};
use sidehook::collection::{Collection, Collections, Find, Reader, Schema};
use sidehook::expr::{self, Thrown, json as js};

use crate::collections;
use crate::databases::TestDatabase;
use crate::rows::Rows;
use crate::server::prepare;

/// A database with collections.
pub struct Records {
    pub rows: Rows,
    known: Collections,
}

impl Records {
    pub async fn create(database: &TestDatabase, payloads: &[Value]) -> Self {
        let rows = Rows { store: prepare(database, &[]).await };
        collections::create(&rows, payloads).await;
        let known = Collections::new(rows.store.clone());
        known.refresh().await.expect("the collections are read");
        Self { rows, known }
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

    pub fn reader<'a>(&'a self, schema: &'a Schema) -> Reader<'a, DatabaseConnection> {
        let now = "2026-11-22T20:30:00Z".parse().expect("a time");
        Reader { schema, codec: &self.rows.store.codec, db: &self.rows.store.db, now }
    }

    /// The records that match, as a node's result.
    pub async fn find(&self, collection: &str, find: &Find) -> Result<Value, Thrown> {
        let schema = self.schema();
        let records = self.reader(&schema).find(&self.collection(collection), find).await?;
        let values = records.iter().map(sidehook::collection::Record::to_value).collect();
        let text = js::stringify_or_null(&expr::Value::array(values));
        Ok(serde_json::from_str(&text).expect("JSON"))
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
