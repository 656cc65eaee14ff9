//! What a loop has left behind is followed to its end by whoever takes the execution over.

use entity::Table;
use serde_json::{Value, json};

use super::load::is_all_over;
use super::receiver::Receiver;
use crate::fixture::{Node, node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, on_every_database, prepare};
use crate::wait::until;

const ROUNDS: usize = 3;
/// Longer than it takes to see that the loop has ended, and to kill the instance.
const SLOW: u64 = 8_000;

fn delay(key: &str, milliseconds: u64) -> Node {
    node(key, "delay", json!({"duration": milliseconds, "unit": 1, "endStatus": 1}))
}

/// Each round leaves a request and a delay under way, of the same nodes as the rounds before.
fn nodes(url: &str) -> Vec<Node> {
    let data = json!({"n": 1});
    let config = json!({"method": "POST", "url": url, "data": data, "timeout": 60_000, "onlyData": true});
    let race = node("race", "parallel", json!({"mode": "race"}))
        .branch(1, vec![node("send", "request", config), node("sent", "variable", json!({"value": 1}))])
        .branch(2, vec![delay("slow", SLOW), node("late", "variable", json!({"value": 2}))])
        .branch(3, vec![delay("fast", 50)]);
    vec![
        node("loop", "loop", json!({"target": ROUNDS})).branch(0, vec![race]),
        delay("rest", SLOW + 4_000),
        node("last", "variable", json!({"value": 3})),
    ]
}

fn of_node<'a>(jobs: &'a [Value], key: &str) -> Vec<&'a Value> {
    jobs.iter().filter(|job| job["node"] == key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rounds_of_a_loop_have_left_ends_after_a_takeover() {
    // Delays have rows in `jobs` while they wait, or have none.
    for mode in ["!", ""] {
        on_every_database(async |database| {
            let receiver = Receiver::start().await;
            let rows = Rows { store: prepare(&database, &[]).await };
            let hook = workflow("k", false, &json!({}), &nodes(&receiver.url));
            rows.add(&hook).await;
            let settings = [("WORKER_MODE", mode)];
            let mut first = Process::serve(&database, &settings).await;
            receiver.hold();
            let answer = client().post(first.trigger_url("k")).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let timers = ROUNDS as i64 + 1;
            let is_left =
                async || receiver.bodies().len() == ROUNDS && rows.count(Table::Timers).await == timers;
            until(is_left, || format!("the loop does not end:\n{}", first.printed())).await;
            receiver.note_kill();
            first.signal("KILL").await;
            first.ended().await;
            let second = Process::serve(&database, &settings).await;
            let is_resumed = async || receiver.repeats().len() == ROUNDS;
            until(is_resumed, || format!("requests do not come again:\n{}", second.printed())).await;
            receiver.release();
            until(async || is_all_over(&rows).await, || second.printed()).await;
            let execution = &rows.executions(hook.id).await[0];
            assert_eq!(execution["status"], 1, "{execution}\n{}", second.printed());
            let id = execution["id"].as_i64().expect("an id");
            let jobs = rows.jobs(id).await;
            assert_eq!(jobs.len(), 1 + 6 * ROUNDS + 2, "{jobs:#?}");
            assert!(jobs.iter().all(|job| job["status"] == 1), "{jobs:#?}");
            // Each request has come again under its own key, and has settled its own job.
            for (i, job) in of_node(&jobs, "send").iter().enumerate() {
                let key = format!("{id}:send:{}", i + 1);
                assert_eq!(job["result"]["key"], key.as_str(), "{jobs:#?}");
                assert_eq!(receiver.bodies()[&key].len(), 2, "{key}");
            }
        })
        .await;
    }
}
