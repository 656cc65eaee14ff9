//! Deletes the records that a filter finds (`DestroyInstruction.ts`).

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
pub struct Destroy {
    /// `posts`, or `source:posts`.
    collection: Value,
    /// `{filter}`, rendered.
    params: Template,
}

#[async_trait]
impl Node for Destroy {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let destination = match Destination::open(cx, &self.collection, &UNCHECKED).await {
            Ok(destination) => destination,
            Err(refused) => return refused.outcome(),
        };
        let change = change(&cx.render(&self.params)?)?;
        if let Some(api) = cx.services().data_api.clone() {
            return Ok(outcome(async move { destination.destroy_by_api(&api, &change).await }));
        }
        let session = destination.begin(cx).await?;
        let db = destination.database(&session);
        let count = match destination.writer(&db).destroy(&destination.collection, &change).await {
            Ok(count) => count,
            Err(thrown) => return Err(destination.told(thrown).await),
        };
        session.end().await?;
        // Without a filter nothing is deleted, and nothing is said.
        Ok(resolved(count.map_or(Value::Undefined, |count| Value::Number(count as f64))))
    }
}

impl NodeType for Destroy {
    const TYPE: &'static str = "destroy";
    const ABOUT: &'static str = "Deletes the records that a filter finds.";
    const SAMPLE: Option<&'static Sample> = Some(BOOKS);
    const CHANGES_DATA: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Deletes the records that match and counts them",
                config: r#"{"collection": "books", "params": {"filter": {"stock": 0}}}"#,
                context: r#"{}"#,
                status: RESOLVED,
                result: r#"1"#,
            },
            Example {
                about: "Says that there is no such collection",
                config: r#"{"collection": "no_such_collection", "params": {"filter": {"id": 1}}}"#,
                context: "{}",
                status: ERROR,
                result: r#"{"message":"Cannot destructure property 'repository' of 'this.workflow.app.dataSourceManager.dataSources.get(...).collectionManager.getCollection(...)' as it is undefined."}"#,
            },
        ]
    }
}
