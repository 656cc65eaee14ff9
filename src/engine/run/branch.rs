//! The branches that a node enters, one or one after the other, and nodes that nobody can run.

use super::Run;
use super::event::{Effect, How, Moment};
use super::position::Call;
use super::step::Step;
use crate::expr::Thrown;
use crate::node::{JobId, NodeIndex};

impl Run {
    /// Reports a node of an unknown type: to the innermost node that has called into a branch, as in NocoBase,
    /// or as the job of the node itself, where NocoBase leaves the execution started for ever.
    pub(super) fn reject(&mut self, node: NodeIndex, moment: &mut Moment<'_>) -> Option<Effect> {
        let place = self.workflow.graph.node(node);
        let text = format!("instruction [{}] not found for node (#{})", place.type_name, place.id);
        let told = self.calls.pop().map_or(node, |call| call.node);
        self.has_run(told, None, How::Run, Err(Thrown::error(text)), moment)
    }

    /// Enters a branch.
    pub(super) fn enter(&mut self, node: NodeIndex, branch: NodeIndex, input: JobId) {
        if self.workflow.graph.has_unknown() {
            self.calls.push(Call { node, next: None });
        }
        self.next = Some(Step::Run { node: branch, input: Some(input) });
    }

    /// Enters the branch at a place; the ones after it are left for later.
    pub(super) fn enter_next(&mut self, node: NodeIndex, input: JobId, place: usize) -> Step {
        let graph = &self.workflow.graph;
        let branches = &graph.node(node).branches;
        let Some((_, branch)) = branches.get(place) else { return Step::Unwind };
        if place + 1 < branches.len() || graph.has_unknown() {
            self.calls.push(Call { node, next: Some((place + 1, input)) });
        }
        Step::Run { node: *branch, input: Some(input) }
    }

    /// Goes on with the innermost parallel node that has branches left.
    pub(super) fn unwind(&mut self) -> Option<Step> {
        let Call { node, next } = self.calls.pop()?;
        let Some((next, input)) = next else { return Some(Step::Unwind) };
        // NocoBase would start the branch even after the node has settled, when a loop around it went on.
        if !self.journal.is_pending(input) {
            return Some(Step::Unwind);
        }
        let place = self.workflow.graph.node(node);
        let entered = place.branches.get(next - 1);
        let last = entered.and_then(|(_, branch)| self.last_status_on(*branch));
        let goes_on = last.is_some_and(|status| place.run.enters_next(status));
        Some(if goes_on { self.enter_next(node, input, next) } else { Step::Unwind })
    }

    /// The status of the newest job on the line of a branch, not counting branches within it.
    fn last_status_on(&self, branch: NodeIndex) -> Option<i32> {
        let line = self.workflow.graph.line(branch);
        let newest = line.filter_map(|node| self.journal.newest(node)).max();
        newest.map(|job| self.journal.job(job).status)
    }
}
