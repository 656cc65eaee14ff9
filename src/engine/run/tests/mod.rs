//! Runs without a database: a world in memory performs what they ask for. Workflows are made up at random.

mod failures;
mod tables;
mod workflows;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use entity::status::job::{ABORTED, ERROR, FAILED, PENDING, RESOLVED};
use entity::{JsonText, job};
use proptest::prelude::*;

use self::workflows::{Piece, lay, line, workflow};
use self::world::{Habits, World};
use super::Run;
use super::event::{Event, How};
use super::graph::Graph;
use super::restore::Start;
use super::workflow::{Options, Workflow};
use crate::expr::Value;
use crate::node::{self, Draft};

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
    let workflow = Arc::new(Workflow { id: 1, key, title, is_sync: true, is_called: false, options, graph });
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
fn what_a_round_has_left_behind_ends_under_the_newest_jobs() {
    let decided = vec![Piece::Condition(true, vec![Piece::Work], vec![]), Piece::Value];
    let branches = vec![vec![Piece::Work], decided];
    let workflow = workflow(&[Piece::Loop(2, 0, vec![Piece::Parallel("any", branches)]), Piece::Work], false);
    let mut world = World::new(workflow.clone(), Habits { is_sound: true, ..Habits::default() });
    world.end(Start::Fresh);
    world.check_steps();
    let value = workflow.graph.find("n15").expect("the node after the condition");
    // The work of the first round and that of the second both end under the condition of the second.
    let ran: Vec<usize> =
        world.ran.iter().filter(|((node, _), _)| *node == value).map(|(_, count)| *count).collect();
    assert_eq!(ran, [2]);
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
