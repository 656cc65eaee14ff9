//! The jobs of an execution that has ended, put back to what they were before its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::status::job::{ABORTED, PENDING, RESOLVED};

use super::unclear::Unclear;
use crate::engine::run::cut::{ABORTED_TEXT, STUCK, UNDER_WAY};
use crate::engine::run::graph::Graph;
use crate::engine::run::workflow::Workflow;
use crate::expr::{Value, json};
use crate::node::NodeIndex;
use crate::store::job::NewJob;

/// A job of an execution that has ended.
#[derive(Clone, Debug)]
pub(crate) struct PastJob {
    pub(crate) row: NewJob,
    /// When it was settled, where that happened in the background; otherwise when it was saved.
    pub(crate) ended_at: DateTime<Utc>,
}

/// The code of a request that was interrupted.
const CANCELED: &str = "ERR_CANCELED";

/// The jobs of an execution.
pub(super) struct Past<'a> {
    pub(crate) graph: &'a Graph,
    is_sync: bool,
    /// Whether the execution was aborted: then what has failed in it is no reason for its end.
    pub(crate) is_aborted: bool,
    jobs: BTreeMap<i64, PastJob>,
    /// Those that a node has saved for itself.
    own: HashMap<NodeIndex, BTreeSet<i64>>,
    /// The node that was about to run, or to go on after a branch, when the execution was aborted.
    pub(crate) cut: Option<NodeIndex>,
}

impl<'a> Past<'a> {
    /// Takes off what the end of the execution has done to the jobs beside the failure.
    pub(crate) fn new(workflow: &'a Workflow, is_aborted: bool, jobs: Vec<PastJob>) -> Result<Self, Unclear> {
        let mut past = Self {
            graph: &workflow.graph,
            is_sync: workflow.is_sync,
            is_aborted,
            jobs: jobs.into_iter().map(|job| (job.row.id, job)).collect(),
            own: HashMap::new(),
            cut: None,
        };
        past.check()?;
        past.sort_out();
        past.check_branches()?;
        past.take_cut_off();
        past.revive();
        Ok(past)
    }

    /// Whether the jobs are all there, all of them of nodes that sidehook runs, and none tells that nothing could go on.
    fn check(&self) -> Result<(), Unclear> {
        for PastJob { row, .. } in self.jobs.values() {
            let node = self.graph.find_id(row.node_id).map(|node| self.graph.node(node));
            let node = node.filter(|node| node.key == row.node_key).ok_or(Unclear::Changed)?;
            if !node.is_known {
                return Err(Unclear::HandedOver(node.key.clone()));
            }
            if row.upstream_id.is_some_and(|id| !self.jobs.contains_key(&id)) {
                return Err(Unclear::JobsGone);
            }
            if says(&parsed(row.result.as_deref()), STUCK) {
                return Err(Unclear::Stuck(row.node_key.clone()));
            }
        }
        Ok(())
    }

    /// Finds the nodes' own jobs: not those that others have saved for them.
    fn sort_out(&mut self) {
        let mut before: Option<(i64, NodeIndex)> = None;
        for (id, PastJob { row, .. }) in &self.jobs {
            let Some(node) = self.graph.find_id(row.node_id) else { continue };
            let target = self.graph.node(node).run.also_saves_for().filter(|_| row.status == RESOLVED);
            if let Some((job, other)) =
                before.filter(|(_, other)| target == Some(self.graph.node(*other).key.as_str()))
            {
                self.own.entry(other).or_default().remove(&job);
            }
            self.own.entry(node).or_default().insert(*id);
            before = Some((*id, node));
        }
    }

    /// Whether nothing was under way in branches that a parallel node had gone on without: their jobs do not tell how far
    /// that had been heard of.
    fn check_branches(&self) -> Result<(), Unclear> {
        // One that has failed is where it is gone on, unless the execution was aborted.
        let has_gone_on = |status| match self.is_aborted {
            true => !matches!(status, PENDING | ABORTED),
            false => status == RESOLVED,
        };
        for (node, own) in self.own.iter().filter(|(node, _)| self.graph.node(**node).type_name == "parallel")
        {
            for job in own.iter().filter(|job| has_gone_on(self.row(**job).status)) {
                let next = own.range(job + 1..).next().copied().unwrap_or(i64::MAX);
                let result = self.result(*job);
                let statuses = result.as_array().map(|array| array.items()).unwrap_or_default();
                let unheard = statuses.iter().zip(&self.graph.node(*node).branches);
                let mut unheard =
                    unheard.filter(|(status, _)| status.is_nullish()).map(|(_, branch)| branch.1);
                let is_entered = |first| self.inside(*node, first, *job).any(|inside| inside.row.id < next);
                if unheard.any(is_entered) {
                    return Err(Unclear::LeftBehind(self.key(*node)));
                }
            }
        }
        Ok(())
    }

    /// Takes off the job that only says that the execution was aborted here: the node has not run to its end.
    fn take_cut_off(&mut self) {
        let Some((id, PastJob { row, .. })) = self.jobs.last_key_value() else { return };
        let result = parsed(row.result.as_deref());
        let is_unrun = row.status == ABORTED && says(&result, ABORTED_TEXT);
        let is_interrupted = result.member("code").as_str() == Some(CANCELED);
        if self.is_aborted && (is_unrun || is_interrupted) {
            let (id, node) = (*id, self.graph.find_id(row.node_id));
            self.remove(id);
            self.cut = node;
        }
    }

    /// What was ended with the execution was under way: work that is begun anew, times that are waited for, and where
    /// it was aborted the nodes around them.
    fn revive(&mut self) {
        let is_around = |row: &NewJob| {
            self.graph.find_id(row.node_id).is_some_and(|node| !self.graph.node(node).branches.is_empty())
        };
        // A request that has taken too long has this status, too, and tells why.
        let tells = |row: &NewJob| !parsed(row.result.as_deref()).member("message").is_nullish();
        let was_pending = |row: &NewJob| row.status == ABORTED && !is_around(row) && !tells(row);
        let has_own = |row: &NewJob| {
            let result = parsed(row.result.as_deref());
            row.status == ABORTED && !is_around(row) && tells(row) && !says(&result, UNDER_WAY)
        };
        let mut rows = self.jobs.values().map(|job| &job.row);
        self.is_aborted &= self.cut.is_some() || rows.clone().any(was_pending) || !rows.any(has_own);
        let is_under_way = |row: &NewJob| says(&parsed(row.result.as_deref()), UNDER_WAY);
        let revived = |row: &NewJob| match is_around(row) {
            true => self.is_aborted,
            false => is_under_way(row) || (self.is_aborted && was_pending(row)),
        };
        let ended = self.jobs.iter().filter(|(_, job)| job.row.status == ABORTED && revived(&job.row));
        let ended: Vec<(i64, bool)> =
            ended.map(|(id, PastJob { row, .. })| (*id, is_around(row) || self.is_timed(row))).collect();
        for (id, keeps_result) in ended {
            let Some(row) = self.row_mut(id) else { continue };
            row.status = PENDING;
            row.result.take_if(|_| !keeps_result);
        }
    }

    /// Whether a job has waited for a time; its result is needed to go on.
    fn is_timed(&self, row: &NewJob) -> bool {
        let node = self.graph.find_id(row.node_id);
        node.is_some_and(|node| matches!(&*self.graph.node(node).type_name, "delay" | "subflow"))
    }

    /// Whether the execution was aborted when work had settled a job and its node was about to go on with it, or else the
    /// node was about to run once more.
    pub(crate) fn was_settled(&self, node: NodeIndex, job: i64) -> bool {
        let works = self.works_beside(&self.graph.node(node).type_name);
        self.cut == Some(node) && works && self.row(job).status != PENDING
    }

    /// Whether what is gone on with is where the execution was aborted, as far as a job tells that: it can have been in a
    /// branch that the node around it had gone on without. `is_step` says that the node comes next.
    pub(crate) fn leads_to_cut(&self, at: Option<NodeIndex>, is_step: bool) -> bool {
        let Some(cut) = self.cut else { return true };
        let is_pending = || self.newest(cut, 0).is_some_and(|(job, _)| self.row(job).status == PENDING);
        // A node on the way up to it only passes a failure on.
        if is_step { self.graph.upwards(at).any(|around| around == cut) } else { is_pending() }
    }

    /// Whether the line of a node has ended with its job, which is no reason for the end of the execution.
    pub(crate) fn has_ended_with(&self, job: i64) -> bool {
        self.is_aborted && self.row(job).status < PENDING
    }

    /// The newest job that a node has saved after the job `since`, and how many it has saved.
    pub(crate) fn newest(&self, node: NodeIndex, since: i64) -> Option<(i64, usize)> {
        let own = self.own.get(&node)?.range(since + 1..);
        let count = own.clone().count();
        own.last().map(|id| (*id, count))
    }

    /// The one before the newest.
    pub(crate) fn newest_but_one(&self, node: NodeIndex) -> Option<i64> {
        self.own.get(&node)?.iter().rev().nth(1).copied()
    }

    /// Whether no job was saved between two.
    pub(crate) fn are_neighbours(&self, first: i64, second: i64) -> bool {
        self.jobs.range(first + 1..second).next().is_none()
    }

    pub(crate) fn row(&self, id: i64) -> &NewJob {
        &self.jobs[&id].row
    }

    pub(crate) fn row_mut(&mut self, id: i64) -> Option<&mut NewJob> {
        self.jobs.get_mut(&id).map(|job| &mut job.row)
    }

    /// The jobs after this one in a branch of a node, however deep.
    fn inside(&self, node: NodeIndex, branch: NodeIndex, since: i64) -> impl Iterator<Item = &PastJob> {
        let is_inside = move |job: &&PastJob| {
            let at = self.graph.find_id(job.row.node_id);
            at.is_some_and(|at| self.graph.branch_of(at, node) == Some(branch))
        };
        self.jobs.range(since + 1..).map(|(_, job)| job).filter(is_inside)
    }

    /// When something has last ended in a branch.
    pub(crate) fn last_end(&self, node: NodeIndex, branch: NodeIndex, since: i64) -> Option<DateTime<Utc>> {
        let ended = self.inside(node, branch, since).filter(|job| job.row.status != PENDING);
        ended.map(|job| job.ended_at).max()
    }

    /// Whether a branch has gone on after something that it has waited for since it was entered. `way` has the first
    /// nodes of the branches that lead to the failure.
    pub(crate) fn has_waited(
        &self,
        node: NodeIndex,
        branch: NodeIndex,
        since: i64,
        way: &[NodeIndex],
    ) -> bool {
        let waits = |row: &NewJob| match self.graph.find_id(row.node_id) {
            // What throws before it waits has no job before it.
            Some(at) if row.upstream_id.is_some() && self.waits(&self.graph.node(at).type_name) => Some(at),
            _ => None,
        };
        let waited = self.inside(node, branch, since).filter_map(|job| Some((job.row.id, waits(&job.row)?)));
        waited.into_iter().any(|(job, at)| {
            let around = self.graph.upwards(self.graph.node(at).parent).take_while(|around| *around != node);
            around.into_iter().all(|around| self.is_heeded(around, at, job, way))
        })
    }

    /// Whether what has happened in a branch of a node was heeded outside: a parallel node goes on without branches that
    /// are still under way.
    fn is_heeded(&self, around: NodeIndex, at: NodeIndex, job: i64, way: &[NodeIndex]) -> bool {
        let place = self.graph.node(around);
        let Some(first) = self.graph.branch_of(at, around).filter(|_| place.type_name == "parallel") else {
            return true;
        };
        let own = self.own.get(&around).and_then(|own| own.range(..job).next_back());
        let result = own.map(|own| self.result(*own)).unwrap_or_default();
        let place = place.branches.iter().position(|(_, branch)| *branch == first).unwrap_or_default();
        let status =
            result.as_array().and_then(|array| array.items().get(place).cloned()).unwrap_or_default();
        !status.is_nullish() || way.contains(&first)
    }

    /// Whether nodes of a type wait for something beside the run.
    fn waits(&self, type_name: &str) -> bool {
        matches!(type_name, "delay" | "subflow") || self.works_beside(type_name)
    }

    /// Whether the work of nodes of a type goes on beside the run.
    pub(crate) fn works_beside(&self, type_name: &str) -> bool {
        matches!(type_name, "mailer" | "notification" | "request" | "script") && !self.is_sync
    }

    pub(crate) fn result(&self, id: i64) -> Value {
        parsed(self.row(id).result.as_deref())
    }

    pub(crate) fn meta(&self, id: i64) -> Value {
        parsed(self.row(id).meta.as_deref())
    }

    pub(crate) fn remove(&mut self, id: i64) {
        let removed = self.jobs.remove(&id);
        let node = removed.and_then(|job| self.graph.find_id(job.row.node_id));
        if let Some(own) = node.and_then(|node| self.own.get_mut(&node)) {
            own.remove(&id);
        }
    }

    /// Removes the jobs after this one of nodes in branches of a node.
    pub(crate) fn remove_inside(&mut self, node: NodeIndex, since: i64) {
        let is_inside = |id: &i64| {
            let at = self.graph.find_id(self.row(*id).node_id);
            self.graph.upwards(at).skip(1).any(|around| around == node)
        };
        let inside: Vec<i64> = self.jobs.range(since + 1..).map(|(id, _)| *id).filter(is_inside).collect();
        inside.into_iter().for_each(|id| self.remove(id));
    }

    /// What is left, by id.
    pub(crate) fn into_rows(self) -> Vec<NewJob> {
        self.jobs.into_values().map(|job| job.row).collect()
    }

    pub(crate) fn key(&self, node: NodeIndex) -> String {
        self.graph.node(node).key.clone()
    }
}

fn says(result: &Value, text: &str) -> bool {
    result.member("message").as_str() == Some(text)
}

/// A column as JSON; NULL and what cannot be read are null.
fn parsed(text: Option<&str>) -> Value {
    text.and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or(Value::Null)
}
