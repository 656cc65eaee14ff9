//! The pure part of the engine: which step follows when a job has been saved.

use entity::status::job::RESOLVED;

use super::graph::Graph;
use crate::node::{JobId, NodeIndex};

/// What the processor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Run a node; the input is the job before it.
    Run { node: NodeIndex, input: Option<JobId> },
    /// Tell a node that one of its branches has ended with this job.
    Resume { node: NodeIndex, branch_job: JobId },
    /// End the execution with this status.
    Finish { status: i32 },
    /// This way is at its end: go on with what has been put aside, if anything.
    Unwind,
}

/// The step after a job has been saved for `node`: on downstream when it is resolved, else up to the node
/// whose branch this is, else the end.
pub(crate) fn after(graph: &Graph, node: NodeIndex, job: JobId, status: i32) -> Step {
    let place = graph.node(node);
    match (place.downstream, place.parent) {
        (Some(downstream), _) if status == RESOLVED => Step::Run { node: downstream, input: Some(job) },
        (_, Some(parent)) => Step::Resume { node: parent, branch_job: job },
        (_, None) => Step::Finish { status },
    }
}

/// The status of an execution that ended with a job of this status: the same number where NocoBase knows
/// it, else its sign.
pub(crate) fn execution_status(job_status: i32) -> i32 {
    if (-6..=1).contains(&job_status) { job_status } else { job_status.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_statuses_count_by_their_sign() {
        assert_eq!([1, 0, -2, -6, -7, 5].map(execution_status), [1, 0, -2, -6, -1, 1]);
    }
}
