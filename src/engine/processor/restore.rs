//! Where a run begins: at the first node, or where an earlier run has come to.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::status::execution::ERROR;
use entity::status::job::RESOLVED;
use entity::timer;

use super::Processor;
use super::cut_off::until_cut_off;
use crate::engine::run::journal::{Left as LeftJob, Owner};
use crate::engine::run::position::Position;
use crate::engine::run::step::Step;
use crate::engine::run::{Left, Start};
use crate::node::{Context, JobId, NodeIndex, Outcome, Settled};
use crate::store::job::NewestJob;
use crate::store::recorder::RecordError;

impl Processor {
    /// The first step of this run; none when the execution goes on waiting.
    pub async fn begin(&mut self) -> Result<Option<Step>, RecordError> {
        match std::mem::replace(&mut self.execution.start, Start::Fresh) {
            Start::At(left) => self.restore(left).await,
            Start::Over => {
                self.replaces_jobs = true;
                Ok(Some(self.first_step()))
            }
            Start::Fresh => Ok(Some(self.first_step())),
        }
    }

    fn first_step(&self) -> Step {
        let graph = &self.execution.workflow.graph;
        match graph.head() {
            Some(head) => Step::Run { node: head, input: None },
            None if graph.is_empty() => Step::Finish { status: RESOLVED },
            // Nodes without a first one: NocoBase ends such an execution as an error, without a job.
            None => Step::Finish { status: ERROR },
        }
    }

    async fn restore(&mut self, left: Left) -> Result<Option<Step>, RecordError> {
        let graph = &self.execution.workflow.clone().graph;
        let Some((step, calls)) = Position::parse(&left.position, graph) else {
            tracing::error!(execution.id = self.execution.id, "the place of a run does not fit its workflow");
            return Ok(Some(Step::Finish { status: ERROR }));
        };
        self.calls = calls;
        // The lease is this instance's now.
        self.waits.is_resident = true;
        for timer in &left.timers {
            self.waits.add_timer(JobId(timer.job_id), timer.due_at, true);
        }
        let left = self.jobs_left(left.jobs, left.timers);
        if let Some(newest) = left.last() {
            self.engine.ids.pass_job(newest.id.0);
        }
        self.journal.restore(left);
        // A branching node waits for its branches; other pending jobs wait for work that is gone.
        let is_stranded = |(job, node): &(JobId, NodeIndex)| {
            graph.node(*node).branches.is_empty() && !self.waits.has_timer(*job)
        };
        for (job, node) in self.journal.pending().into_iter().filter(is_stranded).collect::<Vec<_>>() {
            match graph.node(node).is_known || !self.engine.hands_over() {
                true => self.restart(job, node).await,
                false => self.waits.hand_over(job),
            }
        }
        if step.is_some() {
            // What they do has been recorded as pending already.
            self.waits.start_works();
        }
        Ok(step)
    }

    /// The newest job of each node, and all that wait for a time without a row; by id.
    fn jobs_left(&self, rows: Vec<NewestJob>, timers: Vec<timer::Model>) -> Vec<LeftJob> {
        let graph = &self.execution.workflow.graph;
        let owner = |node_id: i64| {
            let index = graph.find_id(node_id)?;
            Some(Owner { index, id: node_id, key: graph.node(index).key.as_str().into() })
        };
        let hidden: Vec<timer::Model> = timers.into_iter().filter(|timer| !timer.is_visible).collect();
        let mut runs: HashMap<i64, u32> =
            rows.iter().map(|newest| (newest.row.node_id.unwrap_or_default(), newest.runs)).collect();
        for timer in &hidden {
            *runs.entry(timer.node_id).or_default() += 1;
        }
        let recorded = rows.into_iter().filter_map(|NewestJob { row, .. }| {
            let node_id = row.node_id.unwrap_or_default();
            Some(LeftJob {
                id: JobId(row.id),
                owner: owner(node_id)?,
                runs: runs[&node_id],
                upstream: row.upstream_id.map(JobId),
                status: row.status.unwrap_or_default(),
                result: row.result.map(|json| json.0),
                meta: row.meta.map(|json| json.0),
                hidden_since: None,
            })
        });
        let waiting = hidden.into_iter().filter_map(|timer| {
            let since = DateTime::<Utc>::from_timestamp_millis(timer.created_at).unwrap_or_default();
            Some(LeftJob {
                id: JobId(timer.job_id),
                owner: owner(timer.node_id)?,
                runs: runs[&timer.node_id],
                upstream: timer.upstream_id.map(JobId),
                status: entity::status::job::PENDING,
                result: timer.result,
                meta: None,
                hidden_since: Some(since),
            })
        });
        let mut left: Vec<LeftJob> = recorded.chain(waiting).collect();
        left.sort_unstable_by_key(|job| job.id);
        left
    }

    /// Begins the work of a pending job anew, by running its node once more. The job stays the same.
    async fn restart(&mut self, job: JobId, node: NodeIndex) {
        let workflow = self.execution.workflow.clone();
        let runs = &workflow.graph.node(node).run;
        let (aborted, time_left) = (self.aborted.clone(), self.time_left());
        self.is_restarting = true;
        let input = self.journal.upstream(job);
        let mut cx = Context::new(self, node, input);
        let outcome = until_cut_off(runs.run(&mut cx), &aborted, time_left).await;
        self.is_restarting = false;
        match outcome {
            Some(Ok(Outcome::Background(work))) => self.waits.add_work(job, work.done),
            Some(Ok(Outcome::Sleep { duration, .. })) => {
                let due_at = self.engine.ids.now() + duration;
                self.waits.add_timer(job, due_at.timestamp_millis(), false);
            }
            Some(Ok(Outcome::Finished(draft))) => self.settle_at_once(job, draft.status, draft.result),
            Some(Err(thrown)) => {
                let Settled { status, result } = thrown.into();
                self.settle_at_once(job, status, result);
            }
            // Nothing will resume it: the end of the segment finds that out.
            Some(Ok(_)) | None => {}
        }
    }
}
