//! Why it cannot be told where an execution has failed.

/// Why an execution cannot be gone on from where it has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclear {
    #[error("none of its jobs are recorded")]
    NoJobs,
    #[error("some of its jobs are gone")]
    JobsGone,
    #[error("the nodes of its workflow are not those that it ran")]
    Changed,
    #[error("NocoBase has run a part of it, beginning with the node {0:?}")]
    HandedOver(String),
    #[error("the node {0:?} has ended it on purpose and would do so again")]
    Ends(String),
    #[error("no condition of the node {0:?} has held, and its default branch has run already")]
    NoMatch(String),
    #[error(
        "the node {0:?} has failed between its branches or rounds, and what came before cannot be told apart"
    )]
    Between(String),
    #[error("branches of the node {0:?} were under way that it had gone on without")]
    LeftBehind(String),
    #[error("it had come to where no branch was left to run, at the node {0:?}")]
    Stuck(String),
    #[error("several branches have failed at a time")]
    Several,
    #[error("its jobs do not tell where it has failed")]
    Untold,
}
