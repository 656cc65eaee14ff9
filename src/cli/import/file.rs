//! A workflow in a file, as `examples/` has them: JSON with the nodes as a tree instead of as rows.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::store::workflow::{NewNode, NewWorkflow};

/// A workflow with a webhook as its trigger. What is not known is refused: a misspelt name would be lost otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct WorkflowFile {
    pub title: String,
    #[serde(default)]
    pub description: Option<String>,
    /// The last part of its URL.
    pub key: String,
    /// Whether the caller waits for the end of the execution.
    #[serde(default)]
    sync: bool,
    /// `workflows.options`: `timeout`, `stackLimit`, `deleteExecutionOnStatus`.
    #[serde(default)]
    options: Map<String, Value>,
    /// `workflows.config`: the trigger.
    config: Map<String, Value>,
    /// The nodes of the main line, in their order.
    nodes: Vec<Node>,
    /// Payloads of `collections:create`, for the collections that the nodes work on.
    #[serde(default)]
    pub collections: Vec<Map<String, Value>>,
    /// Lines for a shell that send an event to `http://127.0.0.1:13080`, and what is answered.
    #[serde(default, rename = "try")]
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Attempt {
    pub run: String,
    /// The status of the answer.
    pub status: u16,
    /// Its body, where that is always the same; for those who read the file.
    #[serde(default, rename = "body")]
    _body: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    key: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    config: Map<String, Value>,
    /// The nodes inside of it, by the number of their branch: 1 and 0 below a condition.
    #[serde(default)]
    branches: BTreeMap<i32, Vec<Node>>,
}

impl WorkflowFile {
    /// Reads a file's text; what is wrong with it is said with its line.
    pub(in crate::cli) fn parse(text: &str) -> anyhow::Result<Self> {
        // Editors of Windows put a mark of the byte order in front.
        let text = text.trim_start_matches('\u{feff}');
        let file: Self = serde_json::from_str(text).context("it is no workflow as examples/ has them")?;
        ensure!(!file.key.trim().is_empty(), "its \"key\" is empty: it is the last part of the URL");
        let mut seen = HashSet::new();
        let mut left: Vec<&Node> = file.nodes.iter().collect();
        while let Some(node) = left.pop() {
            ensure!(!node.key.is_empty(), "a node of the type {} has no \"key\"", node.type_name);
            ensure!(seen.insert(&node.key), "two nodes have the key {}: give each its own", node.key);
            left.extend(node.branches.values().flatten());
        }
        Ok(file)
    }

    /// How many nodes there are, and their types.
    pub(in crate::cli) fn types(&self) -> Vec<&str> {
        let mut types = Vec::new();
        let mut left: Vec<&Node> = self.nodes.iter().collect();
        while let Some(node) = left.pop() {
            types.push(&*node.type_name);
            left.extend(node.branches.values().flatten());
        }
        types
    }

    /// The rows, under a key that may be another one. `next_id` gives out ids that no workflow and no node has.
    pub(in crate::cli) fn rows(
        &self,
        key: &str,
        is_enabled: bool,
        mut next_id: impl FnMut() -> i64,
    ) -> NewWorkflow {
        let mut options = self.options.clone();
        options.entry("timeout").or_insert(Value::from(0));
        let id = next_id();
        let mut nodes = Vec::new();
        add_line(&self.nodes, None, None, &mut next_id, &mut nodes);
        NewWorkflow {
            id,
            key: key.to_owned(),
            title: self.title.clone(),
            description: self.description.clone(),
            is_enabled,
            is_sync: self.sync,
            config: Value::from(self.config.clone()).to_string(),
            options: Value::from(options).to_string(),
            nodes,
        }
    }
}

/// Adds a line of nodes; its first one hangs below `owner`, on a branch, or is the first of the workflow.
fn add_line(
    line: &[Node],
    owner: Option<i64>,
    branch_index: Option<i32>,
    next_id: &mut impl FnMut() -> i64,
    rows: &mut Vec<NewNode>,
) {
    let ids: Vec<i64> = line.iter().map(|_| next_id()).collect();
    for (i, node) in line.iter().enumerate() {
        let is_first = i == 0;
        rows.push(NewNode {
            id: ids[i],
            key: node.key.clone(),
            title: node.title.clone().unwrap_or_else(|| node.key.clone()),
            type_name: node.type_name.clone(),
            config: Value::from(node.config.clone()).to_string(),
            upstream_id: if is_first { owner } else { Some(ids[i - 1]) },
            branch_index: branch_index.filter(|_| is_first),
            downstream_id: ids.get(i + 1).copied(),
        });
    }
    for (node, id) in line.iter().zip(ids) {
        for (index, branch) in &node.branches {
            add_line(branch, Some(id), Some(*index), next_id, rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"{"title": "T", "key": "t", "config": {}, "nodes": [
        {"key": "a", "type": "condition", "branches": {"0": [{"key": "b", "type": "end"}], "1": []}},
        {"key": "c", "type": "variable", "title": "C", "config": {"value": 1.0}}]}"#;

    #[test]
    fn a_tree_becomes_rows_that_refer_to_each_other() {
        let file = WorkflowFile::parse(TREE).unwrap_or_else(|err| panic!("{err:#}"));
        let mut id = 0;
        let workflow = file.rows("other", false, || {
            id += 1;
            id
        });
        let links: Vec<_> = workflow
            .nodes
            .iter()
            .map(|node| (&*node.key, node.id, node.upstream_id, node.branch_index, node.downstream_id))
            .collect();
        assert_eq!(
            links,
            [("a", 2, None, None, Some(3)), ("c", 3, Some(2), None, None), ("b", 4, Some(2), Some(0), None)]
        );
        assert_eq!((workflow.id, &*workflow.key, workflow.is_enabled), (1, "other", false));
        assert_eq!(workflow.options, r#"{"timeout":0}"#);
        assert_eq!(workflow.nodes[1].title, "C");
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let parse = |text: &str| WorkflowFile::parse(text).map(drop).map_err(|err| format!("{err:#}"));
        assert!(parse(&format!("\u{feff}{TREE}")).is_ok());
        for (text, said) in [
            (TREE.replace(r#""key": "c""#, r#""key": "a""#), "two nodes have the key a"),
            (TREE.replace(r#""key": "b""#, r#""key": """#), "a node of the type end has no \"key\""),
            (TREE.replace(r#""key": "t""#, r#""key": " ""#), "its \"key\" is empty"),
            (TREE.replace(r#""title": "C""#, r#""titel": "C""#), "unknown field `titel`"),
            ("[]".to_owned(), "it is no workflow"),
        ] {
            let refused = parse(&text).expect_err(&text);
            assert!(refused.contains(said), "{refused}");
        }
    }
}
