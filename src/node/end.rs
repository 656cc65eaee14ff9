//! Ends the whole execution, however deep in branches (`EndInstruction.ts`).
//!
//! Differs from NocoBase where that would leave the execution started for ever: an end status of 0 or of
//! another kind than number is an error.

use async_trait::async_trait;
use entity::status::job::{FAILED, PENDING, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome};
use crate::expr::{Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct End {
    /// 1 (the default) or -1.
    end_status: Value,
}

#[async_trait]
impl Node for End {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let status = match &self.end_status {
            Value::Undefined => RESOLVED,
            Value::Number(number) => *number as i32,
            _ => PENDING,
        };
        if status == PENDING {
            return Err(Thrown::error("The end status must be 1 (resolved) or -1 (failed)"));
        }
        let upstream = cx.input();
        cx.save(Draft { status, upstream, ..Draft::default() });
        Ok(Outcome::Exit(status))
    }
}

impl NodeType for End {
    const TYPE: &'static str = "end";
    const ABOUT: &'static str = "Ends the execution as resolved or failed.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Ends the execution as failed",
            config: r#"{"endStatus": -1}"#,
            context: "{}",
            status: FAILED,
            result: "",
        }]
    }
}
