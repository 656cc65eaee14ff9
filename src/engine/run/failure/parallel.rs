//! Parallel nodes around a failure.

use entity::status::job::{PENDING, RESOLVED};

use super::unclear::Unclear;
use super::walk::{NodeStand, Stand, Walk};
use crate::engine::run::position::Call;
use crate::engine::run::step::Step;
use crate::expr::{Value, json};
use crate::node::{JobId, NodeIndex};

impl Walk<'_> {
    /// A parallel node that has failed or has not ended.
    pub(super) fn parallel(&mut self, node: NodeIndex, job: i64) -> Result<NodeStand, Unclear> {
        let branches = self.past.graph.node(node).branches.clone();
        let has_failed = self.past.row(job).status != PENDING;
        let mut statuses = self.statuses(job, branches.len());
        let last = if has_failed { self.last_failure(node, &branches, &statuses, job) } else { None };
        if has_failed && last.is_none() {
            return Ok(NodeStand::Failed);
        }
        if let Some(last) = last {
            statuses[last] = None;
        }
        let is_open = |place: &usize| statuses[*place].is_none();
        let is_entered = |place: &usize| self.past.newest(branches[*place].1, job).is_some();
        let (entered, left): (Vec<usize>, Vec<usize>) =
            (0..branches.len()).filter(is_open).partition(is_entered);
        let is_begun = !entered.is_empty() || statuses.iter().any(Option::is_some);
        let is_next = |place: &usize| !is_begun || self.past.cut == Some(branches[*place].1);
        let next = left.iter().copied().find(is_next);
        let outer = self.calls.len();
        let mut stand = match next {
            Some(place) => Stand::At(Step::Run { node: branches[place].1, input: Some(JobId(job)) }),
            None => Stand::Waits,
        };
        for place in entered {
            let branch = branches[place].1;
            if has_failed && last != Some(place) {
                // It has gone on after the node had failed, which then took no notice of its end.
                statuses[place] = self.end_of(branch, job).map(|end| self.past.row(end).status);
                continue;
            }
            let at = match self.line(branch, Some(JobId(job)), job)? {
                Stand::Ended(ended) => Stand::At(Step::Resume { node, branch_job: JobId(ended) }),
                stand => stand,
            };
            stand = match (stand, at) {
                (Stand::Waits, at) => at,
                (stand, Stand::Waits) => stand,
                _ => return Err(Unclear::Several),
            };
            if at != Stand::Waits {
                self.way.push(branch);
            }
        }
        if let Some(row) = self.past.row_mut(job) {
            let result = statuses.iter().map(|status| status.map_or(Value::Null, Value::from)).collect();
            (row.status, row.result) = (PENDING, json::stringify(&Value::array(result)).map(Into::into));
        }
        let after = next.map(|place| place + 1).or(left.first().copied()).unwrap_or(branches.len());
        match stand {
            Stand::Waits => drop(self.waits(node)),
            _ => self.left(node, after, job, outer),
        }
        Ok(NodeStand::Inside(stand))
    }

    /// Notes, before the calls of nodes inside, the branches from a place on that have yet to be entered. Where the one
    /// before has waited, that has been decided: they are left out.
    fn left(&mut self, node: NodeIndex, next: usize, job: i64, outer: usize) {
        let branches = &self.past.graph.node(node).branches;
        let before = next.checked_sub(1).map(|place| branches[place].1);
        let has_waited = before.is_some_and(|before| self.past.has_waited(node, before, job, &self.way));
        if !has_waited && (next < branches.len() || self.past.graph.has_unknown()) {
            self.calls.insert(outer, Call { node, next: Some((next, JobId(job))) });
        }
    }

    /// The statuses of the branches that have ended, as far as the node has heard of them.
    fn statuses(&self, job: i64, count: usize) -> Vec<Option<i32>> {
        let result = self.past.result(job);
        let items = result.as_array().map(|array| array.items().to_vec()).unwrap_or_default();
        let status = |place: usize| items.get(place)?.as_number().map(|status| status as i32);
        (0..count).map(status).collect()
    }

    /// The branch that has failed last, which is what has made the node fail.
    fn last_failure(
        &self,
        node: NodeIndex,
        branches: &[(i32, NodeIndex)],
        statuses: &[Option<i32>],
        job: i64,
    ) -> Option<usize> {
        let failed =
            (0..branches.len()).filter(|place| statuses[*place].is_some_and(|status| status < PENDING));
        failed.max_by_key(|place| (self.past.last_end(node, branches[*place].1, job), *place))
    }

    /// The job with which a branch has ended; none while something in it is pending.
    fn end_of(&self, branch: NodeIndex, since: i64) -> Option<i64> {
        let (mut at, mut since) = (branch, since);
        loop {
            let (job, _) = self.past.newest(at, since)?;
            let place = self.past.graph.node(at);
            let status = self.past.row(job).status;
            if matches!(place.type_name.as_str(), "condition" | "multi-conditions")
                && let Some(first) = self.entered(at, job)
            {
                let end = self.end_of(first, job)?;
                if self.past.row(end).status != RESOLVED {
                    return Some(end);
                }
            }
            match (status, place.downstream) {
                (PENDING, _) => return None,
                (RESOLVED, Some(downstream)) => (at, since) = (downstream, job),
                _ => return Some(job),
            }
        }
    }
}
