//! What happens to a run, and what it asks for: the words between [`super::Run`] and whoever performs its effects.

use chrono::{DateTime, Utc};

use super::restore::Start;
use crate::expr::Thrown;
use crate::node::{JobId, NodeIndex, Outcome, Settled, Work};

/// What has happened.
pub(crate) enum Event {
    /// The run begins.
    Begin(Start),
    /// What the last effect has asked for is done.
    Done,
    /// A node has run.
    Ran { node: NodeIndex, input: Option<JobId>, how: How, outcome: Result<Outcome, Thrown> },
    /// Work that was awaited has ended.
    Worked { node: NodeIndex, settled: Settled },
    /// Work in the background has settled a job.
    Settled(JobId, Settled),
    /// The time of a job has come.
    Due(JobId),
    /// The execution was aborted or its time was over, while this node ran or while everything waited. The moment
    /// says which.
    CutOff { node: Option<NodeIndex> },
    /// There is nothing to stay in memory for.
    Leave,
}

/// What is to be done next.
pub(crate) enum Effect {
    /// Run a node; answered by [`Event::Ran`].
    Node { node: NodeIndex, input: Option<JobId>, how: How },
    /// Wait for work of a node; answered by [`Event::Worked`].
    Work { node: NodeIndex, work: Work },
    /// Begin work that settles this job: at once where its row is recorded, else as soon as all that is known so
    /// far is.
    Start { job: JobId, work: Work, is_recorded: bool },
    /// Write rows.
    Record(What),
    /// Commit what the node has written, with everything so far, its job included.
    Commit { node: NodeIndex, job: JobId },
    /// Take back what the transaction nodes have left open.
    CloseScopes,
    /// Wait until something happens.
    Wait,
    /// Nothing: the run is over.
    Done,
}

/// How a node is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Run,
    /// Its input is the last job of a branch of it, or its own job.
    Resume,
    /// Once more for this job of its own, which an earlier run has left pending.
    Restart(JobId),
}

impl How {
    /// The job for which a node is run once more.
    pub(crate) fn restarted(self) -> Option<JobId> {
        if let How::Restart(job) = self { Some(job) } else { None }
    }
}

/// Which rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// All jobs as they are and where the run stands, so that another instance could go on from there.
    Position,
    /// The end of a segment: the execution has ended, or waits.
    Segment,
    /// What is left to say of an execution that somebody else has ended.
    LetGo,
    /// That a waiting execution is left to whoever is there when its time comes.
    Leaving,
}

/// Why a run may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Somebody else has ended the execution.
    Aborted,
    /// Its time is over.
    Late,
}

/// The world at the moment of an event.
pub(crate) struct Moment<'a> {
    pub now: DateTime<Utc>,
    /// Gives out ids for new jobs, each greater than the one before.
    pub new_job_id: &'a mut dyn FnMut() -> JobId,
    pub cut: Option<Cut>,
    /// Whether a transaction node is around what runs.
    pub is_in_scope: bool,
    /// Whether the job that is saved next is to be committed with what its node has written.
    pub commits: bool,
    /// Whether pending delays get their rows at once.
    pub shows_delays: bool,
    /// Whether NocoBase can be told to run nodes.
    pub hands_over: bool,
}
