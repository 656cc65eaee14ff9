//! Follows the jobs of an execution from the first node to the place where it has failed.

use entity::status::job::{ERROR, PENDING, RESOLVED};

use super::found::Failure;
use super::past::Past;
use super::unclear::Unclear;
use crate::engine::run::position::Call;
use crate::engine::run::step::Step;
use crate::expr::Value;
use crate::node::{JobId, NodeIndex};

/// How a line of nodes stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It has ended with this job.
    Ended(i64),
    /// This comes next.
    At(Step),
    /// A job in it is pending.
    Waits,
}

/// How a node stands that has a job.
pub(super) enum NodeStand {
    /// The line goes on after it.
    Passed,
    /// The node itself has failed.
    Failed,
    Inside(Stand),
}

pub(super) struct Walk<'a> {
    pub(crate) past: Past<'a>,
    pub(crate) calls: Vec<Call>,
    /// The first nodes of the branches of parallel nodes that lead to what comes next.
    pub(crate) way: Vec<NodeIndex>,
    /// Whether a failure was found.
    pub(crate) is_found: bool,
    /// The failed node, or one that waits.
    node: Option<NodeIndex>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(past: Past<'a>) -> Self {
        Self { past, calls: Vec::new(), way: Vec::new(), is_found: false, node: None }
    }

    /// What is to be gone on with, after the main line has been followed.
    pub(crate) fn into_failure(self, stand: Stand) -> Result<Failure, Unclear> {
        let Self { past, calls, is_found, node, .. } = self;
        if !is_found && !past.is_aborted {
            return Err(Unclear::Untold);
        }
        let next = match stand {
            Stand::Ended(_) => return Err(Unclear::Untold),
            Stand::At(step) => Some(step),
            // Whatever could be entered beside what waits has been.
            Stand::Waits => None,
        };
        let at = match next {
            Some(Step::Run { node, .. } | Step::Resume { node, .. }) => Some(node),
            Some(Step::Finish { .. } | Step::Unwind) | None => node,
        };
        if !past.leads_to_cut(at, next.is_some()) {
            return Err(Unclear::Untold);
        }
        let graph = past.graph;
        let node = at.ok_or(Unclear::Untold)?;
        let jobs = past.into_rows();
        let is_output =
            |id: i64| graph.find_id(id).is_some_and(|node| graph.node(node).type_name == "output");
        let output = jobs.iter().rev().find(|row| row.status == RESOLVED && is_output(row.node_id));
        let output =
            output.and_then(|row| row.result.as_deref()).filter(|text| *text != "null").map(str::to_owned);
        Ok(Failure { jobs, next, calls, node, output })
    }

    /// Follows a line that has not ended as far as what is around it knows. `before` is the job before it; of the
    /// jobs those after `since` count.
    pub(crate) fn line(
        &mut self,
        first: NodeIndex,
        before: Option<JobId>,
        since: i64,
    ) -> Result<Stand, Unclear> {
        let (mut input, mut since) = (before, since);
        let mut at = Some(first);
        let mut length = 0;
        while let Some(node) = at.filter(|_| length <= self.past.graph.nodes().count()) {
            length += 1;
            let Some((job, count)) = self.past.newest(node, since) else {
                return match self.is_reached(node, since) {
                    true => Err(Unclear::JobsGone),
                    false => Ok(Stand::At(Step::Run { node, input })),
                };
            };
            if count > 1 {
                return self.twice(node, job, input);
            }
            if self.past.was_settled(node, job) && !self.is_first_of_loop(node) {
                return Ok(Stand::At(Step::Resume { node, branch_job: JobId(job) }));
            }
            match self.node(node, job)? {
                NodeStand::Passed => {}
                NodeStand::Failed if self.past.has_ended_with(job) => return Ok(Stand::Ended(job)),
                NodeStand::Failed => return self.failed(node, job, input),
                NodeStand::Inside(stand) => return Ok(stand),
            }
            at = self.past.graph.node(node).downstream;
            if at.is_none() {
                return Ok(Stand::Ended(job));
            }
            (input, since) = (Some(JobId(job)), job);
        }
        Err(Unclear::Changed)
    }

    /// Whether a node has jobs although one before it has none.
    fn is_reached(&self, node: NodeIndex, since: i64) -> bool {
        self.past.graph.line(node).skip(1).any(|later| self.past.newest(later, since).is_some())
    }

    fn is_first_of_loop(&self, node: NodeIndex) -> bool {
        let around = self.past.graph.node(node).parent.map(|around| self.past.graph.node(around));
        around.is_some_and(|around| {
            around.type_name == "loop" && around.branches.first().is_some_and(|(_, first)| *first == node)
        })
    }

    fn node(&mut self, node: NodeIndex, job: i64) -> Result<NodeStand, Unclear> {
        let place = self.past.graph.node(node);
        let status = self.past.row(job).status;
        if place.branches.is_empty() {
            return Ok(match status {
                RESOLVED => NodeStand::Passed,
                PENDING => NodeStand::Inside(self.waits(node)),
                _ => NodeStand::Failed,
            });
        }
        match (place.type_name.as_str(), status) {
            ("condition", _) => self.condition(node, job),
            ("multi-conditions", _) => self.conditions(node, job),
            (_, RESOLVED) => Ok(NodeStand::Passed),
            _ if self.past.has_ended_with(job) => Ok(NodeStand::Failed),
            ("loop", _) => self.rounds(node, job),
            ("parallel", _) => self.parallel(node, job),
            // Of a transaction nothing has been left: it is run as a whole.
            _ => Ok(NodeStand::Failed),
        }
    }

    pub(crate) fn waits(&mut self, node: NodeIndex) -> Stand {
        self.node.get_or_insert(node);
        Stand::Waits
    }

    /// A node has failed: its job is taken off and it is run once more, or its work is begun anew.
    fn failed(&mut self, node: NodeIndex, job: i64, input: Option<JobId>) -> Result<Stand, Unclear> {
        let place = self.past.graph.node(node);
        let key = place.key.clone();
        let type_name = place.type_name.as_str();
        // One that throws has a result.
        if type_name == "end" && self.past.result(job).is_nullish() {
            return Err(Unclear::Ends(key));
        }
        self.is_found = true;
        let was_beside = self.past.works_beside(type_name);
        let row = self.past.row_mut(job).filter(|row| was_beside && row.upstream_id.is_some());
        if let Some(row) = row {
            (row.status, row.result) = (PENDING, None);
            self.node = Some(node);
            return Ok(Stand::Waits);
        }
        self.past.remove(job);
        self.past.remove_inside(node, job);
        Ok(Stand::At(Step::Run { node, input }))
    }

    /// A node has two jobs where one is to be expected.
    fn twice(&mut self, node: NodeIndex, job: i64, input: Option<JobId>) -> Result<Stand, Unclear> {
        let place = self.past.graph.node(node);
        let before = self.past.newest_but_one(node).unwrap_or_default();
        // A loop whose condition throws before its first round.
        let is_of_loop = place.type_name == "loop" && self.past.row(before).status == PENDING;
        if is_of_loop && self.past.row(job).status == ERROR && self.past.are_neighbours(before, job) {
            self.past.remove(before);
            return self.failed(node, job, input);
        }
        Err(Unclear::Between(self.past.key(node)))
    }

    /// Follows a branch. What is around it is kept as NocoBase does where an unknown node may be reached.
    pub(crate) fn inside(
        &mut self,
        node: NodeIndex,
        branch: NodeIndex,
        job: i64,
        since: i64,
    ) -> Result<Stand, Unclear> {
        let outer = self.calls.len();
        let stand = self.line(branch, Some(JobId(job)), since)?;
        if self.past.graph.has_unknown()
            && matches!(stand, Stand::At(_))
            && !self.past.has_waited(node, branch, since, &self.way)
        {
            self.calls.insert(outer, Call { node, next: None });
        }
        Ok(stand)
    }

    /// The first node of the branch that has been entered since a job.
    pub(crate) fn entered(&self, node: NodeIndex, job: i64) -> Option<NodeIndex> {
        let mut firsts = self.past.graph.node(node).branches.iter().map(|(_, first)| *first);
        firsts.find(|first| self.past.newest(*first, job).is_some())
    }

    fn condition(&mut self, node: NodeIndex, job: i64) -> Result<NodeStand, Unclear> {
        if self.past.row(job).status != RESOLVED {
            return Ok(NodeStand::Failed);
        }
        let branches = &self.past.graph.node(node).branches;
        let branch = match (self.entered(node, job), self.past.result(job)) {
            (Some(branch), _) => Some(branch),
            (None, Value::Bool(result)) => {
                branches.iter().find(|(index, _)| (*index != 0) == result).map(|(_, first)| *first)
            }
            (None, _) => None,
        };
        let Some(branch) = branch else { return Ok(NodeStand::Passed) };
        Ok(match self.inside(node, branch, job, job)? {
            Stand::Ended(end) if self.is_told(node, end) => told(node, end),
            Stand::Ended(_) => NodeStand::Passed,
            stand => NodeStand::Inside(stand),
        })
    }

    fn conditions(&mut self, node: NodeIndex, job: i64) -> Result<NodeStand, Unclear> {
        let status = self.past.row(job).status;
        let branch = match self.entered(node, job) {
            Some(branch) => Some(branch),
            // It was about to be entered, unless the evaluation itself has failed.
            None if matches!(status, ERROR | PENDING) => return Ok(NodeStand::Failed),
            None => self.meant(node, job),
        };
        let Some(branch) = branch else {
            return Ok(if status == RESOLVED { NodeStand::Passed } else { NodeStand::Failed });
        };
        Ok(match self.inside(node, branch, job, job)? {
            Stand::Ended(end) if self.is_told(node, end) => told(node, end),
            Stand::Ended(_) if status == RESOLVED => NodeStand::Passed,
            Stand::Ended(_) if self.past.has_ended_with(job) => NodeStand::Inside(Stand::Ended(job)),
            Stand::Ended(_) => return Err(Unclear::NoMatch(self.past.key(node))),
            stand => NodeStand::Inside(stand),
        })
    }

    /// Whether a node hears of the end of its branch next: of a failure, or because the execution was aborted just then.
    fn is_told(&self, node: NodeIndex, end: i64) -> bool {
        self.past.row(end).status != RESOLVED || self.past.cut == Some(node)
    }

    /// The branch of the condition that has held, or the default one.
    fn meant(&self, node: NodeIndex, job: i64) -> Option<NodeIndex> {
        let found = self.past.meta(job).member("conditions");
        let found = found.as_array().map(|array| array.items()).unwrap_or_default();
        let holds = matches!(found.last(), Some(Value::Bool(true)));
        let index = if holds { found.len() as i32 } else { 0 };
        let branches = &self.past.graph.node(node).branches;
        branches.iter().find(|(branch, _)| *branch == index).map(|(_, first)| *first)
    }
}

/// A node is told next how one of its branches has ended.
fn told(node: NodeIndex, end: i64) -> NodeStand {
    NodeStand::Inside(Stand::At(Step::Resume { node, branch_job: JobId(end) }))
}
