//! What goes into a queue comes out as executions, once.

use serde_json::json;
use sidehook::queue::{Event, Seen};

use super::servers::pairs;
use super::world::{Senders, check, counting, depth, numbers, on_every_queue, reaches, ready, recorded};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, prepare};
use crate::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn events_become_executions_in_their_order() {
    on_every_queue(async |servers, database| {
        let mut settings = servers.settings();
        settings.push(("SIDEHOOK_METRICS_LISTEN".to_owned(), "main".to_owned()));
        let server = TestServer::start_with(&database, &pairs(&settings)).await;
        let workflows = ["a", "b", "c"].map(counting);
        for one in &workflows {
            server.add(one).await;
        }
        let trigger = json!({"request": {"body": [{"key": "n"}]}});
        let answer = node("answer", "response", json!({"statusCode": 201, "body": "{{$context.body.n}}"}));
        server.add(&workflow("now", true, &trigger, &[answer])).await;
        ready(&server.url).await;
        let senders = Senders::start(std::slice::from_ref(&server.url), &workflows, 0, 40);
        assert_eq!(server.post("now", &json!({"n": 7})).await.status(), 201, "past the queue");
        let sent = senders.ended().await;
        assert!(sent.iter().all(|sent| sent.refused.is_empty()), "{sent:?}");
        assert_eq!(check(&server, &workflows, &sent).await, 120);
        until(async || depth(&server) == (0, 0), || format!("{:?} are left", depth(&server))).await;
        let metrics = server.client.get(format!("{}/metrics", server.url)).send().await.expect("an answer");
        let metrics = metrics.text().await.expect("a text");
        for told in [
            "sidehook_queue_events_total{outcome=\"published\"} 120",
            "sidehook_queue_events_total{outcome=\"consumed\"} 120",
            "sidehook_queue_depth{state=\"waiting\"} 0",
            "sidehook_queue_depth{state=\"dead\"} 0",
            "sidehook_queue_bytes{state=\"waiting\"}",
        ] {
            assert!(metrics.contains(told), "{told} is not in\n{metrics}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_twice_is_one_execution() {
    on_every_queue(async |servers, database| {
        let settings = servers.settings();
        let server = TestServer::start_with(&database, &pairs(&settings)).await;
        // It fails, and gives its key up to a delivery that comes later: to no other one.
        let failing = workflow(
            "f",
            false,
            &json!({"request": {"body": [{"key": "n"}]}}),
            &[node("e", "end", json!({"endStatus": -1}))],
        );
        let one = counting("k");
        server.add(&one).await;
        server.add(&failing).await;
        ready(&server.url).await;
        let queue = servers.open(&database).await;
        let context = |n: u64| json!({"body": {"n": n}}).to_string();
        for (id, seen) in [("1", None), ("2", None), ("3", Some(Seen::Nothing)), ("4", Some(Seen::Nothing))] {
            let key = if seen.is_some() { "f" } else { "k" };
            let mut event = Event::new(key, &format!("key-{key}"), 1_000, context(0));
            event.seen = seen;
            queue.store(id, event.encode().expect("an event")).await.expect("stored");
            if id == "3" {
                assert_eq!(server.settled(failing.id, 1, crate::wait::TIMEOUT).await[0]["status"], -1);
            }
        }
        // Whatever was to come of them has, once an event behind them has come out.
        let last = Event::new("k", "last", 1_000, context(1));
        queue.store("5", last.encode().expect("an event")).await.expect("stored");
        reaches(&server, std::slice::from_ref(&one), 2).await;
        assert_eq!(numbers(&server, one.id).await, [0, 1]);
        assert_eq!(server.executions(failing.id).await.len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_events_are_recorded() {
    const EVENTS: usize = 200;
    on_every_queue(async |servers, database| {
        let queue = servers.open(&database).await;
        let filling = "x".repeat(1_000_000);
        for n in 0..EVENTS {
            let context = json!({"body": {"n": n, "filling": filling}}).to_string();
            let event = Event::new("k", &format!("key-{n}"), 1_000, context).encode().expect("an event");
            queue.store(&n.to_string(), event).await.expect("stored");
        }
        let rows = Rows { store: prepare(&database, &[]).await };
        let one = counting("k");
        rows.add(&one).await;
        let mut instance = Process::serve(&database, &pairs(&servers.settings())).await;
        reaches(&rows, std::slice::from_ref(&one), EVENTS).await;
        let is_empty = async || queue.depth().await.is_ok_and(|depth| depth.events == 0);
        until(is_empty, || instance.printed()).await;
        assert_eq!(recorded(&rows, std::slice::from_ref(&one)).await, EVENTS, "each of them once");
        rows.store.db.close().await.expect("the connection closes");
        instance.signal("TERM").await;
        assert!(instance.ended().await.success(), "{}", instance.printed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_one_event_are_told_apart_in_front_of_the_queue() {
    on_every_queue(async |servers, database| {
        let settings = servers.settings();
        let server = TestServer::start_with(&database, &pairs(&settings)).await;
        let trigger = json!({
            "request": {"body": [{"key": "n"}]},
            "sidehook": {"idempotency": {"from": "header:x-id"}},
        });
        let good = workflow("good", false, &trigger, &[]);
        let bad = workflow("bad", false, &trigger, &[node("e", "end", json!({"endStatus": -1}))]);
        server.add(&good).await;
        server.add(&bad).await;
        ready(&server.url).await;
        let deliver = async |key: &str, n: u64| {
            let request =
                server.client.post(server.trigger_url(key)).header("x-id", "d").json(&json!({"n": n}));
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            answer.headers().get("x-sidehook-duplicate").is_some()
        };
        assert!(!deliver("good", 1).await && !deliver("bad", 1).await);
        deliver("good", 2).await;
        for one in [&good, &bad] {
            assert_eq!(server.settled(one.id, 1, crate::wait::TIMEOUT).await.len(), 1);
        }
        assert!(deliver("good", 3).await, "its execution is there");
        assert!(!deliver("bad", 3).await, "its execution has failed");
        reaches(&server, std::slice::from_ref(&bad), 2).await;
        assert_eq!(numbers(&server, bad.id).await, [1, 3]);
        assert_eq!(numbers(&server, good.id).await, [1]);
        server.stop().await;
    })
    .await;
}
