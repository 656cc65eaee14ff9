//! Where an execution has failed, found out from its jobs, and what a new one has to begin with in order to go on from
//! there: as if the run had been interrupted just before the failure and somebody had taken it over.
//!
//! A failure travels up: loops and parallel nodes around it fail with it. Those are put back to what they were before.
//! What was under way beside it was ended with the execution; that goes on, too. What has run stays as it is.

mod found;
mod going_on;
mod loops;
mod parallel;
mod past;
mod unclear;
mod walk;

use entity::status::execution::ABORTED;

pub(crate) use self::found::Failure;
pub(crate) use self::going_on::GoingOn;
pub(crate) use self::past::PastJob;
pub(crate) use self::unclear::Unclear;

use self::past::Past;
use self::walk::Walk;
use super::workflow::Workflow;

impl Failure {
    /// Finds out where an execution of this workflow has failed, or was aborted. `status` is its own, `jobs` are all that
    /// it has, by id.
    pub(crate) fn find(workflow: &Workflow, status: i32, jobs: Vec<PastJob>) -> Result<Self, Unclear> {
        let graph = &workflow.graph;
        let (Some(head), Some(_)) = (graph.head(), jobs.first()) else { return Err(Unclear::NoJobs) };
        let mut walk = Walk::new(Past::new(workflow, status == ABORTED, jobs)?);
        let stand = walk.line(head, None, 0)?;
        walk.into_failure(stand)
    }
}
