//! Creates a record, or several, with what is nested in its values (`CreateInstruction.ts`).

use std::sync::Arc;

use async_trait::async_trait;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use super::data_source::{BOOKS, appends};
use super::record::api::outcome;
use super::record::{Destination, Unknown, change};
use super::{Context, Example, Node, NodeType, Outcome, Sample, resolved};
use crate::collection::{Change, Collection, Executor, Find, Writer};
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
        let destination = match Destination::open(cx, &self.collection, &UNKNOWN).await {
            Ok(destination) => destination,
            Err(refused) => return refused.outcome(),
        };
        let mut change = change(&cx.render(&self.params.params)?)?;
        let appends = appends(&self.params.appends)?;
        let records = match &change.values {
            Value::Array(records, _) => Some(records.items().to_vec()),
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
                let key = destination.collection.target_key().zip(created.first());
                let key = key.map(|(key, record)| record.member(&key)).unwrap_or_default();
                if single && !key.is_truthy() {
                    return Err(Thrown::error("NocoBase has not told the key of the record that it created"));
                }
                destination.read(&appended(&destination.collection, key, single, appends)).await
            }));
        }
        let session = destination.begin(cx).await?;
        let db = destination.database(&session);
        match write(&destination.writer(&db), &destination.collection, change, records, single, appends).await
        {
            Ok(created) => {
                session.end().await?;
                Ok(resolved(created))
            }
            Err(thrown) => Err(destination.told(thrown).await),
        }
    }
}

/// Creates the records, and reads what is appended.
async fn write(
    writer: &Writer<'_, Executor<'_>>,
    collection: &Arc<Collection>,
    mut change: Change,
    records: Vec<Value>,
    single: bool,
    appends: Vec<String>,
) -> Result<Value, Thrown> {
    let (mut created, mut key) = (Vec::new(), Value::Undefined);
    for values in records {
        change.values = values;
        let instance = writer.create(collection, &change).await?;
        key = collection.target_key().map(|key| instance.raw(&key)).unwrap_or_default();
        created.push(instance.to_value(writer.codec));
    }
    if appends.is_empty() {
        return Ok(together(created, single));
    }
    let find = appended(collection, key, single, appends);
    let found = writer.reader().find(collection, &find).await?;
    Ok(found.first().map_or(Value::Null, |record| record.to_value()))
}

/// One record by itself, several as an array.
fn together(mut created: Vec<Value>, single: bool) -> Value {
    if single { created.pop().unwrap_or_default() } else { Value::array(created) }
}

/// What is read once more, with what is appended. Several records have no key together: NocoBase then reads the
/// first record of the collection.
fn appended(collection: &Collection, key: Value, single: bool, appends: Vec<String>) -> Find {
    let filter = match collection.target_key().filter(|_| single) {
        Some(name) => Value::object([(name, key)]),
        None => Value::Undefined,
    };
    Find { filter, appends, limit: Some(1), ..Find::default() }
}

impl NodeType for Create {
    const TYPE: &'static str = "create";
    const ABOUT: &'static str = "Creates a record, or several.";
    const SAMPLE: Option<&'static Sample> = Some(BOOKS);
    const CHANGES_DATA: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Creates a record from the payload and returns it",
                config: r#"{"collection": "books", "params": {"values": {"title": "{{$context.body.title}}", "price": "{{$context.body.price}}", "stock": 1}}}"#,
                context: r#"{"body": {"title": "Persuasion", "price": 7.25}}"#,
                status: RESOLVED,
                result: r#"{"id":4,"title":"Persuasion","price":7.25,"stock":1}"#,
            },
            Example {
                about: "Says that there is no such collection",
                config: r#"{"collection": "no_such_collection", "params": {"values": {"title": "A"}}}"#,
                context: "{}",
                status: ERROR,
                result: r#"{"message":"Cannot destructure property 'repository' of 'dataSource.collectionManager.getCollection(...)' as it is undefined."}"#,
            },
        ]
    }
}
