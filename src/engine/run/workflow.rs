//! A workflow version, ready to run: its options and its graph.

use chrono::{DateTime, TimeDelta, Utc};
use entity::workflow;

use super::graph::Graph;
use crate::expr::convert::to_number;
use crate::expr::{Value, json};
use crate::store::catalog::Definition;

/// A workflow version, ready to run.
pub struct Workflow {
    pub id: i64,
    pub key: String,
    pub title: String,
    /// Whether a caller waits for the end of the execution.
    pub is_sync: bool,
    /// Whether another execution has called it, and waits for its end.
    pub is_called: bool,
    pub options: Options,
    pub graph: Graph,
}

/// What sidehook heeds of `workflows.options`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Final statuses whose executions are removed.
    pub delete_execution_on_status: Vec<i32>,
    /// How long an execution may take, in milliseconds.
    pub timeout_ms: Option<i64>,
    /// How many executions of the workflow may wait for one of its own that they have called; what is below 1 counts as 1.
    pub stack_limit: i64,
}

impl Workflow {
    pub fn build(definition: &Definition) -> Self {
        let workflow::Model { id, key, title, sync, options, .. } = &definition.workflow;
        Self {
            id: *id,
            key: key.clone().unwrap_or_default(),
            title: title.clone().unwrap_or_default(),
            is_sync: sync.unwrap_or_default(),
            is_called: false,
            options: Options::parse(options.as_ref().map_or("{}", |options| &options.0)),
            graph: Graph::build(&definition.nodes),
        }
    }
}

impl Workflow {
    /// The same for executions that others call: none of them is removed, because the caller looks for it. Triggers that
    /// are synchronous, or not, by themselves are so here, too.
    pub fn build_called(definition: &Definition) -> Self {
        let mut workflow = Self { is_called: true, ..Self::build(definition) };
        workflow.options.delete_execution_on_status.clear();
        workflow.is_sync = match definition.workflow.r#type.as_deref() {
            Some("schedule") => false,
            Some("request-interception") => true,
            _ => workflow.is_sync,
        };
        workflow
    }

    /// When an execution that starts now has to be over.
    pub fn expires_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_add_signed(TimeDelta::try_milliseconds(self.options.timeout_ms?)?)
    }
}

impl Options {
    /// Anything that is no object counts as none: a row inserted by SQL on PostgreSQL gets a JSON string
    /// there, which NocoBase does not heed either.
    fn parse(text: &str) -> Self {
        let options = json::parse(text.as_bytes()).unwrap_or_default();
        let statuses = options.member("deleteExecutionOnStatus");
        let statuses = statuses.as_array().map(|array| array.items()).unwrap_or_default();
        let timeout = to_number(&options.member("timeout")).unwrap_or(f64::NAN);
        Self {
            delete_execution_on_status: statuses
                .iter()
                .filter_map(Value::as_number)
                .map(|status| status as i32)
                .filter(|status| *status != 0)
                .collect(),
            timeout_ms: (timeout > 0.0 && timeout.is_finite()).then_some(timeout as i64),
            stack_limit: to_number(&options.member("stackLimit")).unwrap_or_default() as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_tolerate_whatever_a_row_holds() {
        let parsed =
            Options::parse(r#"{"timeout":"1500","deleteExecutionOnStatus":[1,-1,null,0],"stackLimit":"3"}"#);
        assert_eq!(
            parsed,
            Options { delete_execution_on_status: vec![1, -1], timeout_ms: Some(1500), stack_limit: 3 }
        );
        for odd in [
            "null",
            "5",
            r#""{\"timeout\":5}""#,
            r#"{"timeout":-1}"#,
            "{",
            r#"{"timeout":{}}"#,
            r#"{"stackLimit":"x"}"#,
        ] {
            assert_eq!(Options::parse(odd), Options::default(), "{odd}");
        }
    }
}
