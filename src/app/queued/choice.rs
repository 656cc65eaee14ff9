//! Of which workflows executions are run here that NocoBase has queued, and why not of the others.

use std::collections::BTreeSet;
use std::fmt;

use crate::config::Workflows;
use crate::node;
use crate::store::catalog::Definition;

/// The types of triggers that queue what they start, unless the workflow is synchronous.
const QUEUEING: [&str; 5] = ["action", "collection", "custom-action", "schedule", "webhook"];
/// The type of triggers that run their workflows within the request, whatever the workflow says.
const INTERCEPTION: &str = "request-interception";
/// The types of triggers that a change of a record by NocoBase's API may start.
const STARTED_BY_WRITES: [&str; 2] = ["action", "collection"];
/// The node types that make such changes.
const WRITING: [&str; 3] = ["create", "destroy", "update"];

/// A workflow, as far as this depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: i64,
    pub key: String,
    pub title: String,
    /// That of its trigger.
    pub type_name: String,
    pub is_sync: bool,
    node_types: BTreeSet<String>,
}

/// What it depends on besides.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    pub chosen: &'a Workflows,
    /// Whether nodes that sidehook does not run are left to NocoBase.
    pub hands_over: bool,
    /// Whether data nodes write by NocoBase's API.
    pub writes_by_api: bool,
}

/// Why NocoBase has to run a workflow itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    NotChosen,
    Synchronous,
    UnknownTrigger(String),
    StartsItself,
    UnknownNode(String),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChosen => f.write_str("SIDEHOOK_WORKFLOWS does not name it"),
            Self::Synchronous => f.write_str("it is synchronous: NocoBase runs it within what starts it"),
            Self::UnknownTrigger(type_name) => write!(
                f,
                "whether a trigger of the type {type_name:?} leaves its executions in the queue is not known; \
                 where it does, name the type in SIDEHOOK_WORKFLOWS"
            ),
            Self::StartsItself => f.write_str(
                "with SIDEHOOK_DATA_WRITES=api its data nodes might start it again without end, which only \
                 NocoBase notices",
            ),
            Self::UnknownNode(type_name) => write!(
                f,
                "sidehook does not run nodes of the type {type_name:?}, and cannot hand them over: that takes its \
                 plugin in NocoBase or SIDEHOOK_NOCOBASE_URL, and a WORKER_MODE that lets NocoBase run them"
            ),
        }
    }
}

impl Candidate {
    pub fn build(definition: &Definition) -> Self {
        let workflow = &definition.workflow;
        Self {
            id: workflow.id,
            key: workflow.key.clone().unwrap_or_default(),
            title: workflow.title.clone().unwrap_or_default(),
            type_name: workflow.r#type.clone().unwrap_or_default(),
            is_sync: workflow.sync == Some(true),
            node_types: definition.nodes.iter().filter_map(|node| node.r#type.clone()).collect(),
        }
    }

    /// Whether its executions are run here.
    pub fn choose(&self, now: Circumstances<'_>) -> Result<(), Left> {
        let is_named = now.chosen.names(&self.type_name, &self.key);
        if !is_named && *now.chosen != Workflows::All {
            return Err(Left::NotChosen);
        }
        if self.is_sync || self.type_name == INTERCEPTION {
            return Err(Left::Synchronous);
        }
        if !is_named && !QUEUEING.contains(&&*self.type_name) {
            return Err(Left::UnknownTrigger(self.type_name.clone()));
        }
        let writes = WRITING.iter().any(|type_name| self.node_types.contains(*type_name));
        if now.writes_by_api && writes && STARTED_BY_WRITES.contains(&&*self.type_name) {
            return Err(Left::StartsItself);
        }
        let unknown = self.node_types.iter().find(|type_name| node::find(type_name).is_none());
        match unknown {
            Some(type_name) if !now.hands_over => Err(Left::UnknownNode(type_name.clone())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Circumstances<'static> =
        Circumstances { chosen: &Workflows::All, hands_over: true, writes_by_api: false };

    fn candidate(type_name: &str, nodes: &[&str]) -> Candidate {
        Candidate {
            id: 1,
            key: "k".to_owned(),
            title: String::new(),
            type_name: type_name.to_owned(),
            is_sync: false,
            node_types: nodes.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn all_are_those_that_are_known_to_queue() {
        for type_name in QUEUEING {
            let asynchronous = candidate(type_name, &["create", "manual"]);
            assert_eq!(asynchronous.choose(ALL), Ok(()), "{type_name}");
            let synchronous = Candidate { is_sync: true, ..asynchronous };
            assert_eq!(synchronous.choose(ALL), Err(Left::Synchronous), "{type_name}");
        }
        assert_eq!(candidate(INTERCEPTION, &[]).choose(ALL), Err(Left::Synchronous));
        assert_eq!(candidate("approval", &[]).choose(ALL), Err(Left::UnknownTrigger("approval".to_owned())));
    }

    #[test]
    fn a_list_chooses_by_type_or_key() {
        let choose = |names: &[&str], candidate: &Candidate| {
            let chosen = Workflows::These(names.iter().map(|name| (*name).to_owned()).collect());
            candidate.choose(Circumstances { chosen: &chosen, ..ALL })
        };
        let approval = candidate("approval", &[]);
        assert_eq!(choose(&["collection"], &approval), Err(Left::NotChosen));
        assert_eq!(choose(&["approval"], &approval), Ok(()), "who names it knows that it queues");
        assert_eq!(choose(&["x", "k"], &approval), Ok(()));
        assert_eq!(choose(&["k"], &candidate(INTERCEPTION, &[])), Err(Left::Synchronous));
    }

    #[test]
    fn what_could_not_be_run_to_its_end_is_left() {
        let manual = candidate("collection", &["condition", "manual"]);
        let alone = Circumstances { hands_over: false, ..ALL };
        assert_eq!(manual.choose(alone), Err(Left::UnknownNode("manual".to_owned())));
        assert_eq!(candidate("collection", &["condition"]).choose(alone), Ok(()));
    }

    #[test]
    fn what_its_own_writes_might_start_is_left() {
        let by_api = Circumstances { writes_by_api: true, ..ALL };
        assert_eq!(candidate("collection", &["update"]).choose(by_api), Err(Left::StartsItself));
        assert_eq!(candidate("action", &["create"]).choose(by_api), Err(Left::StartsItself));
        assert_eq!(candidate("collection", &["query"]).choose(by_api), Ok(()));
        assert_eq!(candidate("schedule", &["create"]).choose(by_api), Ok(()));
        assert_eq!(candidate("collection", &["update"]).choose(ALL), Ok(()));
    }
}
