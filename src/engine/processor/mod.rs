//! Runs one execution: performs what its [`Run`] asks for, and tells it what came of it.

mod broken;
mod cut_off;
mod host;
mod pause;
mod recording;
mod told;
mod transaction;
mod transactions;
mod waiting;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use self::cut_off::CutOff;
use self::host::Host;
use self::transactions::Transactions;
use self::waiting::Works;
use super::execution::{Absence, Execution};
use super::run::event::{Cut, Effect, Event, How, Moment, What};
use super::run::record::{Terms, record_of};
use super::run::workflow::Workflow;
use super::run::{Ended, Run};
use super::schedule::running::Registration;
use super::schedule::workers::{Place, Worker};
use super::shared::Shared;
use super::watch::handover;
use crate::node::{Context, JobId, NodeIndex};
use crate::store::recorder::{LeaseChange, Record, RecordError, Written};
use crate::trace::Span;

/// Runs an execution until it ends, or waits for something that needs no process to remember it. One that has been
/// recorded and whose run could not be is run again later.
pub(super) async fn run(
    shared: &Arc<Shared>,
    execution: Execution,
    worker: Option<(Place, Worker)>,
    registration: Registration,
) -> Result<Ended, RecordError> {
    let (id, workflow, begun) = (execution.id, execution.workflow.clone(), Instant::now());
    let outcome = Processor::new(shared, &registration, &execution, worker).run(execution).await;
    match &outcome {
        Ok(ended) => {
            tracing::debug!(execution.id = id, execution.status = ended.status, "execution has run");
            told::execution_ended(shared, id, &workflow, ended.status, begun.elapsed());
        }
        Err(err) => broken::tell(shared, id, registration.has_row(), err),
    }
    outcome
}

struct Processor {
    shared: Arc<Shared>,
    workflow: Arc<Workflow>,
    expires_at: Option<DateTime<Utc>>,
    cut_off: CutOff,
    /// Set when a caller waits, or has waited, for the end.
    caller: Option<Absence>,
    /// The right to use the processor's time, while a run of an asynchronous workflow uses it.
    worker: Option<Worker>,
    /// Its place among those that do, or are about to.
    place: Option<Place>,
    works: Works,
    /// What nodes write until their jobs are recorded with it.
    transactions: Transactions,
    /// The execution, as traces tell it.
    trace: Span,
    /// What ends this run without a trace, found out where nothing else could be returned.
    broken: Option<RecordError>,
}

impl Processor {
    fn new(
        shared: &Arc<Shared>,
        registration: &Registration,
        execution: &Execution,
        worker: Option<(Place, Worker)>,
    ) -> Self {
        let expires_at = execution.expires_at;
        let (place, worker) = worker.unzip();
        Self {
            shared: shared.clone(),
            workflow: execution.workflow.clone(),
            expires_at,
            cut_off: CutOff::new(registration.aborted.clone(), expires_at, shared.ids.now()),
            caller: execution.caller.clone(),
            worker,
            place,
            works: Works::default(),
            transactions: Transactions::default(),
            trace: told::execution_begun(shared, execution),
            broken: None,
        }
    }

    async fn run(mut self, execution: Execution) -> Result<Ended, RecordError> {
        let Execution { id, workflow, context, unrecorded, start, request, hold, .. } = execution;
        // What is declared first is dropped last: after the run with its context.
        let _hold = hold;
        let mut run = Run::new(id, workflow, context, unrecorded);
        run.request = request;
        let mut event = Event::Begin(start);
        loop {
            event = match self.advance(&mut run, event)? {
                Effect::Node { node, input, how } => self.run_node(&mut run, node, input, how).await,
                Effect::Work { node, work } => self.work(node, work).await,
                Effect::Start { job, work, is_recorded } => {
                    self.works.add(job, work.done);
                    if is_recorded {
                        self.works.start();
                    }
                    Event::Done
                }
                Effect::Record(what) => self.record(&mut run, what).await?,
                Effect::Commit { node, job } => self.commit(&mut run, node, job).await?,
                Effect::CloseScopes => {
                    self.transactions.close_scopes().await;
                    Event::Done
                }
                Effect::Wait => self.wait(&mut run).await,
                Effect::Done => return Ok(told::ended(&mut self.trace, run.outcome())),
            };
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            // Other tasks get their turn in time.
            consume_budget().await;
        }
    }

    fn advance(&mut self, run: &mut Run, event: Event) -> Result<Effect, RecordError> {
        let cut = self.cut();
        let (shared, broken) = (&self.shared, &mut self.broken);
        let mut new_job_id = || {
            JobId(shared.ids.job_id().unwrap_or_else(|err| {
                *broken = Some(RecordError::Unavailable(err.to_string()));
                0
            }))
        };
        let mut moment = Moment {
            now: shared.ids.now(),
            new_job_id: &mut new_job_id,
            cut,
            is_in_scope: self.transactions.has_scope(),
            commits: self.transactions.is_to_commit(),
            shows_delays: shared.shows_delays(),
            hands_over: shared.hands_over(),
        };
        let effect = run.advance(event, &mut moment);
        self.broken.take().map_or(Ok(effect), Err)
    }

    async fn run_node(&mut self, run: &mut Run, node: NodeIndex, input: Option<JobId>, how: How) -> Event {
        let begun = Instant::now();
        let (runs, type_name) = (&self.workflow.graph.node(node).run, told::type_name(&self.workflow, node));
        let span = told::node_begun(&self.trace, &self.workflow, node, how);
        let mut host = Host {
            shared: &self.shared,
            execution_id: run.id,
            has_row: run.unrecorded.is_none(),
            has_caller: self.caller.is_some(),
            traceparent: span.traceparent(),
            transactions: &mut self.transactions,
            broken: &mut self.broken,
            restarted: how.restarted(),
        };
        let mut cx = Context::new(run, &mut host, node, input);
        let outcome = match (how, input) {
            (How::Resume, Some(job)) => self.cut_off.guard(runs.resume(&mut cx, job)).await,
            _ => self.cut_off.guard(runs.run(&mut cx)).await,
        };
        let outcome = told::node_ran(span, outcome);
        self.shared.metrics.node_ran(type_name, begun.elapsed());
        if !matches!(outcome, Some(Ok(_))) {
            self.transactions.roll_back().await;
        }
        match (outcome, how) {
            (Some(outcome), _) => Event::Ran { node, input, how, outcome },
            // The end of the segment finds that out.
            (None, How::Restart(_)) => Event::Done,
            (None, _) => Event::CutOff { node: Some(node) },
        }
    }

    async fn record(&mut self, run: &mut Run, what: What) -> Result<Event, RecordError> {
        let record = record_of(run, what, &self.terms(run));
        // The database does the rest: others may run meanwhile.
        if run.ended.is_some() {
            self.worker = None;
        }
        if let LeaseChange::Wait(lease) = &record.lease {
            self.shared.wake_at(lease.due_at);
        }
        let handovers = record.handovers.clone();
        self.write(run, record).await?;
        if !run.is_ended_elsewhere {
            handover::tell_at_once(&self.shared, handovers);
            if what == What::Position {
                self.works.start();
            }
        }
        Ok(Event::Done)
    }

    /// Writes a record and notes what became of it.
    async fn write(&mut self, run: &mut Run, record: Record) -> Result<(), RecordError> {
        match record.create {
            // Nobody but its caller knows of the execution, who is told when it cannot be recorded.
            Some(_) => {
                let written = self.shared.recorder.write_event(record).await?;
                self.note(run, written);
                Ok(())
            }
            None => self.write_known(run, record).await,
        }
    }

    fn note(&self, run: &mut Run, written: Written) {
        self.shared.running.recorded(run.id);
        run.is_ended_elsewhere |= written == Written::EndedElsewhere;
    }

    fn terms(&self, run: &Run) -> Terms {
        Terms {
            now: self.shared.ids.now(),
            expires_at: self.expires_at,
            stays: run.ended.is_none() && self.stays(run),
            shows_delays: self.shared.shows_delays(),
            has_api: self.shared.services.nocobase.is_some(),
            is_awaited: !self.caller.as_ref().is_some_and(Absence::is_absent),
        }
    }

    /// Why the run may not go on, if so. One whose caller has left long ago is over, too, where nothing but the run
    /// itself would change.
    fn cut(&self) -> Option<Cut> {
        let absence = self.caller.as_ref().map(Absence::duration).unwrap_or_default();
        let is_pointless =
            absence > self.shared.settings.abandon_after && self.workflow.graph.changes_nothing();
        self.cut_off.reached().or_else(|| is_pointless.then_some(Cut::Late))
    }
}
