//! Workflows for tests, written as trees of nodes.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use sidehook::store::workflow::{NewNode, NewWorkflow};

/// A node with what follows it inside its branches.
#[derive(Clone, Debug)]
pub struct Node {
    pub key: String,
    pub type_name: String,
    pub config: Value,
    pub branches: Vec<(i32, Vec<Node>)>,
}

/// A node without branches.
pub fn node(key: &str, type_name: &str, config: Value) -> Node {
    Node { key: key.to_owned(), type_name: type_name.to_owned(), config, branches: Vec::new() }
}

impl Node {
    pub fn branch(mut self, index: i32, nodes: Vec<Node>) -> Self {
        self.branches.push((index, nodes));
        self
    }
}

/// Ids of the size that NocoBase gives out, each once.
pub fn next_id() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(399_000_000_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A workflow of a main line of nodes.
pub fn workflow(key: &str, is_sync: bool, trigger: &Value, nodes: &[Node]) -> NewWorkflow {
    let mut rows = Vec::new();
    add_line(nodes, None, None, &mut rows);
    NewWorkflow {
        id: next_id(),
        key: key.to_owned(),
        title: key.to_owned(),
        description: None,
        is_enabled: true,
        is_sync,
        config: trigger.to_string(),
        options: json!({"timeout": 0}).to_string(),
        nodes: rows,
    }
}

/// Adds a line of nodes; its first one hangs below `owner` on a branch, or below nothing.
fn add_line(nodes: &[Node], owner: Option<i64>, branch_index: Option<i32>, rows: &mut Vec<NewNode>) {
    let ids: Vec<i64> = nodes.iter().map(|_| next_id()).collect();
    for (i, node) in nodes.iter().enumerate() {
        rows.push(NewNode {
            id: ids[i],
            key: node.key.clone(),
            title: node.key.clone(),
            type_name: node.type_name.clone(),
            config: node.config.to_string(),
            upstream_id: if i == 0 { owner } else { Some(ids[i - 1]) },
            branch_index: if i == 0 { branch_index } else { None },
            downstream_id: ids.get(i + 1).copied(),
        });
    }
    for (node, id) in nodes.iter().zip(&ids) {
        for (index, branch) in &node.branches {
            add_line(branch, Some(*id), Some(*index), rows);
        }
    }
}
