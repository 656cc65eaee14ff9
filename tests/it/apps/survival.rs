//! Executions of sub-applications outlive their process, and end in order with it.

use entity::Table;
use serde_json::json;

use super::world::{answers, asked, end, in_every_world};
use crate::fixture::{node, workflow};
use crate::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn executions_of_a_sub_application_are_taken_over() {
    in_every_world(async |world| {
        let (one, two) = (world.add(None).await, world.add(None).await);
        let wait = node("wait", "delay", json!({"duration": 4_000, "unit": 1, "endStatus": 1}));
        let hook = workflow("k", false, &json!({}), &[wait, node("last", "variable", json!({"value": 3}))]);
        one.rows.add(&hook).await;
        let mut first = world.serve().await;
        answers(&first, &one.name, "k", (200, "")).await;
        let is_waiting = async || one.rows.count(Table::Timers).await == 1;
        until(is_waiting, || format!("it does not wait:\n{}", first.printed())).await;
        first.signal("KILL").await;
        first.ended().await;
        let second = world.serve().await;
        let executions = one.rows.settled(hook.id, 1, crate::wait::TIMEOUT).await;
        assert_eq!(executions[0]["status"], 1, "{executions:?}\n{}", second.printed());
        for others in [&world.main, &two.rows] {
            assert_eq!(others.count(Table::Executions).await, 0);
        }
        end(second).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_in_a_sub_application_ends_before_the_process() {
    in_every_world(async |world| {
        let one = world.add(None).await;
        let wait = node("wait", "delay", json!({"duration": 1_500, "unit": 1, "endStatus": 1}));
        let answer = node("answer", "response", json!({"body": "in the end"}));
        let hook = workflow("k", true, &json!({}), &[wait, answer]);
        one.rows.add(&hook).await;
        let process = world.serve().await;
        answers(&process, &one.name, "none", (404, "No enabled")).await;
        let caller = asked(&process, &one.name, "k");
        let ending = async {
            let has_begun = async || one.rows.count(Table::Leases).await == 1;
            until(has_begun, || "it does not begin".to_owned()).await;
            process.signal("TERM").await;
        };
        let (answer, ()) = tokio::join!(caller, ending);
        assert_eq!(answer, (200, "in the end".to_owned()));
        let mut process = process;
        assert!(process.ended().await.success(), "{}", process.printed());
        assert_eq!(one.rows.count(Table::Leases).await, 0);
        assert_eq!(one.rows.executions(hook.id).await[0]["status"], 1);
    })
    .await;
}
