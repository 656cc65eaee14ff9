//! Changes the records that a filter finds (`UpdateInstruction.ts`).

use async_trait::async_trait;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use super::data_source::BOOKS;
use super::record::api::outcome;
use super::record::{Destination, UNCHECKED, change};
use super::{Context, Example, Node, NodeType, Outcome, Sample, resolved};
use crate::expr::{Template, Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Update {
    /// `posts`, or `source:posts`.
    collection: Value,
    /// `{filter, values, individualHooks, updateAssociationValues, …}`, rendered.
    params: Template,
}

#[async_trait]
impl Node for Update {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let destination = match Destination::open(cx, &self.collection, &UNCHECKED).await {
            Ok(destination) => destination,
            Err(refused) => return refused.outcome(),
        };
        let change = change(&cx.render(&self.params)?)?;
        if let Some(api) = cx.services().data_api.clone() {
            return Ok(outcome(async move { destination.update_by_api(&api, &change).await }));
        }
        let session = destination.begin(cx).await?;
        let db = destination.database(&session);
        let count = match destination.writer(&db).update(&destination.collection, &change).await {
            Ok(count) => count,
            Err(thrown) => return Err(destination.told(thrown).await),
        };
        session.end().await?;
        Ok(resolved(Value::Number(count as f64)))
    }
}

impl NodeType for Update {
    const TYPE: &'static str = "update";
    const ABOUT: &'static str = "Changes the records that a filter finds.";
    const SAMPLE: Option<&'static Sample> = Some(BOOKS);
    const CHANGES_DATA: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Changes the records that match and counts them",
                config: r#"{"collection": "books", "params": {"filter": {"price": {"$gt": "{{$context.body.above}}"}}, "values": {"stock": 0}}}"#,
                context: r#"{"body": {"above": 9}}"#,
                status: RESOLVED,
                result: r#"2"#,
            },
            Example {
                about: "Says that there is no such data source",
                config: r#"{"collection": "no_such_source:posts", "params": {"values": {"title": "A"}}}"#,
                context: "{}",
                status: ERROR,
                result: r#"{"message":"Cannot read properties of undefined (reading 'collectionManager')"}"#,
            },
        ]
    }
}
