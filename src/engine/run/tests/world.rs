//! Performs what a run asks for, in memory, and shows the run to its nodes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use entity::status::job::{ERROR, RESOLVED};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::{DatabaseTransaction, IsolationLevel};

use super::super::event::{Cut, Effect, Event, How, Moment, What};
use super::super::record::{Terms, record_of};
use super::super::restore::Start;
use super::super::workflow::Workflow;
use super::super::{Ended, Run};
use super::tables::Tables;
use super::workflows::MAX_ROUNDS;
use crate::expr::{Scope, Thrown, Value};
use crate::node::{self, Call, Called, Context, JobId, NodeIndex, Services, Settled};
use crate::script::{Limits, Pool};

/// More effects than any of the workflows below has.
const MAX_EFFECTS: usize = 20_000;

/// What a node says that is made to throw.
const FAILS: &str = "made to fail";

static SCRIPTS: LazyLock<Arc<Pool>> = LazyLock::new(|| Arc::new(Pool::new(Limits::default())));

/// How a world treats the runs in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// Records before each node, and keeps what the database has at these moments.
    pub(super) records_all: bool,
    /// Nobody waits: runs that wait for a time leave memory.
    pub(super) leaves: bool,
    pub(super) shows_delays: bool,
    /// Ends the run from outside after so many effects.
    pub(super) cut_after: Option<usize>,
    /// Which node or work throws whatever it is, counted from 0.
    pub(super) fails_at: Option<usize>,
    /// No work fails by itself.
    pub(super) is_sound: bool,
}

/// Performs the effects of one execution.
pub(super) struct World {
    pub(super) workflow: Arc<Workflow>,
    pub(super) habits: Habits,
    pub(super) now: DateTime<Utc>,
    pub(super) last_id: i64,
    pub(super) tables: Tables,
    /// What the database has had at each record from which another instance could go on.
    pub(super) history: Vec<(Tables, DateTime<Utc>, i64)>,
    pub(super) works: BTreeMap<JobId, Settled>,
    pub(super) is_cut: bool,
    pub(super) effects: usize,
    /// How many nodes and works could have thrown.
    pub(super) chances: usize,
    pub(super) ran: HashMap<(NodeIndex, Option<JobId>), usize>,
    pub(super) resumed: HashMap<(NodeIndex, JobId), usize>,
}

impl World {
    pub(super) fn new(workflow: Arc<Workflow>, habits: Habits) -> Self {
        Self {
            workflow,
            habits,
            now: DateTime::from_timestamp_millis(1_800_000_000_000).expect("a time"),
            last_id: 0,
            tables: Tables::default(),
            history: Vec::new(),
            works: BTreeMap::new(),
            is_cut: false,
            effects: 0,
            chances: 0,
            ran: HashMap::new(),
            resumed: HashMap::new(),
        }
    }

    /// Runs the execution to its end, in as many runs as it takes.
    pub(super) fn end(&mut self, start: Start) -> Ended {
        let mut start = start;
        loop {
            self.works.clear();
            let mut run = Run::new(7, self.workflow.clone(), Value::Null, None);
            self.perform(&mut run, Event::Begin(start));
            let ended = run.outcome();
            if ended.status != 0 {
                return ended;
            }
            // It has left memory, and is taken up again when its time comes.
            let due = self.tables.timers.values().map(|timer| timer.due_at).min();
            self.now = self.now.max(time(due.expect("a run that leaves waits for a time")));
            start = self.tables.recorded();
        }
    }

    pub(super) fn perform(&mut self, run: &mut Run, event: Event) {
        let mut event = event;
        loop {
            self.effects += 1;
            assert!(self.effects < MAX_EFFECTS, "the run does not end");
            self.is_cut |= self.habits.cut_after.is_some_and(|after| self.effects > after);
            let effect = self.advance(run, event);
            event = match effect {
                Effect::Node { node, input, how } => self.run_node(run, node, input, how),
                Effect::Work { node, .. } => Event::Worked { node, settled: self.settled(node) },
                Effect::Start { job, .. } => {
                    let settled = self.settled(run.journal.job(job).node);
                    self.works.insert(job, settled);
                    Event::Done
                }
                Effect::Record(what) => {
                    self.record(run, what);
                    Event::Done
                }
                Effect::Wait => self.wait(run),
                Effect::Done => return,
                Effect::Commit { .. } | Effect::CloseScopes => panic!("nothing opens transactions here"),
            };
        }
    }

    pub(super) fn advance(&mut self, run: &mut Run, event: Event) -> Effect {
        let last = &mut self.last_id;
        let mut new_job_id = || {
            *last += 1;
            JobId(*last)
        };
        let mut moment = Moment {
            now: self.now,
            new_job_id: &mut new_job_id,
            cut: self.is_cut.then_some(Cut::Late),
            is_in_scope: false,
            commits: false,
            shows_delays: self.habits.shows_delays,
            hands_over: false,
        };
        run.advance(event, &mut moment)
    }

    fn run_node(&mut self, run: &mut Run, node: NodeIndex, input: Option<JobId>, how: How) -> Event {
        // A job that waits has nothing to be found again by between its time and its node's turn.
        let resumes_own = input.is_some_and(|job| run.journal.job(job).node == node);
        if self.habits.records_all && !resumes_own && !matches!(how, How::Restart(_)) {
            self.record(run, What::Position);
        }
        match (how, input) {
            (How::Run, input) => *self.ran.entry((node, input)).or_default() += 1,
            (How::Resume, Some(job)) => *self.resumed.entry((node, job)).or_default() += 1,
            _ => {}
        }
        if how == How::Run && self.fails() {
            return Event::Ran { node, input, how, outcome: Err(Thrown::error(FAILS)) };
        }
        let workflow = self.workflow.clone();
        let runs = &workflow.graph.node(node).run;
        let mut host = Host { world: self, restarted: how.restarted() };
        let mut cx = Context::new(run, &mut host, node, input);
        let outcome = match (how, input) {
            (How::Resume, Some(job)) => runs.resume(&mut cx, job).now_or_never(),
            _ => runs.run(&mut cx).now_or_never(),
        };
        Event::Ran { node, input, how, outcome: outcome.expect("no node waits here") }
    }

    /// Whether what comes next throws.
    fn fails(&mut self) -> bool {
        self.chances += 1;
        self.habits.fails_at == Some(self.chances - 1)
    }

    /// How the work of a node ends.
    fn settled(&mut self, node: NodeIndex) -> Settled {
        if self.fails() {
            return Thrown::error(FAILS).into();
        }
        let id = self.workflow.graph.node(node).id;
        let status = if id % 4 == 0 && !self.habits.is_sound { ERROR } else { RESOLVED };
        Settled { status, result: Value::Number(id as f64) }
    }

    fn record(&mut self, run: &mut Run, what: What) {
        let terms = Terms {
            now: self.now,
            expires_at: None,
            stays: run.waits.has_work() || !self.habits.leaves,
            shows_delays: self.habits.shows_delays,
            has_api: false,
            is_awaited: true,
        };
        let record = record_of(run, what, &terms);
        if what == What::Leaving {
            return;
        }
        self.tables.write(record);
        if self.tables.status == 0 {
            self.history.push((self.tables.clone(), self.now, self.last_id));
        }
    }

    fn wait(&mut self, run: &Run) -> Event {
        assert!(!run.waits.is_empty(), "the run waits for nothing");
        if !run.waits.is_resident {
            return Event::Leave;
        }
        if self.is_cut {
            return Event::CutOff { node: None };
        }
        if let Some((job, settled)) = self.works.pop_first() {
            return Event::Settled(job, settled);
        }
        let (job, due_at) = run.waits.first_timer().expect("work is under way, or a time is awaited");
        self.now = self.now.max(time(due_at));
        Event::Due(job)
    }

    /// No step has been taken twice: each node runs, and hears of each job, once. Within loops it may do so once for
    /// each round: what a round has left behind ends under the newest jobs of the nodes around it, as in NocoBase
    /// (`findBranchParentJob` of `Processor.ts`).
    pub(super) fn check_steps(&self) {
        for ((node, input), count) in &self.ran {
            self.check_step(*node, *count, &format!("runs after {input:?}"));
        }
        for ((node, job), count) in &self.resumed {
            self.check_step(*node, *count, &format!("resumes with {job:?}"));
        }
    }

    fn check_step(&self, node: NodeIndex, count: usize, step: &str) {
        let graph = &self.workflow.graph;
        let around = graph.upwards(graph.node(node).parent);
        let loops = around.filter(|around| graph.node(*around).type_name == "loop").count();
        let limit = usize::from(MAX_ROUNDS).pow(loops as u32);
        assert!(count <= limit, "{} {step} {count} times", graph.node(node).key);
    }
}

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).expect("a time")
}

/// What nodes see of a world.
struct Host<'a> {
    world: &'a mut World,
    restarted: Option<JobId>,
}

impl node::Host for Host<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.world.now
    }
    fn new_job_id(&mut self) -> JobId {
        self.world.last_id += 1;
        JobId(self.world.last_id)
    }
    fn restarted(&self) -> Option<JobId> {
        self.restarted
    }
    fn around(&self) -> Scope {
        Scope::of_context(Value::Null)
    }
    fn loop_limit(&self) -> Option<u64> {
        None
    }
    fn number_loop_limit(&self) -> u64 {
        1_000
    }
    fn services(&self) -> &Services {
        panic!("no node here uses services")
    }
    fn scripts(&self) -> &Arc<Pool> {
        &SCRIPTS
    }
    fn call(&mut self, _call: Call) -> BoxFuture<'_, Result<Called, Thrown>> {
        panic!("no node here calls workflows")
    }
    fn transaction(&mut self) -> BoxFuture<'_, Result<&DatabaseTransaction, Thrown>> {
        panic!("no node here writes")
    }
    fn is_in_scope(&self) -> bool {
        false
    }
    fn scope_transaction(&self, _source: &str) -> Option<&DatabaseTransaction> {
        None
    }
    fn open_scope<'a>(
        &'a mut self,
        _source: &'a str,
        _elsewhere: Option<node::Elsewhere>,
        _isolation: Option<IsolationLevel>,
    ) -> BoxFuture<'a, Result<(), Thrown>> {
        panic!("there are no transaction nodes here")
    }
    fn commit_scope(&mut self) {}
    fn roll_back_scope(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
