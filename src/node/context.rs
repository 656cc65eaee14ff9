//! What a node may reach while it runs: its own place in the workflow, the jobs of this execution, and the
//! variables for its templates.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, IsolationLevel};

use super::call::{Call, Called};
use super::{Elsewhere, Services};
use crate::expr::{Live, Scope, Template, Thrown, Value};
use crate::script::Pool;

/// A job of the running execution: its `jobs.id`. Later jobs have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// A node of the running workflow: its place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIndex(pub usize);

/// A job to be recorded.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// `jobs.status`; 0 is pending.
    pub status: i32,
    pub result: Value,
    pub meta: Value,
    pub log: Option<String>,
    /// The job that `jobs.upstreamId` names. Most node types leave it out.
    pub upstream: Option<JobId>,
}

impl From<Thrown> for Draft {
    /// What becomes of a node that has thrown.
    fn from(thrown: Thrown) -> Self {
        Self { status: entity::status::job::ERROR, result: thrown.to_result(), ..Self::default() }
    }
}

impl PartialEq for Draft {
    fn eq(&self, other: &Self) -> bool {
        use crate::expr::json::stringify;
        (self.status, &self.log, self.upstream) == (other.status, &other.log, other.upstream)
            && stringify(&self.result) == stringify(&other.result)
            && stringify(&self.meta) == stringify(&other.meta)
    }
}

/// The part of a saved job that nodes look at.
#[derive(Clone, Debug)]
pub struct Job {
    pub node: NodeIndex,
    pub status: i32,
    pub result: Value,
    pub meta: Value,
}

/// The running execution as nodes see it; the engine implements it.
pub trait Run: Send {
    /// Saves a new job of a node under this id. Its result is from now on `$jobsMapByNodeKey.<key>`.
    fn save(&mut self, job: JobId, node: NodeIndex, draft: Draft, now: DateTime<Utc>);
    /// Saves a changed job once more, which makes it the newest of its node.
    fn save_again(&mut self, job: JobId);
    fn job(&self, job: JobId) -> &Job;
    fn set_status(&mut self, job: JobId, status: i32);
    /// Sets a result that is to be recorded. Templates see it only after the job is saved again.
    fn set_result(&mut self, job: JobId, result: Value);
    /// Puts a live object in the place of an equal result, for templates too. Nothing is to be recorded.
    fn share_result(&mut self, job: JobId, live: Arc<Live>);
    fn set_meta(&mut self, job: JobId, meta: Value);
    fn newest_job(&self, node: NodeIndex) -> Option<JobId>;
    fn node_by_key(&self, key: &str) -> Option<NodeIndex>;
    fn node_key(&self, node: NodeIndex) -> &str;
    /// The first nodes of a node's branches with their `branchIndex`, ascending.
    fn branches(&self, node: NodeIndex) -> &[(i32, NodeIndex)];
    /// The branch of `parent` that `node` is in, by its first node.
    fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex>;
    /// Sets `executions.output`.
    fn set_output(&mut self, output: Value);
    /// Answers the caller, if one waits: `{statusCode, headers, body}`.
    fn reply(&mut self, reply: Value);
    /// Whether a caller waits for the end of the execution.
    fn is_sync(&self) -> bool;
    /// The variables of a node; `with_own_scope` includes what it offers to its own branches. `around` has those
    /// that are not the run's.
    fn scope(&self, node: NodeIndex, with_own_scope: bool, around: &Scope) -> Result<Scope, Thrown>;
    /// See [`Context::effect_key`]; a node that is run again for a job that it has left has the key of that job.
    fn effect_key(&self, node: NodeIndex, restarted: Option<JobId>) -> String;
}

/// What nodes reach beside the run; the engine implements it.
pub trait Host: Send {
    fn now(&self) -> DateTime<Utc>;
    /// An id for a new job, greater than all before.
    fn new_job_id(&mut self) -> JobId;
    /// The job that an earlier run has left and for which the node is run again.
    fn restarted(&self) -> Option<JobId>;
    /// See [`Context::traceparent`].
    fn traceparent(&self) -> Option<String> {
        None
    }
    /// The variables that are the same in all executions: `$env` and `$system`.
    fn around(&self) -> Scope;
    /// `WORKFLOW_LOOP_LIMIT`.
    fn loop_limit(&self) -> Option<u64>;
    /// The rounds that a loop over a number may have where there is no `WORKFLOW_LOOP_LIMIT`.
    fn number_loop_limit(&self) -> u64;
    fn services(&self) -> &Services;
    /// What runs JavaScript.
    fn scripts(&self) -> &Arc<Pool>;
    /// Has another workflow run for a job of this execution, unless that has been done before, and says how that is
    /// going.
    fn call(&mut self, call: Call) -> BoxFuture<'_, Result<Called, Thrown>>;
    /// See [`Context::transaction`].
    fn transaction(&mut self) -> BoxFuture<'_, Result<&DatabaseTransaction, Thrown>>;
    /// Whether a transaction node is around.
    fn is_in_scope(&self) -> bool;
    /// The transaction of the transaction node around of this data source, if there is one: its nodes read there too.
    fn scope_transaction(&self, source: &str) -> Option<&DatabaseTransaction>;
    /// Begins a transaction in a data source, or a savepoint within one, for all of its nodes that run until it ends.
    /// `elsewhere` is that source where it is not the main one.
    fn open_scope<'a>(
        &'a mut self,
        source: &'a str,
        elsewhere: Option<Elsewhere>,
        isolation: Option<IsolationLevel>,
    ) -> BoxFuture<'a, Result<(), Thrown>>;
    /// Has the innermost of them committed with the job that this node saves next.
    fn commit_scope(&mut self);
    /// Takes back what was written in the innermost of them, and ends it.
    fn roll_back_scope(&mut self) -> BoxFuture<'_, ()>;
}

/// A node's view of the running execution.
pub struct Context<'a> {
    run: &'a mut (dyn Run + 'a),
    host: &'a mut (dyn Host + 'a),
    node: NodeIndex,
    input: Option<JobId>,
}

impl<'a> Context<'a> {
    pub fn new(
        run: &'a mut (dyn Run + 'a),
        host: &'a mut (dyn Host + 'a),
        node: NodeIndex,
        input: Option<JobId>,
    ) -> Self {
        Self { run, host, node, input }
    }

    /// The key of this node.
    pub fn key(&self) -> &str {
        self.run.node_key(self.node)
    }

    pub fn node(&self) -> NodeIndex {
        self.node
    }

    /// The job before this one; none for the first node.
    pub fn input(&self) -> Option<JobId> {
        self.input
    }

    pub fn run(&mut self) -> &mut (dyn Run + 'a) {
        self.run
    }

    pub fn host(&mut self) -> &mut (dyn Host + 'a) {
        self.host
    }

    /// Whether this node waits for what it starts: in synchronous workflows, and within transaction nodes.
    pub fn is_sync(&self) -> bool {
        self.run.is_sync() || self.host.is_in_scope()
    }

    /// Names this run of this node, the same after a crash and on another instance: execution id, node key
    /// and the number of the run, from 1. Receivers can tell by it a repeated effect from a new one.
    pub fn effect_key(&self) -> String {
        self.run.effect_key(self.node, self.host.restarted())
    }

    /// The header `traceparent` of what this node sends, where traces are told.
    pub fn traceparent(&self) -> Option<String> {
        self.host.traceparent()
    }

    pub fn services(&self) -> &Services {
        self.host.services()
    }

    /// The transaction in which the job of this node is going to be recorded: what the node writes there, and
    /// that it has run, become true together. It is begun with the first call. A node that finishes commits
    /// it; one that throws takes it back, and its job is recorded without it. Cannot be used by a node that
    /// enters branches or waits.
    pub async fn transaction(&mut self) -> Result<&DatabaseTransaction, Thrown> {
        self.host.transaction().await
    }

    /// What runs JavaScript.
    pub fn scripts(&self) -> Arc<Pool> {
        self.host.scripts().clone()
    }

    /// Saves a new job of this node.
    pub fn save(&mut self, draft: Draft) -> JobId {
        self.save_of(self.node, draft)
    }

    /// Saves a new job of another node.
    pub fn save_of(&mut self, node: NodeIndex, draft: Draft) -> JobId {
        let job = self.host.new_job_id();
        self.run.save(job, node, draft, self.host.now());
        job
    }

    /// The newest job of this node.
    pub fn own_job(&self) -> Result<JobId, Thrown> {
        self.run.newest_job(self.node).ok_or_else(|| Thrown::error("Parent job not found"))
    }

    pub fn job(&self, job: JobId) -> &Job {
        self.run.job(job)
    }

    pub fn branches(&self) -> &[(i32, NodeIndex)] {
        self.run.branches(self.node)
    }

    /// The place among [`Context::branches`] of the branch that ended with this job.
    pub fn branch_place_of(&self, branch_job: JobId) -> Option<usize> {
        let start = self.run.branch_of(self.run.job(branch_job).node, self.node)?;
        self.branches().iter().position(|(_, node)| *node == start)
    }

    /// The variables of this node.
    pub fn scope(&self) -> Result<Scope, Thrown> {
        self.run.scope(self.node, false, &self.host.around())
    }

    /// The variables of this node together with what it offers to its branches.
    pub fn scope_with_own(&self) -> Result<Scope, Thrown> {
        self.run.scope(self.node, true, &self.host.around())
    }

    /// A template of the configuration, filled in.
    pub fn render(&self, template: &Template) -> Result<Value, Thrown> {
        template.render(&self.scope()?)
    }
}
