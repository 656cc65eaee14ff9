//! Several deliveries of one event: which is run, and what the others are told; on one instance, on two, and after a
//! kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entity::Table;
use futures_util::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use sidehook::store::workflow::NewWorkflow;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::databases::Kind;
use crate::fixture::{Node, node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};
use crate::wait::until;

/// A server that request nodes call: it counts, and answers as long as its gate is open.
struct Receiver {
    url: String,
    calls: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Receiver {
    async fn start(is_open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("a bound port"));
        let (calls, (gate, opened)) = (Arc::new(AtomicUsize::new(0)), watch::channel(is_open));
        let (counted, mut serving) = (calls.clone(), JoinSet::new());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, counted.clone(), opened.clone()));
            }
        });
        Self { url, calls, gate, _serving: serving }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn is_called(&self, times: usize) {
        until(async || self.calls() >= times, || format!("it was called {} times", self.calls())).await;
    }
}

async fn answer(mut stream: TcpStream, calls: Arc<AtomicUsize>, mut opened: watch::Receiver<bool>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
    if opened.wait_for(|is_open| *is_open).await.is_ok() {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 7";
        let _ = stream.write_all(format!("{head}\r\n\r\n{{\"n\":{call}}}").as_bytes()).await;
    }
}

fn trigger(idempotency: &Value) -> Value {
    json!({
        "request": {"body": [{"key": "n"}]},
        "response": {"statusCode": 202, "body": {"n": "{{$context.body.n}}"}},
        "sidehook": {"idempotency": idempotency},
    })
}

fn by_header() -> Value {
    trigger(&json!({"from": "header:x-id"}))
}

fn respond(body: &str) -> Node {
    node(
        "answer",
        "response",
        json!({"statusCode": 201, "headers": [{"name": "x-by", "value": "n"}], "body": body}),
    )
}

/// Calls the receiver, and answers with what it has said.
fn calling(key: &str, trigger: &Value, receiver: &Receiver) -> NewWorkflow {
    let config = json!({"url": receiver.url, "method": "GET", "onlyData": true, "timeout": 600_000});
    workflow(key, true, trigger, &[node("call", "request", config), respond("{{$jobsMapByNodeKey.call}}")])
}

async fn deliver(url: &str, id: &str, body: &Value) -> Response {
    client().post(url).header("x-id", id).json(body).send().await.expect("an answer")
}

fn duplicate_of(response: &Response) -> Option<String> {
    let header = response.headers().get("x-sidehook-duplicate");
    header.map(|id| id.to_str().expect("digits").to_owned())
}

/// Status, body, and which execution it is a duplicate of.
async fn told(response: Response) -> (u16, String, Option<String>) {
    let (status, duplicate) = (response.status().as_u16(), duplicate_of(&response));
    (status, response.text().await.expect("a body"), duplicate)
}

async fn event_keys(rows: &Rows, workflow: i64) -> Vec<String> {
    let (key, id) = (rows.quoted("eventKey"), rows.quoted("id"));
    let sql = format!(
        "SELECT {key} FROM {} WHERE {} = {workflow} ORDER BY {id}",
        rows.table(Table::Executions),
        rows.quoted("workflowId"),
    );
    rows.texts(&sql).await.into_iter().flatten().collect()
}

fn id_of(execution: &Value) -> String {
    execution["id"].as_i64().expect("an id").to_string()
}

#[tokio::test]
async fn a_duplicate_gets_the_recorded_answer_and_is_not_run() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hooks = [("one", true), ("other", true), ("later", false)];
        let hooks = hooks
            .map(|(key, is_sync)| workflow(key, is_sync, &by_header(), &[respond("{{$context.body.n}}")]));
        for hook in &hooks {
            server.add(hook).await;
        }
        let send = async |key: &str, id: &str, n: i64| {
            told(deliver(&server.trigger_url(key), id, &json!({"n": n})).await).await
        };
        assert_eq!(send("one", "a", 1).await, (201, "1".to_owned(), None));
        let first = id_of(&server.executions(hooks[0].id).await[0]);
        for n in 2..4 {
            let response = deliver(&server.trigger_url("one"), "a", &json!({"n": n})).await;
            assert_eq!(response.headers()["x-by"], "n", "its headers, too");
            assert_eq!(told(response).await, (201, "1".to_owned(), Some(first.clone())));
        }
        assert_eq!(send("one", "b", 2).await, (201, "2".to_owned(), None), "another event");
        assert_eq!(send("other", "a", 3).await, (201, "3".to_owned(), None), "another workflow");
        // Asynchronous ones are told the configured answer.
        assert_eq!(send("later", "a", 4).await, (202, r#"{"n":4}"#.to_owned(), None));
        let recorded = id_of(&server.settled(hooks[2].id, 1, Duration::from_secs(60)).await[0]);
        assert_eq!(send("later", "a", 4).await, (202, r#"{"n":4}"#.to_owned(), Some(recorded)));
        // Without an id nothing tells two deliveries apart.
        for _ in 0..2 {
            let response = server.post("one", &json!({"n": 5})).await;
            assert_eq!(told(response).await, (201, "5".to_owned(), None));
        }
        let counts = [4, 1, 1];
        for (hook, count) in hooks.iter().zip(counts) {
            assert_eq!(server.executions(hook.id).await.len(), count, "{}", hook.key);
            assert_eq!(
                event_keys(&server, hook.id).await.iter().filter(|key| key.starts_with("sh:")).count(),
                count.min(2)
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn simultaneous_deliveries_run_once_on_two_instances() {
    on_every_database(async |database| {
        let receiver = Receiver::start(false).await;
        let servers = [TestServer::start(&database).await, TestServer::start(&database).await];
        let hook = calling("k", &by_header(), &receiver);
        servers[0].add(&hook).await;
        let urls = servers.each_ref().map(|server| server.trigger_url("k"));
        let sent = join_all((0..24).map(async |n| told(deliver(&urls[n % 2], "a", &json!({})).await).await));
        let opened = async {
            receiver.is_called(1).await;
            // Long enough for a second one to be run, if any were.
            tokio::time::sleep(Duration::from_millis(300)).await;
            receiver.gate.send_replace(true);
        };
        let (answers, ()) = tokio::join!(sent, opened);
        assert_eq!(receiver.calls(), 1);
        let execution = id_of(&servers[0].executions(hook.id).await[0]);
        let of_duplicate = (201, r#"{"n":1}"#.to_owned(), Some(execution));
        let (duplicates, first): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|told| *told == of_duplicate);
        assert_eq!((duplicates.len(), first), (23, vec![(201, r#"{"n":1}"#.to_owned(), None)]));
        assert_eq!(servers[0].executions(hook.id).await.len(), 1);
        for server in servers {
            server.stop().await;
        }
    })
    .await;
}

/// Two instances get the same hundred events at the same time: in the batches of both, some rows are refused.
#[tokio::test]
async fn a_refused_duplicate_fails_nobody_else_in_its_batch() {
    on_every_database(async |database| {
        const EVENTS: usize = 100;
        let servers = [TestServer::start(&database).await, TestServer::start(&database).await];
        let hook = workflow("k", false, &by_header(), &[]);
        servers[0].add(&hook).await;
        for server in &servers {
            assert_eq!(deliver(&server.trigger_url("k"), "warm", &json!({})).await.status(), 202);
        }
        let client = client();
        let begin = Instant::now();
        let answers = join_all((0..2 * EVENTS).map(async |n| {
            loop {
                let request =
                    client.post(servers[n % 2].trigger_url("k")).header("x-id", (n / 2).to_string());
                let response = request.json(&json!({})).send().await.expect("an answer");
                // Two instances whose transactions meet again and again for too long say so, and senders come back.
                if response.status() != 503 || !response.headers().contains_key("retry-after") {
                    return response;
                }
            }
        }))
        .await;
        let took = begin.elapsed();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        assert_eq!(statuses, vec![202; 2 * EVENTS]);
        assert_eq!(answers.iter().filter(|answer| duplicate_of(answer).is_some()).count(), EVENTS);
        eprintln!("{}: {EVENTS} events twice on two instances in {took:?}", database.product);
        let executions = servers[0].settled(hook.id, EVENTS + 1, Duration::from_secs(60)).await;
        assert_eq!(executions.len(), EVENTS + 1);
        for server in servers {
            server.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_failed_runs_again_under_its_own_key() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hooks = ["sync", "async"].map(|key| {
            let equal = json!({"calculator": "equal", "operands": ["{{$context.body.n}}", 2]});
            let check = node("check", "condition", json!({"rejectOnFalse": true, "calculation": equal}));
            workflow(key, key == "sync", &by_header(), &[check, respond("done")])
        });
        for hook in &hooks {
            server.add(hook).await;
            let send = async |n: i64| {
                told(deliver(&server.trigger_url(&hook.key), "a", &json!({"n": n})).await).await
            };
            let is_sync = hook.key == "sync";
            let answer =
                |n: i64| if is_sync { (201, "done".to_owned()) } else { (202, format!("{{\"n\":{n}}}")) };
            let failed = send(1).await;
            assert_eq!((failed.0, failed.2), (if is_sync { 500 } else { 202 }, None));
            server.settled(hook.id, 1, Duration::from_secs(60)).await;
            let again = send(2).await;
            assert_eq!(((again.0, again.1), again.2), (answer(2), None));
            let executions = server.settled(hook.id, 2, Duration::from_secs(60)).await;
            let statuses: Vec<_> = executions.iter().map(|row| row["status"].as_i64()).collect();
            assert_eq!(statuses, [Some(-1), Some(1)]);
            let third = send(3).await;
            assert_eq!(((third.0, third.1), third.2), (answer(3), Some(id_of(&executions[1]))));
            let keys = event_keys(&server, hook.id).await;
            assert_eq!(keys[0], format!("{}#{}", keys[1], id_of(&executions[0])));
        }
        server.stop().await;
    })
    .await;
}

/// Both want the key of the one that has failed.
#[tokio::test]
async fn of_simultaneous_retries_on_two_instances_one_is_run() {
    on_every_database(async |database| {
        let receiver = Receiver::start(true).await;
        let servers = [TestServer::start(&database).await, TestServer::start(&database).await];
        let hook = calling("k", &by_header(), &receiver);
        servers[0].add(&hook).await;
        assert_eq!(deliver(&servers[0].trigger_url("k"), "a", &json!({})).await.status(), 201);
        for round in 1..6 {
            let ended = format!(
                "UPDATE {} SET status = -1 WHERE {} = {}",
                servers[0].table(Table::Executions),
                servers[0].quoted("workflowId"),
                hook.id
            );
            servers[0].execute(&ended).await;
            let urls = servers.each_ref().map(|server| server.trigger_url("k"));
            let answers =
                join_all((0..8).map(async |n| told(deliver(&urls[n % 2], "a", &json!({})).await).await))
                    .await;
            assert_eq!(receiver.calls(), round + 1);
            assert_eq!(
                answers.iter().filter(|(_, _, duplicate)| duplicate.is_none()).count(),
                1,
                "{answers:?}"
            );
            assert!(answers.iter().all(|(status, ..)| *status == 201), "{answers:?}");
        }
        assert_eq!(servers[0].executions(hook.id).await.len(), 6);
        for server in servers {
            server.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn after_its_time_a_delivery_with_the_same_id_is_another_event() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let trigger = trigger(&json!({"from": "header:x-id", "ttl": "1s"}));
        let hook = workflow("k", true, &trigger, &[respond("{{$context.body.n}}")]);
        server.add(&hook).await;
        let url = server.trigger_url("k");
        assert_eq!(told(deliver(&url, "a", &json!({"n": 1})).await).await, (201, "1".to_owned(), None));
        let second = async || told(deliver(&url, "a", &json!({"n": 2})).await).await;
        until(async || second().await == (201, "2".to_owned(), None), || "it stays a duplicate".to_owned())
            .await;
        assert_eq!(server.executions(hook.id).await.len(), 2);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_duplicate_of_what_takes_too_long_is_told_when_to_come_back() {
    on_databases(&[Kind::Sqlite], async |database| {
        let receiver = Receiver::start(false).await;
        let server = TestServer::start_with(&database, &[("SIDEHOOK_SYNC_TIMEOUT", "1s")]).await;
        let hook = calling("k", &by_header(), &receiver);
        server.add(&hook).await;
        let url = server.trigger_url("k");
        assert_eq!(deliver(&url, "a", &json!({})).await.status(), 408);
        let response = deliver(&url, "a", &json!({})).await;
        assert_eq!((response.status().as_u16(), duplicate_of(&response).is_some()), (409, true));
        assert!(response.headers().contains_key("retry-after"));
        receiver.gate.send_replace(true);
        let answered = async || deliver(&url, "a", &json!({})).await.status() == 201;
        until(answered, || "it is never answered".to_owned()).await;
        assert_eq!((receiver.calls(), server.executions(hook.id).await.len()), (1, 1));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_lacks_its_id_is_refused_where_it_is_required() {
    on_databases(&[Kind::Sqlite], async |database| {
        let server = TestServer::start(&database).await;
        let hook = workflow("k", true, &trigger(&json!({"from": "body:n", "required": true})), &[]);
        server.add(&hook).await;
        assert_eq!(server.post("k", &json!({})).await.status(), 400);
        assert_eq!(server.post("k", &json!({"n": 1})).await.status(), 200);
        assert_eq!(server.executions(hook.id).await.len(), 1);
        server.stop().await;
    })
    .await;
}

/// What was acknowledged is not run again; what was interrupted goes on, and whoever asks again is answered.
#[tokio::test]
async fn after_a_kill_deliveries_are_still_known() {
    on_every_database(async |database| {
        let receiver = Receiver::start(true).await;
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = calling("k", &by_header(), &receiver);
        let quick = workflow("quick", true, &by_header(), &[respond("{{$context.body.n}}")]);
        rows.add(&hook).await;
        rows.add(&quick).await;
        let mut process = Process::serve(&database, &[]).await;
        assert_eq!(deliver(&process.trigger_url("k"), "done", &json!({})).await.status(), 201);
        assert_eq!(deliver(&process.trigger_url("quick"), "done", &json!({"n": 1})).await.status(), 201);
        receiver.gate.send_replace(false);
        let url = process.trigger_url("k");
        let interrupted = tokio::spawn(async move {
            client().post(url).header("x-id", "interrupted").json(&json!({})).send().await.map(drop)
        });
        receiver.is_called(2).await;
        process.signal("KILL").await;
        process.ended().await;
        assert!(interrupted.await.expect("no panic").is_err(), "nobody was told anything");
        let process = Process::serve(&database, &[]).await;
        let answered = told(deliver(&process.trigger_url("quick"), "done", &json!({"n": 2})).await).await;
        assert_eq!((answered.0, &*answered.1, answered.2.is_some()), (201, "1", true));
        let answered = told(deliver(&process.trigger_url("k"), "done", &json!({})).await).await;
        assert_eq!((answered.0, &*answered.1, answered.2.is_some()), (201, r#"{"n":1}"#, true));
        receiver.gate.send_replace(true);
        let answered = told(deliver(&process.trigger_url("k"), "interrupted", &json!({})).await).await;
        assert_eq!((answered.0, answered.2.is_some()), (201, true), "{answered:?}");
        assert_eq!(receiver.calls(), 3, "the request that was under way is sent once more");
        assert_eq!((rows.executions(hook.id).await.len(), rows.executions(quick.id).await.len()), (2, 1));
    })
    .await;
}
