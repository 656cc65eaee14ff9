//! Writes through NocoBase's HTTP API instead of beside it, so that NocoBase starts what hangs on its collections.
//!
//! What is to be changed or deleted is looked up here, with the whole filter language, and told by its keys. After
//! a crash the call is made again.

use std::future::Future;

use entity::status::job::{PENDING, RESOLVED};

use super::Destination;
use crate::collection::{Change, Collection, Filter, Find, Record, Schema};
use crate::expr::{Date, Thrown, Value, json};
use crate::node::{Draft, Outcome, Settled, Work};
use crate::outbound::NocoBase;

/// How many records one call names: they stand in its URL.
const KEYS: usize = 200;

/// The outcome of a node that writes so.
pub(in crate::node) fn outcome(
    work: impl Future<Output = Result<Value, Thrown>> + Send + 'static,
) -> Outcome {
    let done = async {
        match work.await {
            Ok(result) => Settled { status: RESOLVED, result },
            Err(thrown) => thrown.into(),
        }
    };
    let pending = Draft { status: PENDING, ..Draft::default() };
    Outcome::Background(Work { pending, interrupted: None, timed_out: None, done: Box::pin(done) })
}

impl Destination {
    async fn find(&self, find: &Find) -> Result<Vec<Record>, Thrown> {
        let db = self.collections.beside_transactions();
        let reader = self.collections.reader(&self.schema, &db, self.system.now().to_utc());
        reader.find(&self.collection, find).await
    }

    /// Creates a record and returns it as NocoBase does.
    pub(crate) async fn create_by_api(&self, api: &NocoBase, change: &Change) -> Result<Value, Thrown> {
        let query = lists(change);
        let data = self.call(api, "create", &query, &change.values).await?;
        Ok(revived(&self.schema, &self.collection, &data))
    }

    /// The records that a filter finds, read in the end of a creation.
    pub(crate) async fn read(&self, find: &Find) -> Result<Value, Thrown> {
        let found = self.find(find).await?;
        Ok(found.first().map_or(Value::Null, |record| record.to_value()))
    }

    /// Changes records and returns how many.
    pub(crate) async fn update_by_api(&self, api: &NocoBase, change: &Change) -> Result<Value, Thrown> {
        if let Value::Array(records, _) = &change.values {
            let key = self.collection.primary_key.as_deref().unwrap_or_default();
            for values in records.items() {
                let own = values.member(key);
                if !own.is_truthy() {
                    return Err(Thrown::error("filterByTk invalid"));
                }
                let one = Change { filter_by_tk: own, values: values.clone(), ..Change::default() };
                self.change_found(api, "update", &one).await?;
            }
            return Ok(Value::Number(records.items().len() as f64));
        }
        if !change.names_records() {
            return Err(Thrown::error(crate::collection::NO_FILTER));
        }
        self.change_found(api, "update", change).await
    }

    /// Deletes records and returns how many.
    pub(crate) async fn destroy_by_api(&self, api: &NocoBase, change: &Change) -> Result<Value, Thrown> {
        if !Filter::is_valid(&change.filter) && !change.filter_by_tk.is_truthy() {
            return Ok(Value::Undefined);
        }
        self.change_found(api, "destroy", change).await
    }

    async fn change_found(&self, api: &NocoBase, action: &str, change: &Change) -> Result<Value, Thrown> {
        let key = self.collection.key_field().map(|field| field.name.clone()).ok_or_else(|| {
            Thrown::error(format!("the collection {} has no primary key", self.collection.name))
        })?;
        let find =
            Find { filter: change.found_by(&key), fields: Some(vec![key.to_string()]), ..Find::default() };
        let found = self.find(&find).await?;
        let keys: Vec<Value> = found.iter().map(|record| record.get(&key)).collect();
        let mut count = 0.0;
        for keys in keys.chunks(KEYS) {
            let operand = Value::object([("$in", Value::array(keys.to_vec()))]);
            let filter = json::stringify_or_null(&Value::object([(key.clone(), operand)]));
            let mut query = lists(change);
            query.push(("filter".to_owned(), filter));
            let body = if action == "update" { change.values.clone() } else { Value::empty_object() };
            count += match self.call(api, action, &query, &body).await? {
                Value::Array(changed, _) => changed.items().len() as f64,
                Value::Number(count) => count,
                _ => keys.len() as f64,
            };
        }
        Ok(Value::Number(count))
    }

    /// The `data` of the answer.
    async fn call(
        &self,
        api: &NocoBase,
        action: &str,
        query: &[(String, String)],
        body: &Value,
    ) -> Result<Value, Thrown> {
        let action = format!("{}:{action}", self.collection.name);
        let query: Vec<(&str, &str)> = query.iter().map(|(name, text)| (&**name, &**text)).collect();
        let body = if body.is_nullish() { Value::empty_object() } else { body.clone() };
        let answered = api.call_in(&self.source, &action, &query, &body).await;
        answered.map(|answer| answer.member("data")).map_err(|err| Thrown::error(err.message))
    }
}

/// The lists of a change as NocoBase reads them from a query string.
fn lists(change: &Change) -> Vec<(String, String)> {
    let lists = [
        ("whitelist[]", &change.whitelist),
        ("blacklist[]", &change.blacklist),
        ("updateAssociationValues[]", &change.update_association_values),
    ];
    let pairs = lists
        .into_iter()
        .flat_map(|(name, list)| list.iter().flatten().map(move |item| (name.to_owned(), item.clone())));
    pairs.collect()
}

/// A record with its dates as dates again.
fn revived(schema: &Schema, collection: &Collection, value: &Value) -> Value {
    let Value::Object(members, _) = value else { return value.clone() };
    let member = |name: &str, value: &Value| -> Value {
        if let Some(target) = collection.association(name).and_then(|one| schema.get(&one.target)) {
            return match value {
                Value::Array(items, _) => {
                    Value::array(items.items().iter().map(|item| revived(schema, target, item)).collect())
                }
                one => revived(schema, target, one),
            };
        }
        match (collection.field(name), value) {
            (Some(field), Value::Text(text)) if field.is_date() => Value::Date(Date::parse(text)),
            _ => value.clone(),
        }
    };
    Value::object(members.iter().map(|(name, value)| (name.clone(), member(name, value))))
}
