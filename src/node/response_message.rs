//! Adds a message to the answer of the request that triggered the workflow. A webhook has no such request:
//! the message is not even rendered and the result is null (`ResponseMessageInstruction.ts`).

use async_trait::async_trait;
use entity::status::job::RESOLVED;
use serde::Deserialize;

use super::{Context, Example, Node, NodeType, Outcome, resolved};
use crate::expr::{Thrown, Value};

#[derive(Default, Deserialize)]
pub struct ResponseMessage {}

#[async_trait]
impl Node for ResponseMessage {
    async fn run(&self, _cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        Ok(resolved(Value::Null))
    }
}

impl NodeType for ResponseMessage {
    const TYPE: &'static str = "response-message";
    const ABOUT: &'static str = "Adds a message to those that the caller of the workflow is shown.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Does nothing in a webhook workflow",
            config: r#"{"message": "Hello"}"#,
            context: "{}",
            status: RESOLVED,
            result: "null",
        }]
    }
}
