//! What a workflow's nodes do. One file per node type, named like the type; `registry` is the one list of
//! them. A node sees its configuration and a [`Context`]; it knows neither HTTP nor the engine, and how its
//! job is recorded, logged, timed and cancelled is not its business.

pub mod aggregate;
pub mod calculation;
mod call;
pub mod condition;
mod context;
pub mod create;
mod data_source;
mod data_use;
pub mod date_calculation;
pub mod delay;
pub mod destroy;
pub mod dynamic_calculation;
pub mod end;
mod files;
pub mod json_query;
pub mod json_variable_mapping;
pub mod loop_;
pub mod mailer;
pub mod multi_conditions;
pub mod notification;
pub mod output;
pub mod parallel;
pub mod query;
mod record;
mod registry;
pub mod request;
pub mod response;
pub mod response_message;
pub mod script;
mod services;
pub mod sql;
pub mod subflow;
pub mod transaction;
pub mod update;
pub mod variable;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

pub use call::{Call, Called};
pub use context::{Context, Draft, Host, Job, JobId, NodeIndex, Run};
pub use data_source::{Elsewhere, MAIN};
pub use data_use::{DataUse, Deed, data_use};
pub use files::{Files, Folders};
pub use registry::{Example, Kind, NODES, Sample, find};
pub use services::Services;

use crate::expr::{Template, Thrown, Value};
use crate::script::Library;

/// A configured node, ready to run any number of times.
///
/// What it throws becomes a job of status -2 with the result `{"message": …}`; so does a panic.
#[async_trait]
pub trait Node: Send + Sync {
    /// Runs the node.
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown>;

    /// Takes over when a branch of the node has ended, with the last job of that branch, or when what the
    /// node waited for has happened, with its own job.
    async fn resume(&self, cx: &mut Context<'_>, job: JobId) -> Result<Outcome, Thrown> {
        if cx.job(job).node == cx.node() {
            return Ok(Outcome::Continue(job));
        }
        Err(Thrown::error(format!("node \"{}\" has no branches to come back from", cx.key())))
    }

    /// What the node offers as `$scopes.<key>` to the nodes in its branches; `result` is that of its newest
    /// job, `render` fills in templates of its configuration.
    fn scope(&self, _render: Render<'_>, _result: &Value) -> Result<Option<Value>, Thrown> {
        Ok(None)
    }

    /// JavaScript libraries that the node needs when it runs; they are loaded before.
    fn library(&self) -> Option<Library> {
        None
    }

    /// Whether the next branch starts after one whose last job has this status; for nodes that enter
    /// their branches one after the other.
    fn enters_next(&self, _last_status: i32) -> bool {
        false
    }

    /// Whether rounds of its branch may be left out; for loops.
    fn skips_rounds(&self) -> bool {
        false
    }

    /// The key of another node that gets a job, too, just before this one's own.
    fn also_saves_for(&self) -> Option<&str> {
        None
    }
}

/// Fills in a template with the variables of the node.
pub type Render<'a> = &'a dyn Fn(&Template) -> Result<Value, Thrown>;

/// A node type. The fields of the struct are the node's config; they take whatever JSON a configuration
/// holds, because a row written by SQL can hold anything.
pub trait NodeType: Node + DeserializeOwned + 'static {
    /// `flow_nodes.type`.
    const TYPE: &'static str;

    /// What the node does, in a sentence for `docs/nodes.md`.
    const ABOUT: &'static str;

    /// Whether running the node changes something outside the database.
    const HAS_OUTSIDE_EFFECTS: bool = false;

    /// The collection that the examples work on, for nodes that read or write one.
    const SAMPLE: Option<&'static Sample> = None;

    /// Whether running the node changes data in the database.
    const CHANGES_DATA: bool = false;

    /// Whether the result of the node's job is what the caller of a synchronous workflow is answered.
    const ANSWERS: bool = false;

    /// Configurations with what they record: checked by a test, printed by `sidehook nodes`.
    fn examples() -> Vec<Example>;
}

/// What the engine does after a node has run or resumed.
#[derive(Debug)]
pub enum Outcome {
    /// Save a new job of this node; go on downstream when it is resolved, else its line ends with it.
    Finished(Draft),
    /// Save this job again and go on like with a new one. It can be the last job of a branch instead of
    /// the node's own: its status then counts for the line that the node is on.
    Continue(JobId),
    /// Run the branch that starts at `branch`, with `input` as the job before it.
    Enter { branch: NodeIndex, input: JobId },
    /// Run all branches in order, as long as [`Node::enters_next`] agrees.
    EnterEach { input: JobId },
    /// Resume this node once more with its own job, after the processor has looked around: for work that can
    /// take long without a branch to run.
    Again(JobId),
    /// Save what there is and wait: something else will resume the execution, or another branch goes on.
    Wait,
    /// Work that takes time outside. A synchronous workflow waits for it, then saves what has settled as a
    /// new job of this node. An asynchronous one saves the pending job, goes on with other branches
    /// meanwhile, then settles that job and resumes this node with it.
    Background(Work),
    /// Save this pending job and resume this node with it when the time has passed.
    Sleep { pending: Draft, duration: Duration },
    /// Resume this node with this pending job of its own, which has waited for a time, once more when another time has
    /// passed.
    SleepOn { job: JobId, duration: Duration },
    /// End the whole execution with this status, however deep in branches.
    Exit(i32),
    /// Leave the node to NocoBase, with all that comes after it. Where NocoBase cannot be told, this is an error of
    /// the node.
    Leave(Thrown),
}

/// Work that takes time outside. It starts when the jobs so far have been recorded; after a crash the node
/// runs again and brings it anew, with the same [`Context::effect_key`].
pub struct Work {
    /// The job while the work goes on, in an asynchronous workflow; its status is 0.
    pub pending: Draft,
    /// What the job gets when an abort or a timeout cuts the work off in a synchronous workflow. `None`:
    /// what any node gets.
    pub interrupted: Option<Settled>,
    /// What the result of the job becomes when the workflow's timeout cuts the work off in an asynchronous
    /// workflow, where it becomes anything.
    pub timed_out: Option<Value>,
    pub done: BoxFuture<'static, Settled>,
}

impl Work {
    /// Work that is done already.
    pub fn done(settled: Settled) -> Self {
        let done = Box::pin(std::future::ready(settled));
        Self { pending: Draft::default(), interrupted: None, timed_out: None, done }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// How work has ended: the status and the result of its job.
#[derive(Clone, Debug)]
pub struct Settled {
    pub status: i32,
    pub result: Value,
}

impl From<Thrown> for Settled {
    fn from(thrown: Thrown) -> Self {
        Self { status: entity::status::job::ERROR, result: thrown.to_result() }
    }
}

/// Shorthand for the most common outcome: a resolved job with a result.
pub fn resolved(result: Value) -> Outcome {
    Outcome::Finished(Draft { status: entity::status::job::RESOLVED, result, ..Draft::default() })
}

/// A node whose type is not in the registry.
pub struct Unknown {
    pub type_name: String,
}

#[async_trait]
impl Node for Unknown {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        Err(Thrown::error(format!(
            "node type \"{}\" of node \"{}\" is not known to sidehook; `sidehook nodes` lists the known ones",
            self.type_name,
            cx.key()
        )))
    }
}
