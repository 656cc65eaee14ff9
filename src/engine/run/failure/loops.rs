//! Loops around a failure.

use entity::status::job::PENDING;

use super::unclear::Unclear;
use super::walk::{NodeStand, Stand, Walk};
use crate::engine::run::step::Step;
use crate::expr::{Value, json};
use crate::node::{JobId, NodeIndex};

impl Walk<'_> {
    /// A loop that has failed or has not ended.
    pub(super) fn rounds(&mut self, node: NodeIndex, job: i64) -> Result<NodeStand, Unclear> {
        let result = self.past.result(job);
        let has_failed = self.past.row(job).status != PENDING;
        let Some((_, first)) = self.past.graph.node(node).branches.first().copied() else {
            return Ok(NodeStand::Failed);
        };
        let looped = result.member("looped").as_number().unwrap_or_default();
        if result.member("exceeded").is_truthy() {
            self.is_found = true;
            self.put_back(job, &result, looped);
            return Ok(NodeStand::Inside(Stand::At(Step::Resume { node, branch_job: JobId(job) })));
        }
        let Some((newest, rounds)) = self.past.newest(first, job) else {
            // Its target or its first condition has failed, or it was aborted while that was evaluated.
            let is_itself = has_failed || self.past.cut == Some(node);
            let run = Step::Run { node: first, input: Some(JobId(job)) };
            return Ok(if is_itself { NodeStand::Failed } else { NodeStand::Inside(Stand::At(run)) });
        };
        // Rounds that are skipped are counted, too: with any of them nobody knows whether this one has been.
        let is_uncounted = looped == rounds as f64 - 1.0;
        let is_counted = looped == rounds as f64 && !self.past.graph.node(node).run.skips_rounds();
        let next_round = Stand::At(Step::Run { node: first, input: Some(JobId(job)) });
        if self.past.cut == Some(first) && is_counted {
            return Ok(NodeStand::Inside(next_round));
        }
        if self.past.cut == Some(first) && !is_uncounted {
            return self.between(node);
        }
        if self.past.was_settled(first, newest) {
            let resume = Step::Resume { node: first, branch_job: JobId(newest) };
            return Ok(NodeStand::Inside(Stand::At(resume)));
        }
        let ended = match self.inside(node, first, job, newest - 1)? {
            Stand::Ended(_) if has_failed => return self.between(node),
            Stand::Ended(ended) => ended,
            stand => {
                if has_failed {
                    // A round that fails is counted as one that was begun, not as one that was done.
                    self.put_back(job, &result, looped - 1.0);
                }
                return Ok(NodeStand::Inside(stand));
            }
        };
        match (is_uncounted, is_counted) {
            (true, _) => Ok(NodeStand::Inside(Stand::At(Step::Resume { node, branch_job: JobId(ended) }))),
            (_, true) => Ok(NodeStand::Inside(next_round)),
            _ => self.between(node),
        }
    }

    fn between(&self, node: NodeIndex) -> Result<NodeStand, Unclear> {
        Err(Unclear::Between(self.past.key(node)))
    }

    /// Makes a loop's job pending again, with as many rounds as it had before.
    fn put_back(&mut self, job: i64, result: &Value, looped: f64) {
        let counts = [("looped", Value::Number(looped)), ("done", result.member("done"))];
        if let Some(row) = self.past.row_mut(job) {
            (row.status, row.result) = (PENDING, json::stringify(&Value::object(counts)).map(Into::into));
        }
    }
}
