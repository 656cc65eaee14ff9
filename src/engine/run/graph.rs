//! The nodes of a workflow version and how they hang together. Built once per version, then only read.

use std::collections::HashMap;
use std::sync::Arc;

use entity::flow_node;

use crate::node::subflow::Subflow;
use crate::node::{self, Node, NodeIndex, NodeType, Unknown};
use crate::script::Library;

/// The nodes of a workflow version.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<GraphNode>,
    by_key: HashMap<String, NodeIndex>,
    by_id: HashMap<i64, NodeIndex>,
    head: Option<NodeIndex>,
    has_unknown: bool,
    changes_nothing: bool,
    calls: bool,
}

/// A node in its place.
pub struct GraphNode {
    pub id: i64,
    pub key: String,
    pub type_name: String,
    pub has_outside_effects: bool,
    /// Whether its job is what a caller is answered.
    pub answers: bool,
    /// Whether sidehook knows the node's type.
    pub is_known: bool,
    pub run: Arc<dyn Node>,
    /// The next node on the same line.
    pub downstream: Option<NodeIndex>,
    /// The node whose branch this node is on.
    pub parent: Option<NodeIndex>,
    /// The first nodes of this node's branches with their `branchIndex`, ascending.
    pub branches: Vec<(i32, NodeIndex)>,
    upstream: Option<NodeIndex>,
    branch_index: Option<i32>,
}

impl Graph {
    /// The JavaScript libraries that nodes need.
    pub fn libraries(&self) -> impl Iterator<Item = Library> {
        self.nodes.iter().filter_map(|node| node.run.library())
    }

    /// Links the nodes up. A node whose type is unknown, or whose config is no JSON, becomes one that
    /// fails with a clear text when it is reached.
    pub fn build(rows: &[flow_node::Model]) -> Self {
        let by_id: HashMap<i64, NodeIndex> =
            rows.iter().enumerate().map(|(i, row)| (row.id, NodeIndex(i))).collect();
        let find = |id: Option<i64>| id.and_then(|id| by_id.get(&id).copied());
        let mut nodes: Vec<GraphNode> = rows
            .iter()
            .map(|row| {
                let type_name = row.r#type.clone().unwrap_or_default();
                let kind = node::find(&type_name);
                GraphNode {
                    id: row.id,
                    key: row.key.clone().unwrap_or_default(),
                    has_outside_effects: kind.is_some_and(|kind| kind.has_outside_effects),
                    answers: kind.is_some_and(|kind| kind.answers),
                    is_known: kind.is_some(),
                    run: configure(row, &type_name),
                    type_name,
                    downstream: find(row.downstream_id),
                    parent: None,
                    branches: Vec::new(),
                    upstream: find(row.upstream_id),
                    branch_index: row.branch_index,
                }
            })
            .collect();
        for (i, parent) in parents(&nodes).into_iter().enumerate() {
            nodes[i].parent = parent;
            if let (Some(upstream), Some(branch_index)) = (nodes[i].upstream, nodes[i].branch_index) {
                nodes[upstream.0].branches.push((branch_index, NodeIndex(i)));
            }
        }
        nodes.iter_mut().for_each(|node| node.branches.sort_by_key(|(index, _)| *index));
        let head = nodes.iter().position(|node| node.upstream.is_none()).map(NodeIndex);
        let by_key =
            nodes.iter().enumerate().rev().map(|(i, node)| (node.key.clone(), NodeIndex(i))).collect();
        let has_unknown = nodes.iter().any(|node| !node.is_known);
        let changes =
            |node: &GraphNode| node::find(&node.type_name).is_none_or(|kind| kind.changes_anything());
        let changes_nothing = !nodes.iter().any(changes);
        let calls = nodes.iter().any(|node| node.type_name == Subflow::TYPE);
        Self { nodes, by_key, by_id, head, has_unknown, changes_nothing, calls }
    }

    /// The first node of the main line: the first one without an upstream.
    pub fn head(&self) -> Option<NodeIndex> {
        self.head
    }

    /// Whether the type of any node is unknown.
    pub fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// Whether a run changes nothing but its own rows.
    pub fn changes_nothing(&self) -> bool {
        self.changes_nothing
    }

    /// Whether a run may call other workflows.
    pub fn calls(&self) -> bool {
        self.calls
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn node(&self, index: NodeIndex) -> &GraphNode {
        &self.nodes[index.0]
    }

    pub fn find(&self, key: &str) -> Option<NodeIndex> {
        self.by_key.get(key).copied()
    }

    /// The node with this `flow_nodes.id`.
    pub fn find_id(&self, id: i64) -> Option<NodeIndex> {
        self.by_id.get(&id).copied()
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &GraphNode)> {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeIndex(i), node))
    }

    /// The nodes from the first of a branch to its last, not those of branches within it.
    pub fn line(&self, start: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        // A line is at most as long as there are nodes; rows that form a circle end there too.
        std::iter::successors(Some(start), |index| self.node(*index).downstream).take(self.nodes.len())
    }

    /// A node and the nodes around it, nearest first.
    pub fn upwards(&self, nearest: Option<NodeIndex>) -> impl Iterator<Item = NodeIndex> {
        std::iter::successors(nearest, |index| self.node(*index).parent).take(self.nodes.len())
    }

    /// The first node of the branch of `parent` that `node` is in, however deep.
    pub fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex> {
        let upstreams = std::iter::successors(Some(node), |index| self.node(*index).upstream);
        upstreams.take(self.nodes.len()).find(|index| self.node(*index).upstream == Some(parent))
    }
}

fn configure(row: &flow_node::Model, type_name: &str) -> Arc<dyn Node> {
    let Some(kind) = node::find(type_name) else {
        return Arc::new(Unknown { type_name: type_name.to_owned() });
    };
    let config = row.config.as_ref().map_or("{}", |config| &config.0);
    kind.configure(config).unwrap_or_else(|err| {
        tracing::warn!(node.id = row.id, reason = %err, "node config cannot be read");
        Arc::new(Unknown { type_name: format!("{type_name} with an unreadable config") })
    })
}

/// Of each node the owner of the first node with a `branchIndex` on the way up, itself included. Every node is
/// looked at a fixed number of times, however long the lines are.
fn parents(nodes: &[GraphNode]) -> Vec<Option<NodeIndex>> {
    let mut known: Vec<Option<Option<NodeIndex>>> = vec![None; nodes.len()];
    for start in 0..nodes.len() {
        let (mut way, mut at) = (Vec::new(), Some(NodeIndex(start)));
        let parent = loop {
            // Rows that form a circle lead nowhere.
            let Some(node) = at.filter(|_| way.len() <= nodes.len()) else { break None };
            if let Some(parent) = known[node.0] {
                break parent;
            }
            way.push(node);
            if nodes[node.0].branch_index.is_some() {
                break nodes[node.0].upstream;
            }
            at = nodes[node.0].upstream;
        };
        way.into_iter().for_each(|node| known[node.0] = Some(parent));
    }
    known.into_iter().map(Option::flatten).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, upstream: i64, branch: Option<i32>, downstream: i64) -> flow_node::Model {
        let id_or_none = |id: i64| (id != 0).then_some(id);
        flow_node::Model {
            id,
            key: Some(format!("n{id}")),
            title: None,
            upstream_id: id_or_none(upstream),
            branch_index: branch,
            downstream_id: id_or_none(downstream),
            r#type: Some("variable".to_owned()),
            config: None,
            workflow_id: Some(1),
        }
    }

    #[test]
    fn branches_hang_below_their_owner() {
        // 1 → 2 (branches: 0 → 5, 1 → 3 → 4) → 6
        let rows = [
            row(1, 0, None, 2),
            row(2, 1, None, 6),
            row(3, 2, Some(1), 4),
            row(4, 3, None, 0),
            row(5, 2, Some(0), 0),
            row(6, 2, None, 0),
        ];
        let graph = Graph::build(&rows);
        let at = |id: i64| graph.find(&format!("n{id}")).expect("known key");
        assert_eq!(graph.head(), Some(at(1)));
        assert_eq!(graph.node(at(2)).branches, [(0, at(5)), (1, at(3))]);
        assert_eq!(graph.node(at(4)).parent, Some(at(2)));
        assert_eq!(graph.node(at(6)).parent, None);
        assert_eq!(graph.branch_of(at(4), at(2)), Some(at(3)));
        assert_eq!(graph.line(at(3)).collect::<Vec<_>>(), [at(3), at(4)]);
    }

    #[test]
    fn rows_in_a_circle_do_not_hang() {
        let rows = [row(1, 2, None, 2), row(2, 1, None, 1)];
        let graph = Graph::build(&rows);
        assert_eq!(graph.head(), None);
        let first = graph.find("n1").expect("known key");
        assert_eq!(graph.line(first).count(), 2);
        assert_eq!(graph.branch_of(first, NodeIndex(7)), None);
    }
}
