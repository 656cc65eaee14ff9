//! The one list of node types. To add a type: write its file, declare the module in `node/mod.rs`, add its
//! line here.

use std::sync::Arc;

use super::{Node, NodeType};
use crate::expr::json;

/// All node types, by name.
pub const NODES: &[Kind] = &[
    Kind::of::<super::aggregate::Aggregate>(),
    Kind::of::<super::calculation::Calculation>(),
    Kind::of::<super::condition::Condition>(),
    Kind::of::<super::create::Create>(),
    Kind::of::<super::date_calculation::DateCalculation>(),
    Kind::of::<super::delay::Delay>(),
    Kind::of::<super::destroy::Destroy>(),
    Kind::of::<super::dynamic_calculation::DynamicCalculation>(),
    Kind::of::<super::end::End>(),
    Kind::of::<super::json_query::JsonQuery>(),
    Kind::of::<super::json_variable_mapping::JsonVariableMapping>(),
    Kind::of::<super::loop_::Loop>(),
    Kind::of::<super::mailer::Mailer>(),
    Kind::of::<super::multi_conditions::MultiConditions>(),
    Kind::of::<super::notification::Notification>(),
    Kind::of::<super::output::Output>(),
    Kind::of::<super::parallel::Parallel>(),
    Kind::of::<super::query::Query>(),
    Kind::of::<super::request::Request>(),
    Kind::of::<super::response::Response>(),
    Kind::of::<super::response_message::ResponseMessage>(),
    Kind::of::<super::script::ScriptNode>(),
    Kind::of::<super::sql::Sql>(),
    Kind::of::<super::subflow::Subflow>(),
    Kind::of::<super::transaction::Transaction>(),
    Kind::of::<super::update::Update>(),
    Kind::of::<super::variable::Variable>(),
];

/// The kind of node that `flow_nodes.type` names.
pub fn find(type_name: &str) -> Option<&'static Kind> {
    NODES.iter().find(|kind| kind.type_name == type_name)
}

/// A node type with its Rust type erased.
pub struct Kind {
    pub type_name: &'static str,
    /// What the node does, in a sentence.
    pub about: &'static str,
    pub has_outside_effects: bool,
    pub sample: Option<&'static Sample>,
    pub changes_data: bool,
    pub answers: bool,
    pub examples: fn() -> Vec<Example>,
    decode: fn(&str) -> Result<Arc<dyn Node>, serde_json::Error>,
}

impl Kind {
    const fn of<N: NodeType>() -> Self {
        Self {
            type_name: N::TYPE,
            about: N::ABOUT,
            has_outside_effects: N::HAS_OUTSIDE_EFFECTS,
            sample: N::SAMPLE,
            changes_data: N::CHANGES_DATA,
            answers: N::ANSWERS,
            examples: N::examples,
            decode: |config| Ok(Arc::new(serde_json::from_str::<N>(config)?)),
        }
    }

    /// Whether running such a node changes anything but the rows of its execution.
    pub fn changes_anything(&self) -> bool {
        self.has_outside_effects || self.changes_data
    }

    /// A node from the text of `flow_nodes.config`. A config that is no object counts as an empty one.
    pub fn configure(&self, config: &str) -> Result<Arc<dyn Node>, serde_json::Error> {
        let value = json::parse(config.as_bytes())?;
        match value.as_object() {
            // Written anew, because of equal keys the last one counts and serde refuses them.
            Some(_) => (self.decode)(&json::stringify_or_null(&value)),
            None => (self.decode)("{}"),
        }
    }
}

/// A configuration with what it records, for `sidehook nodes` and its own test: a workflow of just this
/// node, run with the context `context`, leaves a job with this status and this result.
pub struct Example {
    pub about: &'static str,
    /// JSON.
    pub config: &'static str,
    /// JSON.
    pub context: &'static str,
    pub status: i32,
    /// JSON; empty for an undefined result, which is recorded as NULL.
    pub result: &'static str,
}

/// A collection with records; each example of a node type finds it as it is here.
pub struct Sample {
    /// JSON: a payload of NocoBase's `collections:create`.
    pub collection: &'static str,
    /// JSON: an array of records.
    pub records: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_type_has_an_example() {
        for pair in NODES.windows(2) {
            assert!(pair[0].type_name < pair[1].type_name, "{} is out of place", pair[1].type_name);
        }
        for kind in NODES {
            assert!(!(kind.examples)().is_empty(), "{} has no example", kind.type_name);
        }
    }

    #[test]
    fn any_config_makes_a_node() {
        let odd = ["null", "[]", "5", "\"x\"", "{}", r#"{"conditions":5,"target":{},"value":null}"#];
        for kind in NODES {
            for config in odd {
                assert!(kind.configure(config).is_ok(), "{} refuses {config}", kind.type_name);
            }
        }
    }
}
