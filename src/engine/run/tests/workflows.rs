//! Workflows that are made up at random.

use std::sync::Arc;

use entity::{JsonText, flow_node};
use proptest::prelude::*;

use super::super::graph::Graph;
use super::super::workflow::{Options, Workflow};

/// Rounds of a loop at most.
pub(super) const MAX_ROUNDS: u8 = 4;

/// A node of a made-up workflow, with its branches.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Value,
    Output,
    /// A node that throws.
    Throw,
    /// A condition that fails the line that it is on.
    Reject,
    /// Work in the background, which fails or not by the id of its node.
    Work,
    Delay(u8),
    End(i32),
    Condition(bool, Vec<Piece>, Vec<Piece>),
    Conditions(u8, bool, Vec<Vec<Piece>>),
    Parallel(&'static str, Vec<Vec<Piece>>),
    Loop(u8, u8, Vec<Piece>),
}

pub(super) fn line() -> impl Strategy<Value = Vec<Piece>> {
    let leaf = prop_oneof![
        4 => Just(Piece::Value),
        1 => Just(Piece::Output),
        1 => Just(Piece::Throw),
        1 => Just(Piece::Reject),
        3 => Just(Piece::Work),
        2 => (1..5_u8).prop_map(Piece::Delay),
        1 => prop_oneof![Just(1), Just(-1)].prop_map(Piece::End),
    ];
    let piece = leaf.prop_recursive(3, 24, 3, |inner| {
        let line = prop::collection::vec(inner, 0..4);
        let lines = prop::collection::vec(line.clone(), 1..4);
        let mode = prop_oneof![Just("all"), Just("any"), Just("race"), Just("allSettled")];
        prop_oneof![
            1 => (any::<bool>(), line.clone(), line.clone())
                .prop_map(|(truth, yes, no)| Piece::Condition(truth, yes, no)),
            1 => (0..4_u8, any::<bool>(), lines.clone())
                .prop_map(|(meant, goes_on, lines)| Piece::Conditions(meant, goes_on, lines)),
            3 => (mode, lines).prop_map(|(mode, lines)| Piece::Parallel(mode, lines)),
            3 => (0..=MAX_ROUNDS, 0..3_u8, line).prop_map(|(rounds, exit, line)| Piece::Loop(rounds, exit, line)),
        ]
    });
    prop::collection::vec(piece, 1..5)
}

/// A line of nodes in a branch, by its `branchIndex`.
type Branch<'a> = (i32, &'a Vec<Piece>);

/// The type of a node, its configuration and its branches.
fn node_of(piece: &Piece, id: i64) -> (&'static str, String, Vec<Branch<'_>>) {
    let truth = |truth: bool| {
        let right = if truth { 1 } else { 2 };
        format!(r#"{{"calculator":"equal","operands":[1,{right}]}}"#)
    };
    match piece {
        Piece::Value => ("variable", format!(r#"{{"value":"{id}"}}"#), vec![]),
        Piece::Output => ("output", format!(r#"{{"value":{id}}}"#), vec![]),
        Piece::Throw => ("variable", r#"{"value":1,"target":"nobody"}"#.to_owned(), vec![]),
        Piece::Reject => {
            ("condition", format!(r#"{{"rejectOnFalse":true,"calculation":{}}}"#, truth(false)), vec![])
        }
        Piece::Work => ("script", r#"{"content":"return 1"}"#.to_owned(), vec![]),
        Piece::Delay(time) => ("delay", format!(r#"{{"duration":{time},"unit":10,"endStatus":1}}"#), vec![]),
        Piece::End(status) => ("end", format!(r#"{{"endStatus":{status}}}"#), vec![]),
        Piece::Condition(holds, yes, no) => {
            ("condition", format!(r#"{{"calculation":{}}}"#, truth(*holds)), vec![(1, yes), (0, no)])
        }
        Piece::Conditions(meant, goes_on, lines) => {
            let conditions: Vec<String> = (1..lines.len().max(2) as u8)
                .map(|i| format!(r#"{{"calculation":{}}}"#, truth(i == *meant)))
                .collect();
            let config =
                format!(r#"{{"continueOnNoMatch":{goes_on},"conditions":[{}]}}"#, conditions.join(","));
            ("multi-conditions", config, (0..).zip(lines).collect())
        }
        Piece::Parallel(mode, lines) => {
            ("parallel", format!(r#"{{"mode":"{mode}"}}"#), (1..).zip(lines).collect())
        }
        Piece::Loop(rounds, exit, line) => {
            ("loop", format!(r#"{{"target":{rounds},"exit":{exit}}}"#), vec![(0, line)])
        }
    }
}

/// Adds the nodes of a line to the rows of a workflow.
pub(super) fn lay(line: &[Piece], owner: Option<(i64, i32)>, rows: &mut Vec<flow_node::Model>) {
    let mut before: Option<usize> = None;
    for piece in line {
        let place = rows.len();
        let id = 10 + place as i64;
        let (kind, config, branches) = node_of(piece, id);
        let (upstream_id, branch_index) = match (before, owner) {
            (Some(before), _) => (Some(rows[before].id), None),
            (None, Some((owner, branch))) => (Some(owner), Some(branch)),
            (None, None) => (None, None),
        };
        rows.push(flow_node::Model {
            id,
            key: Some(format!("n{id}")),
            title: None,
            upstream_id,
            branch_index,
            downstream_id: None,
            r#type: Some(kind.to_owned()),
            config: Some(JsonText(config)),
            workflow_id: Some(1),
        });
        if let Some(before) = before {
            rows[before].downstream_id = Some(id);
        }
        for (branch, line) in branches {
            lay(line, Some((id, branch)), rows);
        }
        before = Some(place);
    }
}

pub(super) fn workflow(line: &[Piece], is_sync: bool) -> Arc<Workflow> {
    let mut rows = Vec::new();
    lay(line, None, &mut rows);
    let (key, title, options) = ("w".to_owned(), String::new(), Options::default());
    Arc::new(Workflow { id: 1, key, title, is_sync, is_called: false, options, graph: Graph::build(&rows) })
}

/// The same line with nothing in it that fails by itself.
pub(super) fn sound(line: &[Piece]) -> Vec<Piece> {
    let lines = |lines: &[Vec<Piece>]| lines.iter().map(|line| sound(line)).collect();
    let piece = |piece: &Piece| match piece {
        Piece::Throw | Piece::Reject | Piece::End(-1) => Piece::Value,
        Piece::Condition(holds, yes, no) => Piece::Condition(*holds, sound(yes), sound(no)),
        Piece::Conditions(meant, _, inner) => Piece::Conditions(*meant, true, lines(inner)),
        // Without any branch it fails.
        Piece::Parallel(_, inner) if inner.iter().all(Vec::is_empty) => Piece::Value,
        Piece::Parallel(mode, inner) => Piece::Parallel(mode, lines(inner)),
        Piece::Loop(rounds, exit, inner) => Piece::Loop(*rounds, *exit, sound(inner)),
        other => other.clone(),
    };
    line.iter().map(piece).collect()
}
