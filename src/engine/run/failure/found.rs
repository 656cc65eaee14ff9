//! Where a failed execution can be gone on from.

use crate::engine::run::position::Call;
use crate::engine::run::step::Step;
use crate::node::NodeIndex;
use crate::store::job::NewJob;

/// Where a failed execution can be gone on from.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What has been recorded before, by id; pending ones are begun anew.
    pub(super) jobs: Vec<NewJob>,
    pub(super) next: Option<Step>,
    pub(super) calls: Vec<Call>,
    /// The node that is run next, or first of those that were under way.
    pub(crate) node: NodeIndex,
    /// `executions.output` by then, as JSON.
    pub(crate) output: Option<String>,
}

impl Failure {
    /// How many jobs are kept.
    pub(crate) fn kept(&self) -> usize {
        self.jobs.len()
    }
}
