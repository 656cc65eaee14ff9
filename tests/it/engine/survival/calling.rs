//! Executions that call others, while instances are killed: each is called once, and each caller goes on.

use std::time::Duration;

use serde_json::json;

use super::load::is_all_over;
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{client, on_every_database, prepare};
use crate::wait::until;

const CALLERS: usize = 20;
const ROUNDS: usize = 3;
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn callers_and_what_they_call_survive_the_end_of_their_instances() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let delay = node("wait", "delay", json!({"duration": 300, "unit": 1, "endStatus": 1}));
        let output = node("out", "output", json!({"value": "{{$context.n}}"}));
        let called = workflow("called", false, &json!({}), &[delay, output]);
        let call = node(
            "call",
            "subflow",
            json!({"workflow": "called", "context": {"n": "{{$scopes.loop.index}}"}}),
        );
        let nodes = [
            node("loop", "loop", json!({"target": ROUNDS})).branch(0, vec![call]),
            node("last", "variable", json!({"value": "{{$jobsMapByNodeKey.call}}"})),
        ];
        let caller = workflow("caller", false, &json!({}), &nodes);
        rows.add(&called).await;
        rows.add(&caller).await;
        let mut instances = [Process::serve(&database, &[]).await, Process::serve(&database, &[]).await];
        for i in 0..CALLERS {
            let url = instances[i % 2].trigger_url("caller");
            let response = client().post(url).send().await.expect("an answer");
            assert_eq!(response.status(), 200);
        }
        for kill in 0..KILLS {
            tokio::time::sleep(Duration::from_millis(150 + 170 * kill as u64)).await;
            let place = kill % 2;
            instances[place].signal("KILL").await;
            instances[place].ended().await;
            instances[place] = Process::serve(&database, &[]).await;
        }
        let have_come = async || rows.executions(caller.id).await.len() == CALLERS;
        until(async || have_come().await && is_all_over(&rows).await, || instances[0].printed()).await;
        let executions = rows.executions(caller.id).await;
        assert_eq!(executions.len(), CALLERS);
        for execution in executions {
            assert_eq!(execution["status"], 1, "{execution}");
            let jobs = rows.jobs(execution["id"].as_i64().expect("an id")).await;
            let mut left: Vec<_> =
                jobs.iter().map(|job| (job["node"].as_str(), job["result"].as_i64())).collect();
            left.sort_unstable();
            let calls = (0..ROUNDS as i64).map(|round| (Some("call"), Some(round)));
            let expected: Vec<_> = calls.chain([(Some("last"), Some(2)), (Some("loop"), None)]).collect();
            assert_eq!(left, expected);
        }
        let children = rows.executions(called.id).await;
        assert_eq!(children.len(), CALLERS * ROUNDS);
        assert!(children.iter().all(|child| child["status"] == 1), "{children:?}");
    })
    .await;
}
