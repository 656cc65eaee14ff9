//! Creates a record, or several, with what is nested in its values (`CreateInstruction.ts`).

use async_trait::async_trait;
use entity::status::job::ERROR;
use serde::Deserialize;

use super::data_source::appends;
use super::record::api::outcome;
use super::record::{Destination, Unknown, change};
use super::{Context, Example, Node, NodeType, Outcome, resolved};
use crate::collection::{Collection, Find};
use crate::expr::{Template, Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// `posts`, or `source:posts`.
    collection: Value,
    params: Params,
}

#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct Params {
    /// `{values, whitelist, blacklist, updateAssociationValues}`, rendered.
    params: Template,
    /// Associations that the result has, nested ones with dots.
    appends: Value,
}

impl From<Value> for Params {
    fn from(value: Value) -> Self {
        Self { params: Template::parse(&value), appends: value.member("appends") }
    }
}

const UNKNOWN: Unknown = Unknown {
    source: |name| Thrown::error(format!("Data source {name} not found")),
    collection: "Cannot destructure property 'repository' of 'dataSource.collectionManager.getCollection(...)' as it \
                 is undefined.",
};

#[async_trait]
impl Node for Create {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let destination = Destination::open(cx, &self.collection, &UNKNOWN).await?;
        let mut change = change(&cx.render(&self.params.params)?)?;
        let appends = appends(&self.params.appends)?;
        let records = match &change.values {
            Value::Array(records) => Some(records.items().to_vec()),
            _ => None,
        };
        let single = records.is_none();
        let records = records.unwrap_or_else(|| vec![change.values.clone()]);
        if let Some(api) = cx.services().data_api.clone() {
            return Ok(outcome(async move {
                let mut created = Vec::new();
                for values in records {
                    change.values = values;
                    created.push(destination.create_by_api(&api, &change).await?);
                }
                if appends.is_empty() {
                    return Ok(together(created, single));
                }
                let key = target_key(&destination.collection).zip(created.first());
                let key = key.map(|(key, record)| record.member(&key)).unwrap_or_default();
                if single && !key.is_truthy() {
                    return Err(Thrown::error("NocoBase has not told the key of the record that it created"));
                }
                destination.read(&appended(&destination.collection, key, single, appends)).await
            }));
        }
        let collection = destination.collection.clone();
        let writer = destination.writer(cx.transaction().await?);
        let (mut created, mut key) = (Vec::new(), Value::Undefined);
        for values in records {
            change.values = values;
            let instance = writer.create(&collection, &change).await?;
            key = target_key(&collection).map(|key| instance.raw(&key)).unwrap_or_default();
            created.push(instance.to_value(writer.codec));
        }
        if appends.is_empty() {
            return Ok(resolved(together(created, single)));
        }
        let find = appended(&collection, key, single, appends);
        let found = writer.reader().find(&collection, &find).await?;
        Ok(resolved(found.first().map_or(Value::Null, |record| record.to_value())))
    }
}

/// One record by itself, several as an array.
fn together(mut created: Vec<Value>, single: bool) -> Value {
    if single { created.pop().unwrap_or_default() } else { Value::array(created) }
}

/// What is read once more, with what is appended. Several records have no key together: NocoBase then reads the
/// first record of the collection.
fn appended(collection: &Collection, key: Value, single: bool, appends: Vec<String>) -> Find {
    let filter = match target_key(collection).filter(|_| single) {
        Some(name) => Value::object([(name, key)]),
        None => Value::Undefined,
    };
    Find { filter, appends, limit: Some(1), ..Find::default() }
}

/// The attribute that NocoBase finds records by.
fn target_key(collection: &Collection) -> Option<std::sync::Arc<str>> {
    match collection.option("filterTargetKey") {
        Value::Text(key) if collection.field(&key).is_some() => Some(key),
        _ => collection.primary_key.clone(),
    }
}

impl NodeType for Create {
    const TYPE: &'static str = "create";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Says that there is no such collection",
            config: r#"{"collection": "no_such_collection", "params": {"values": {"title": "A"}}}"#,
            context: "{}",
            status: ERROR,
            result: r#"{"message":"Cannot destructure property 'repository' of 'dataSource.collectionManager.getCollection(...)' as it is undefined."}"#,
        }]
    }
}
