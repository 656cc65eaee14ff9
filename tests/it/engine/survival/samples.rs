//! The workflows that are run while things go wrong, and what each of their executions has to leave.

use std::collections::HashMap;

use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;

use crate::fixture::{Node, node, workflow};

/// How many rounds loops have.
const ROUNDS: u64 = 3;

/// A workflow with the jobs that an execution of it leaves.
pub struct Sample {
    pub hook: NewWorkflow,
    /// How many of 100 requests are for it.
    pub share: u64,
    jobs: Vec<Left>,
}

/// A job, by the key of its node and its result.
struct Left {
    node: &'static str,
    result: Expected,
}

enum Expected {
    Is(Value),
    /// The number of the request.
    Number,
    /// The seconds that the request asked for, in milliseconds.
    Wait,
    /// A time, which no other run of the node would give again.
    Stamp,
    /// The answer to the request that was sent in this run of the node.
    Sent {
        run: u64,
    },
    /// The key of the request that the node before it has sent.
    Key {
        of: &'static str,
        run: u64,
    },
    /// The reply to the caller.
    Reply,
}

fn left(node: &'static str, result: Expected) -> Left {
    Left { node, result }
}

fn variable(key: &str, value: &str) -> Node {
    node(key, "variable", json!({"value": value}))
}

fn stamp(key: &str) -> Node {
    variable(key, "{{$system.now}}")
}

/// A request that carries the result of a node before it.
fn send(key: &str, stamp: &str, url: &str) -> Node {
    let data = json!({"n": "{{$context.body.n}}", "stamp": format!("{{{{$jobsMapByNodeKey.{stamp}}}}}")});
    let config = json!({"method": "POST", "url": url, "data": data, "timeout": 60_000, "onlyData": true});
    node(key, "request", config)
}

fn delay(key: &str, seconds: Value) -> Node {
    node(key, "delay", json!({"duration": seconds, "unit": 1000, "endStatus": 1}))
}

fn sample(key: &str, share: u64, is_sync: bool, nodes: &[Node], jobs: Vec<Left>) -> Sample {
    let trigger = json!({"request": {"body": [{"key": "n"}, {"key": "wait"}]}});
    Sample { hook: workflow(key, is_sync, &trigger, nodes), share, jobs }
}

/// All of them; `url` is where requests go.
pub fn samples(url: &str) -> Vec<Sample> {
    vec![plain(), looping(), sending(url), sending_beside(url), sending_often(url)]
        .into_iter()
        .chain([waiting(), waiting_beside(), sending_later(url), synchronous(url)])
        .collect()
}

fn plain() -> Sample {
    let nodes = [
        variable("first", "{{$context.body.n}}"),
        variable("second", "{{$jobsMapByNodeKey.first}}"),
        node("fixed", "variable", json!({"value": {"a": [1, "x"]}})),
    ];
    let jobs = vec![
        left("first", Expected::Number),
        left("second", Expected::Number),
        left("fixed", Expected::Is(json!({"a": [1, "x"]}))),
    ];
    sample("plain", 28, false, &nodes, jobs)
}

fn looping() -> Sample {
    let round = vec![variable("round", "{{$scopes.loop.index}}")];
    let nodes = [
        node("loop", "loop", json!({"target": ROUNDS})).branch(0, round),
        variable("last", "{{$context.body.n}}"),
    ];
    let mut jobs = vec![left("loop", Expected::Is(json!({"looped": ROUNDS, "done": ROUNDS})))];
    jobs.extend((0..ROUNDS).map(|round| left("round", Expected::Is(json!(round)))));
    jobs.push(left("last", Expected::Number));
    sample("loop", 15, false, &nodes, jobs)
}

fn sending(url: &str) -> Sample {
    let nodes =
        [stamp("stamp"), send("send", "stamp", url), variable("last", "{{$jobsMapByNodeKey.send.key}}")];
    let jobs = vec![
        left("stamp", Expected::Stamp),
        left("send", Expected::Sent { run: 1 }),
        left("last", Expected::Key { of: "send", run: 1 }),
    ];
    sample("send", 15, false, &nodes, jobs)
}

fn sending_beside(url: &str) -> Sample {
    let branch = |i: usize| {
        let (stamp_key, key) = ([("stamp1", "send1"), ("stamp2", "send2")])[i];
        vec![stamp(stamp_key), send(key, stamp_key, url)]
    };
    let nodes = [
        node("beside", "parallel", json!({"mode": "all"})).branch(1, branch(0)).branch(2, branch(1)),
        variable("last", "{{$jobsMapByNodeKey.send2.key}}"),
    ];
    let jobs = vec![
        left("beside", Expected::Is(json!([1, 1]))),
        left("stamp1", Expected::Stamp),
        left("send1", Expected::Sent { run: 1 }),
        left("stamp2", Expected::Stamp),
        left("send2", Expected::Sent { run: 1 }),
        left("last", Expected::Key { of: "send2", run: 1 }),
    ];
    sample("beside", 10, false, &nodes, jobs)
}

fn sending_often(url: &str) -> Sample {
    let round = vec![stamp("stamp"), send("send", "stamp", url)];
    let nodes = [
        node("loop", "loop", json!({"target": ROUNDS})).branch(0, round),
        variable("last", "{{$jobsMapByNodeKey.send.key}}"),
    ];
    let mut jobs = vec![left("loop", Expected::Is(json!({"looped": ROUNDS, "done": ROUNDS})))];
    for run in 1..=ROUNDS {
        jobs.extend([left("stamp", Expected::Stamp), left("send", Expected::Sent { run })]);
    }
    jobs.push(left("last", Expected::Key { of: "send", run: ROUNDS }));
    sample("often", 8, false, &nodes, jobs)
}

fn waiting() -> Sample {
    let nodes = [
        variable("first", "{{$context.body.n}}"),
        delay("wait", json!("{{$context.body.wait}}")),
        variable("last", "{{$jobsMapByNodeKey.first}}"),
    ];
    let jobs =
        vec![left("first", Expected::Number), left("wait", Expected::Wait), left("last", Expected::Number)];
    sample("wait", 6, false, &nodes, jobs)
}

fn waiting_beside() -> Sample {
    let nodes = [
        node("beside", "parallel", json!({"mode": "all"}))
            .branch(1, vec![delay("wait1", json!(1)), variable("after1", "{{$jobsMapByNodeKey.wait1}}")])
            .branch(2, vec![delay("wait2", json!(2)), variable("after2", "{{$jobsMapByNodeKey.wait2}}")]),
        variable("last", "{{$context.body.n}}"),
    ];
    let jobs = vec![
        left("beside", Expected::Is(json!([1, 1]))),
        left("wait1", Expected::Is(json!(1000))),
        left("wait2", Expected::Is(json!(2000))),
        left("after1", Expected::Is(json!(1000))),
        left("after2", Expected::Is(json!(2000))),
        left("last", Expected::Number),
    ];
    sample("waits", 4, false, &nodes, jobs)
}

fn sending_later(url: &str) -> Sample {
    let nodes = [
        stamp("stamp"),
        delay("wait", json!("{{$context.body.wait}}")),
        send("send", "stamp", url),
        variable("last", "{{$jobsMapByNodeKey.send.key}}"),
    ];
    let jobs = vec![
        left("stamp", Expected::Stamp),
        left("wait", Expected::Wait),
        left("send", Expected::Sent { run: 1 }),
        left("last", Expected::Key { of: "send", run: 1 }),
    ];
    sample("later", 4, false, &nodes, jobs)
}

fn synchronous(url: &str) -> Sample {
    let nodes = [
        stamp("stamp"),
        send("send", "stamp", url),
        node("reply", "response", json!({"body": "{{$context.body.n}}"})),
    ];
    let jobs = vec![
        left("stamp", Expected::Stamp),
        left("send", Expected::Sent { run: 1 }),
        left("reply", Expected::Reply),
    ];
    sample("sync", 10, true, &nodes, jobs)
}

impl Sample {
    /// Checks an execution with its jobs, both as [`crate::rows::Rows`] reads them, and adds to `sent` what it has
    /// sent: bodies by their keys. An error says what is wrong.
    pub fn check(
        &self,
        execution: &Value,
        jobs: &[Value],
        sent: &mut HashMap<String, Value>,
    ) -> Result<(), String> {
        let found: Vec<_> = jobs.iter().map(|job| (&job["node"], &job["status"], &job["result"])).collect();
        let wrong = |why: &str| Err(format!("{why}: {execution} has the jobs {found:?}"));
        if execution["status"] != 1 {
            return wrong("status");
        }
        if jobs.len() != self.jobs.len() {
            return wrong("number of jobs");
        }
        let (id, body) = (&execution["id"], &execution["context"]["body"]);
        let mut stamp = &Value::Null;
        for (job, left) in jobs.iter().zip(&self.jobs) {
            let result = &job["result"];
            let key = |node: &str, run: u64| format!("{id}:{node}:{run}");
            let is_right = match &left.result {
                Expected::Is(expected) => result == expected,
                Expected::Number => *result == body["n"],
                Expected::Wait => result.as_u64() == body["wait"].as_u64().map(|seconds| seconds * 1000),
                Expected::Stamp => {
                    stamp = result;
                    result.is_string()
                }
                Expected::Sent { run } => {
                    let key = key(left.node, *run);
                    let is_answer = *result == json!({"key": key, "n": body["n"]});
                    sent.insert(key, json!({"n": body["n"], "stamp": stamp}));
                    is_answer
                }
                Expected::Key { of, run } => *result == key(of, *run),
                Expected::Reply => *result == json!({"statusCode": 200, "headers": [], "body": body["n"]}),
            };
            if job["node"] != left.node || job["status"] != 1 || !is_right {
                return wrong(left.node);
            }
        }
        Ok(())
    }
}
