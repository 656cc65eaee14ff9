//! Runs without a database: a world in memory performs what they ask for. Workflows are made up at random.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use entity::status::job::{ABORTED, ERROR, FAILED, PENDING, RESOLVED};
use entity::{JsonText, flow_node, job, timer};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use sea_orm::{DatabaseTransaction, IsolationLevel};

use super::event::{Cut, Effect, Event, How, Moment, What};
use super::graph::Graph;
use super::position::Position;
use super::record::{Terms, record_of};
use super::restore::{Recorded, Start};
use super::workflow::{Options, Workflow};
use super::{Ended, Run};
use crate::expr::{Live, Scope, Thrown, Value};
use crate::node::{self, Context, Draft, Job, JobId, NodeIndex, Services, Settled};
use crate::script::{Limits, Pool};
use crate::store::left::LeftJob;
use crate::store::recorder::{LeaseChange, Record};

/// More effects than any of the workflows below has.
const MAX_EFFECTS: usize = 20_000;
/// Rounds of a loop at most.
const MAX_ROUNDS: u8 = 4;

static SCRIPTS: LazyLock<Arc<Pool>> = LazyLock::new(|| Arc::new(Pool::new(Limits::default())));

/// A node of a made-up workflow, with its branches.
#[derive(Clone, Debug)]
enum Piece {
    Value,
    Output,
    /// A node that throws.
    Throw,
    /// A condition that fails the line that it is on.
    Reject,
    /// Work in the background, which fails or not by the id of its node.
    Work,
    Delay(u8),
    End(i32),
    Condition(bool, Vec<Piece>, Vec<Piece>),
    Conditions(u8, bool, Vec<Vec<Piece>>),
    Parallel(&'static str, Vec<Vec<Piece>>),
    Loop(u8, u8, Vec<Piece>),
}

fn line() -> impl Strategy<Value = Vec<Piece>> {
    let leaf = prop_oneof![
        4 => Just(Piece::Value),
        1 => Just(Piece::Output),
        1 => Just(Piece::Throw),
        1 => Just(Piece::Reject),
        3 => Just(Piece::Work),
        2 => (1..5_u8).prop_map(Piece::Delay),
        1 => prop_oneof![Just(1), Just(-1)].prop_map(Piece::End),
    ];
    let piece = leaf.prop_recursive(3, 24, 3, |inner| {
        let line = prop::collection::vec(inner, 0..4);
        let lines = prop::collection::vec(line.clone(), 1..4);
        let mode = prop_oneof![Just("all"), Just("any"), Just("race"), Just("allSettled")];
        prop_oneof![
            1 => (any::<bool>(), line.clone(), line.clone())
                .prop_map(|(truth, yes, no)| Piece::Condition(truth, yes, no)),
            1 => (0..4_u8, any::<bool>(), lines.clone())
                .prop_map(|(meant, goes_on, lines)| Piece::Conditions(meant, goes_on, lines)),
            3 => (mode, lines).prop_map(|(mode, lines)| Piece::Parallel(mode, lines)),
            3 => (0..=MAX_ROUNDS, 0..3_u8, line).prop_map(|(rounds, exit, line)| Piece::Loop(rounds, exit, line)),
        ]
    });
    prop::collection::vec(piece, 1..5)
}

/// A line of nodes in a branch, by its `branchIndex`.
type Branch<'a> = (i32, &'a Vec<Piece>);

/// The type of a node, its configuration and its branches.
fn node_of(piece: &Piece, id: i64) -> (&'static str, String, Vec<Branch<'_>>) {
    let truth = |truth: bool| {
        let right = if truth { 1 } else { 2 };
        format!(r#"{{"calculator":"equal","operands":[1,{right}]}}"#)
    };
    match piece {
        Piece::Value => ("variable", format!(r#"{{"value":"{id}"}}"#), vec![]),
        Piece::Output => ("output", format!(r#"{{"value":{id}}}"#), vec![]),
        Piece::Throw => ("variable", r#"{"value":1,"target":"nobody"}"#.to_owned(), vec![]),
        Piece::Reject => {
            ("condition", format!(r#"{{"rejectOnFalse":true,"calculation":{}}}"#, truth(false)), vec![])
        }
        Piece::Work => ("script", r#"{"content":"return 1"}"#.to_owned(), vec![]),
        Piece::Delay(time) => ("delay", format!(r#"{{"duration":{time},"unit":10,"endStatus":1}}"#), vec![]),
        Piece::End(status) => ("end", format!(r#"{{"endStatus":{status}}}"#), vec![]),
        Piece::Condition(holds, yes, no) => {
            ("condition", format!(r#"{{"calculation":{}}}"#, truth(*holds)), vec![(1, yes), (0, no)])
        }
        Piece::Conditions(meant, goes_on, lines) => {
            let conditions: Vec<String> = (1..lines.len().max(2) as u8)
                .map(|i| format!(r#"{{"calculation":{}}}"#, truth(i == *meant)))
                .collect();
            let config =
                format!(r#"{{"continueOnNoMatch":{goes_on},"conditions":[{}]}}"#, conditions.join(","));
            ("multi-conditions", config, (0..).zip(lines).collect())
        }
        Piece::Parallel(mode, lines) => {
            ("parallel", format!(r#"{{"mode":"{mode}"}}"#), (1..).zip(lines).collect())
        }
        Piece::Loop(rounds, exit, line) => {
            ("loop", format!(r#"{{"target":{rounds},"exit":{exit}}}"#), vec![(0, line)])
        }
    }
}

/// Adds the nodes of a line to the rows of a workflow.
fn lay(line: &[Piece], owner: Option<(i64, i32)>, rows: &mut Vec<flow_node::Model>) {
    let mut before: Option<usize> = None;
    for piece in line {
        let place = rows.len();
        let id = 10 + place as i64;
        let (kind, config, branches) = node_of(piece, id);
        let (upstream_id, branch_index) = match (before, owner) {
            (Some(before), _) => (Some(rows[before].id), None),
            (None, Some((owner, branch))) => (Some(owner), Some(branch)),
            (None, None) => (None, None),
        };
        rows.push(flow_node::Model {
            id,
            key: Some(format!("n{id}")),
            title: None,
            upstream_id,
            branch_index,
            downstream_id: None,
            r#type: Some(kind.to_owned()),
            config: Some(JsonText(config)),
            workflow_id: Some(1),
        });
        if let Some(before) = before {
            rows[before].downstream_id = Some(id);
        }
        for (branch, line) in branches {
            lay(line, Some((id, branch)), rows);
        }
        before = Some(place);
    }
}

fn workflow(line: &[Piece], is_sync: bool) -> Arc<Workflow> {
    let mut rows = Vec::new();
    lay(line, None, &mut rows);
    let (key, title, options) = ("w".to_owned(), String::new(), Options::default());
    Arc::new(Workflow { id: 1, key, title, is_sync, options, graph: Graph::build(&rows) })
}

/// What the database has.
#[derive(Clone, Default)]
struct Tables {
    jobs: BTreeMap<i64, job::Model>,
    timers: BTreeMap<i64, timer::Model>,
    position: Option<String>,
    status: i32,
    output: Option<String>,
}

impl Tables {
    fn write(&mut self, record: Record) {
        let json = |text: Option<String>| text.map(JsonText);
        for row in record.new_jobs {
            let known = self.jobs.insert(
                row.id,
                job::Model {
                    id: row.id,
                    execution_id: Some(row.execution_id),
                    node_id: Some(row.node_id),
                    node_key: Some(row.node_key),
                    upstream_id: row.upstream_id,
                    status: Some(row.status),
                    meta: json(row.meta),
                    result: json(row.result),
                },
            );
            assert!(known.is_none(), "a job is inserted twice");
        }
        for row in record.job_updates {
            let known = self.jobs.get_mut(&row.id).expect("a job that is changed is there");
            (known.status, known.result, known.meta) = (Some(row.status), json(row.result), json(row.meta));
        }
        for row in record.timers {
            self.timers.insert(row.job_id, row);
        }
        for job in record.ended_timers {
            self.timers.remove(&job);
        }
        if let LeaseChange::Take(lease) | LeaseChange::Wait(lease) = record.lease {
            self.position = lease.position;
        }
        let update = record.update.expect("the execution has a row");
        self.status = update.status.unwrap_or(self.status);
        if let Some(output) = update.output {
            self.output = output;
        }
    }

    /// What the store gives of it.
    fn recorded(&self) -> Start {
        let position = Position::parse(self.position.as_deref().expect("a position")).expect("its text");
        let named = position.jobs();
        let mut runs: HashMap<Option<i64>, u32> = HashMap::new();
        let mut newest: HashMap<Option<i64>, i64> = HashMap::new();
        let mut numbered = Vec::new();
        for row in self.jobs.values() {
            newest.insert(row.node_id, row.id);
            let run = runs.entry(row.node_id).or_default();
            *run += 1;
            numbered.push(LeftJob { row: row.clone(), run: *run });
        }
        let is_pending = |row: &job::Model| row.status == Some(PENDING);
        let before: HashSet<i64> =
            self.jobs.values().filter(|row| is_pending(row)).filter_map(|row| row.upstream_id).collect();
        numbered.retain(|LeftJob { row, .. }| {
            let is_needed = is_pending(row) || named.contains(&row.id) || before.contains(&row.id);
            is_needed || newest[&row.node_id] == row.id
        });
        let timers = self.timers.values().cloned().collect();
        Start::At(Recorded { position: Some(position), jobs: numbered, timers })
    }

    /// What NocoBase's screens show of it, with the places of jobs for their ids.
    fn shown(&self) -> (i32, Option<String>, Vec<String>) {
        let places: HashMap<i64, usize> = self.jobs.keys().enumerate().map(|(i, id)| (*id, i)).collect();
        let text = |json: &Option<JsonText>| json.as_ref().map_or("null".to_owned(), |json| json.0.clone());
        let job = |row: &job::Model| {
            let upstream = row.upstream_id.map(|id| places[&id]);
            let key = row.node_key.clone().unwrap_or_default();
            format!("{key} {:?} {} {} {upstream:?}", row.status, text(&row.result), text(&row.meta))
        };
        (self.status, self.output.clone(), self.jobs.values().map(job).collect())
    }
}

/// How a world treats the runs in it.
#[derive(Clone, Copy, Debug, Default)]
struct Habits {
    /// Records before each node, and keeps what the database has at these moments.
    records_all: bool,
    /// Nobody waits: runs that wait for a time leave memory.
    leaves: bool,
    shows_delays: bool,
    /// Ends the run from outside after so many effects.
    cut_after: Option<usize>,
}

/// Performs the effects of one execution.
struct World {
    workflow: Arc<Workflow>,
    habits: Habits,
    now: DateTime<Utc>,
    last_id: i64,
    tables: Tables,
    /// What the database has had at each record from which another instance could go on.
    history: Vec<(Tables, DateTime<Utc>, i64)>,
    works: BTreeMap<JobId, Settled>,
    is_cut: bool,
    effects: usize,
    ran: HashMap<(NodeIndex, Option<JobId>), usize>,
    resumed: HashSet<(NodeIndex, JobId)>,
}

impl World {
    fn new(workflow: Arc<Workflow>, habits: Habits) -> Self {
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
            ran: HashMap::new(),
            resumed: HashSet::new(),
        }
    }

    /// Runs the execution to its end, in as many runs as it takes.
    fn end(&mut self, start: Start) -> Ended {
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

    fn perform(&mut self, run: &mut Run, event: Event) {
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
                    self.works.insert(job, self.settled(run.journal.job(job).node));
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

    fn advance(&mut self, run: &mut Run, event: Event) -> Effect {
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
            (How::Resume, Some(job)) => assert!(self.resumed.insert((node, job)), "{node:?} resumes twice"),
            _ => {}
        }
        let workflow = self.workflow.clone();
        let runs = &workflow.graph.node(node).run;
        let mut host = Host { run, world: self, restarted: how.restarted() };
        let mut cx = Context::new(&mut host, node, input);
        let outcome = match (how, input) {
            (How::Resume, Some(job)) => runs.resume(&mut cx, job).now_or_never(),
            _ => runs.run(&mut cx).now_or_never(),
        };
        Event::Ran { node, input, how, outcome: outcome.expect("no node waits here") }
    }

    /// How the work of a node ends.
    fn settled(&self, node: NodeIndex) -> Settled {
        let id = self.workflow.graph.node(node).id;
        let status = if id % 4 == 0 { ERROR } else { RESOLVED };
        Settled { status, result: Value::Number(id as f64) }
    }

    fn record(&mut self, run: &mut Run, what: What) {
        let terms = Terms {
            now: self.now,
            expires_at: None,
            stays: run.waits.has_work() || !self.habits.leaves,
            shows_delays: self.habits.shows_delays,
            has_api: false,
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

    /// No step has been taken twice: each node runs once for each job before it, the first one of a loop once for
    /// each round.
    fn check_steps(&self) {
        for ((node, input), count) in &self.ran {
            let place = self.workflow.graph.node(*node);
            let is_in_loop = place.parent.is_some_and(|parent| {
                let parent = self.workflow.graph.node(parent);
                parent.type_name == "loop" && parent.branches.iter().any(|(_, first)| first == node)
            });
            let limit = if is_in_loop { usize::from(MAX_ROUNDS) } else { 1 };
            assert!(*count <= limit, "{} runs {count} times after {input:?}", place.key);
        }
    }
}

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).expect("a time")
}

/// What nodes see of a run in a world.
struct Host<'a> {
    run: &'a mut Run,
    world: &'a mut World,
    restarted: Option<JobId>,
}

impl node::Run for Host<'_> {
    fn save(&mut self, node: NodeIndex, draft: Draft) -> JobId {
        self.world.last_id += 1;
        let job = JobId(self.world.last_id);
        self.run.save_as(job, node, draft, self.world.now);
        job
    }
    fn save_again(&mut self, job: JobId) {
        self.run.journal.save_again(job);
    }
    fn job(&self, job: JobId) -> &Job {
        self.run.journal.job(job)
    }
    fn set_status(&mut self, job: JobId, status: i32) {
        self.run.journal.set_status(job, status);
    }
    fn set_result(&mut self, job: JobId, result: Value) {
        self.run.journal.set_result(job, result);
    }
    fn share_result(&mut self, job: JobId, live: Arc<Live>) {
        self.run.journal.share_result(job, live);
    }
    fn set_meta(&mut self, job: JobId, meta: Value) {
        self.run.journal.set_meta(job, meta);
    }
    fn newest_job(&self, node: NodeIndex) -> Option<JobId> {
        self.run.journal.newest(node)
    }
    fn node_by_key(&self, key: &str) -> Option<NodeIndex> {
        self.run.workflow.graph.find(key)
    }
    fn node_key(&self, node: NodeIndex) -> &str {
        &self.run.workflow.graph.node(node).key
    }
    fn branches(&self, node: NodeIndex) -> &[(i32, NodeIndex)] {
        &self.run.workflow.graph.node(node).branches
    }
    fn branch_of(&self, node: NodeIndex, parent: NodeIndex) -> Option<NodeIndex> {
        self.run.workflow.graph.branch_of(node, parent)
    }
    fn set_output(&mut self, output: Value) {
        self.run.output = Some(output);
    }
    fn reply(&mut self, reply: Value) {
        self.run.reply = Some(reply);
    }
    fn scope(&self, node: NodeIndex, with_own_scope: bool) -> Result<Scope, Thrown> {
        self.run.scope(node, with_own_scope, &Scope::of_context(Value::Null))
    }
    fn loop_limit(&self) -> Option<u64> {
        None
    }
    fn number_loop_limit(&self) -> u64 {
        1_000
    }
    fn is_sync(&self) -> bool {
        self.run.workflow.is_sync
    }
    fn effect_key(&self, node: NodeIndex) -> String {
        self.run.effect_key(node, self.restarted)
    }
    fn services(&self) -> &Services {
        panic!("no node here uses services")
    }
    fn scripts(&self) -> &Arc<Pool> {
        &SCRIPTS
    }
    fn transaction(&mut self) -> BoxFuture<'_, Result<&DatabaseTransaction, Thrown>> {
        panic!("no node here writes")
    }
    fn scope_transaction(&self) -> Option<&DatabaseTransaction> {
        None
    }
    fn open_scope(&mut self, _isolation: Option<IsolationLevel>) -> BoxFuture<'_, Result<(), Thrown>> {
        panic!("there are no transaction nodes here")
    }
    fn commit_scope(&mut self) {}
    fn roll_back_scope(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What a workflow leaves in the database.
fn shown(workflow: &Arc<Workflow>, habits: Habits) -> (i32, Option<String>, Vec<String>) {
    let mut world = World::new(workflow.clone(), habits);
    world.end(Start::Fresh);
    world.tables.shown()
}

/// How many workflows each property is tried on; `SIDEHOOK_TEST_WORKFLOWS` sets another number.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of sidehook")]
fn cases() -> u32 {
    let set = std::env::var("SIDEHOOK_TEST_WORKFLOWS").ok();
    set.map_or(400, |text| text.parse().expect("SIDEHOOK_TEST_WORKFLOWS is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_run_ends_and_takes_no_step_twice(line in line(), is_sync: bool, shows_delays: bool) {
        let workflow = workflow(&line, is_sync);
        let mut world = World::new(workflow, Habits { shows_delays, ..Habits::default() });
        let ended = world.end(Start::Fresh);
        prop_assert!(ended.status == RESOLVED || ended.status < 0);
        world.check_steps();
        for row in world.tables.jobs.values() {
            let node = world.workflow.graph.find_id(row.node_id.expect("a node")).expect("a known node");
            let is_work = world.workflow.graph.node(node).type_name == "script";
            prop_assert!(!is_work || row.status != Some(PENDING), "work is left pending");
        }
    }

    #[test]
    fn going_on_from_any_record_is_like_not_having_stopped(line in line(), is_sync: bool, shows_delays: bool) {
        let workflow = workflow(&line, is_sync);
        let habits = Habits { shows_delays, ..Habits::default() };
        let expected = shown(&workflow, habits);
        let mut first = World::new(workflow.clone(), Habits { records_all: true, ..habits });
        first.end(Start::Fresh);
        prop_assert_eq!(&first.tables.shown(), &expected, "recording changes nothing");
        for (tables, now, last_id) in first.history {
            let mut next = World::new(workflow.clone(), habits);
            let start = tables.recorded();
            (next.tables, next.now, next.last_id) = (tables, now, last_id);
            next.end(start);
            prop_assert_eq!(&next.tables.shown(), &expected, "from another record");
        }
    }

    #[test]
    fn leaving_memory_changes_nothing(line in line(), shows_delays: bool) {
        let workflow = workflow(&line, false);
        let habits = Habits { shows_delays, ..Habits::default() };
        prop_assert_eq!(shown(&workflow, Habits { leaves: true, ..habits }), shown(&workflow, habits));
    }

    #[test]
    fn a_run_that_is_cut_off_leaves_nothing_pending(line in line(), is_sync: bool, cut_after in 1..30_usize) {
        let workflow = workflow(&line, is_sync);
        let mut world = World::new(workflow, Habits { cut_after: Some(cut_after), ..Habits::default() });
        let ended = world.end(Start::Fresh);
        prop_assert_eq!(ended.is_timeout, ended.status == ABORTED);
        let is_pending = |row: &job::Model| row.status == Some(PENDING);
        prop_assert!(!ended.is_timeout || !world.tables.jobs.values().any(is_pending));
    }
}

#[test]
fn a_long_chain_is_recorded_as_often_as_it_doubles() {
    const NODES: usize = 5_000;
    let workflow = workflow(&vec![Piece::Value; NODES], true);
    let mut world = World::new(workflow.clone(), Habits::default());
    let mut run = Run::new(7, workflow, Value::Null, None);
    world.perform(&mut run, Event::Begin(Start::Fresh));
    assert_eq!(world.tables.jobs.len(), NODES);
    // After 1,000 nodes, 2,000 and 4,000.
    assert_eq!(world.history.len(), 3);
    // Each row when it is new, and once more at the end.
    assert!(run.journal.looked_at <= 2 * NODES, "{} rows were looked at", run.journal.looked_at);
}

#[test]
fn a_long_loop_is_recorded_on_its_way() {
    let mut rows = Vec::new();
    lay(&[Piece::Loop(1, 0, vec![Piece::Value, Piece::Value])], None, &mut rows);
    rows[0].config = Some(JsonText(r#"{"target":5000}"#.to_owned()));
    let graph = Graph::build(&rows);
    let (key, title, options) = ("w".to_owned(), String::new(), Options::default());
    let workflow = Arc::new(Workflow { id: 1, key, title, is_sync: true, options, graph });
    let mut world = World::new(workflow.clone(), Habits::default());
    let mut run = Run::new(7, workflow, Value::Null, None);
    // The limit of this world is 1,000 rounds.
    world.perform(&mut run, Event::Begin(Start::Fresh));
    let (status, _, jobs) = world.tables.shown();
    assert_eq!((status, jobs.len()), (ERROR, 2_001));
    assert_eq!(jobs[0], r#"n10 Some(-2) {"looped":1000,"done":1000,"exceeded":true} null None"#);
    assert!(world.history.len() <= 3, "{} records", world.history.len());
}

#[test]
fn work_is_ended_with_the_execution_around_it() {
    let branches = vec![vec![Piece::Work], vec![Piece::End(1)]];
    let workflow = workflow(&[Piece::Parallel("all", branches)], false);
    let (status, _, jobs) = shown(&workflow, Habits::default());
    assert_eq!(status, RESOLVED);
    let under_way = r#"{"message":"The execution ended while this node was under way"}"#;
    assert_eq!(jobs[1], format!("n11 Some({ABORTED}) {under_way} {{\"args\":{{}}}} Some(0)"));
}

#[test]
fn a_failing_branch_is_told_to_the_node_around_it() {
    let branches = vec![vec![Piece::Reject], vec![Piece::Value]];
    let workflow = workflow(&[Piece::Parallel("any", branches), Piece::Value], true);
    let (status, _, jobs) = shown(&workflow, Habits::default());
    assert_eq!(status, RESOLVED);
    assert_eq!(jobs[0], "n10 Some(1) [-1,1] null None");
    assert_eq!(jobs[1], format!("n11 Some({FAILED}) false null None"));
}

#[test]
fn a_delay_that_cannot_be_counted_is_waited_for() {
    let workflow = workflow(&[Piece::Delay(1)], false);
    let mut world = World::new(workflow.clone(), Habits { leaves: true, ..Habits::default() });
    let mut run = Run::new(7, workflow, Value::Null, None);
    let node = run.workflow.graph.head().expect("a node");
    world.advance(&mut run, Event::Begin(Start::Fresh));
    let outcome = Ok(node::Outcome::Sleep { pending: Draft::default(), duration: std::time::Duration::MAX });
    world.advance(&mut run, Event::Ran { node, input: None, how: How::Run, outcome });
    let (_, due_at) = run.waits.first_timer().expect("a time");
    assert!(due_at > (world.now + TimeDelta::days(365_000)).timestamp_millis());
}
