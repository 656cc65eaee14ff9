//! Where a run stands, as it is kept with its lease, so that another instance can go on from there.

use serde::{Deserialize, Serialize};

use super::graph::Graph;
use super::step::Step;
use crate::node::{JobId, NodeIndex};

/// A place in a run, in terms of ids that every instance knows.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// What comes next; none when the run waits for something.
    next: Option<Next>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<CallAt>,
    /// Jobs that were saved after newer ones of their nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resumed: Vec<i64>,
    /// Whether the execution has yet to be counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncounted: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Next {
    Run { node: i64, input: Option<i64> },
    Resume { node: i64, job: i64 },
    Finish { status: i32 },
    Unwind,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct CallAt {
    node: i64,
    next: Option<(usize, i64)>,
}

/// A node that has called into a branch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub node: NodeIndex,
    /// The branch to enter next, with the job before it, for a node that enters all of its branches.
    pub next: Option<(usize, JobId)>,
}

impl Position {
    /// `step` is what comes next; none when the run waits. `resumed` are the jobs that were saved after newer ones of
    /// their nodes: work that a loop had left behind and that has ended since.
    pub(crate) fn new(graph: &Graph, step: Option<Step>, calls: &[Call], resumed: &[JobId]) -> Self {
        let id = |node: NodeIndex| graph.node(node).id;
        let next = step.map(|step| match step {
            Step::Run { node, input } => Next::Run { node: id(node), input: input.map(|job| job.0) },
            Step::Resume { node, branch_job } => Next::Resume { node: id(node), job: branch_job.0 },
            Step::Finish { status } => Next::Finish { status },
            Step::Unwind => Next::Unwind,
        });
        let call = |call: &Call| CallAt { node: id(call.node), next: call.next.map(|(i, job)| (i, job.0)) };
        let resumed = resumed.iter().map(|job| job.0).collect();
        Self { next, calls: calls.iter().map(call).collect(), resumed, uncounted: false }
    }

    /// Where a node, by its `flow_nodes.id`, resumes with its own job.
    pub(crate) fn resuming(node: i64, job: JobId) -> Self {
        Self { next: Some(Next::Resume { node, job: job.0 }), ..Self::default() }
    }

    /// JSON.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A position from its JSON; `None` for one that cannot be read.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The jobs that it names.
    pub(crate) fn jobs(&self) -> Vec<i64> {
        let next = match self.next {
            Some(Next::Run { input, .. }) => input,
            Some(Next::Resume { job, .. }) => Some(job),
            Some(Next::Finish { .. } | Next::Unwind) | None => None,
        };
        let calls = self.calls.iter().filter_map(|call| call.next).map(|(_, job)| job);
        next.into_iter().chain(calls).chain(self.resumed.iter().copied()).collect()
    }

    /// What comes next, the calls and the resumed jobs, see [`Position::new`]; `None` where a node is not in the graph.
    pub(crate) fn find(&self, graph: &Graph) -> Option<(Option<Step>, Vec<Call>, Vec<JobId>)> {
        let step = match self.next {
            None => None,
            Some(Next::Run { node, input }) => {
                Some(Step::Run { node: graph.find_id(node)?, input: input.map(JobId) })
            }
            Some(Next::Resume { node, job }) => {
                Some(Step::Resume { node: graph.find_id(node)?, branch_job: JobId(job) })
            }
            Some(Next::Finish { status }) => Some(Step::Finish { status }),
            Some(Next::Unwind) => Some(Step::Unwind),
        };
        let call = |call: &CallAt| {
            Some(Call { node: graph.find_id(call.node)?, next: call.next.map(|(i, job)| (i, JobId(job))) })
        };
        let calls = self.calls.iter().map(call).collect::<Option<_>>()?;
        Some((step, calls, self.resumed.iter().copied().map(JobId).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let row = |id: i64| entity::flow_node::Model {
            id,
            key: Some(format!("n{id}")),
            title: None,
            upstream_id: (id > 10).then_some(id - 1),
            branch_index: None,
            downstream_id: (id < 11).then_some(id + 1),
            r#type: Some("variable".to_owned()),
            config: None,
            workflow_id: Some(1),
        };
        Graph::build(&[row(10), row(11)])
    }

    #[test]
    fn a_position_is_found_again() {
        let graph = graph();
        let calls = vec![Call { node: NodeIndex(0), next: Some((2, JobId(7))) }];
        let steps = [
            None,
            Some(Step::Unwind),
            Some(Step::Finish { status: -1 }),
            Some(Step::Run { node: NodeIndex(1), input: Some(JobId(5)) }),
            Some(Step::Resume { node: NodeIndex(0), branch_job: JobId(6) }),
        ];
        for step in steps {
            let text = Position::new(&graph, step, &calls, &[JobId(3)]).text();
            let position = Position::parse(&text).expect("a position");
            assert_eq!(position.find(&graph), Some((step, calls.clone(), vec![JobId(3)])), "{text}");
        }
    }

    #[test]
    fn a_position_names_its_jobs() {
        let calls =
            [Call { node: NodeIndex(0), next: Some((2, JobId(7))) }, Call { node: NodeIndex(1), next: None }];
        let step = Step::Run { node: NodeIndex(1), input: Some(JobId(5)) };
        let position = Position::new(&graph(), Some(step), &calls, &[JobId(3), JobId(4)]);
        assert_eq!(position.jobs(), [5, 7, 3, 4]);
    }

    #[test]
    fn what_does_not_fit_the_workflow_is_no_position() {
        for text in ["", "{}x", r#"{"next":{"Run":{"node":99,"input":null}}}"#] {
            let found = Position::parse(text).and_then(|position| position.find(&graph()));
            assert_eq!(found, None, "{text}");
        }
    }
}
