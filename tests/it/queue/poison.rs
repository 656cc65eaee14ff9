//! Events that cannot become executions are put aside after five tries, and can be put back.

use serde_json::json;
use sidehook::queue::{Event, Lead, Queue};

use super::servers::pairs;
use super::world::{counting, numbers, on_every_queue, reaches, ready};
use crate::process::{Process, run};
use crate::rows::Rows;
use crate::server::{client, prepare};
use crate::wait::until;

/// Events that wait, and those that were put aside.
async fn depth(queue: &dyn Queue) -> Option<(u64, u64)> {
    queue.depth().await.ok().map(|depth| (depth.events, depth.dead))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_an_execution_is_put_aside_and_can_be_put_back() {
    on_every_queue(async |servers, database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let (there, later) = (counting("there"), counting("later"));
        rows.add(&there).await;
        let settings = servers.settings();
        let mut instance = Process::serve(&database, &pairs(&settings)).await;
        ready(&instance.url).await;
        let queue = servers.open(&database).await;
        let event = Event::new("later", "e", 1_000, json!({"body": {"n": 5}}).to_string());
        queue.store("1", event.encode().expect("an event")).await.expect("stored");
        queue.store("2", "hunter2".into()).await.expect("stored");
        let answer = client().post(instance.trigger_url("there")).json(&json!({"n": 6})).send().await;
        assert_eq!(answer.expect("an answer").status(), 202);
        reaches(&rows, std::slice::from_ref(&there), 1).await;
        until(async || depth(&*queue).await == Some((0, 2)), || instance.printed()).await;
        let printed = instance.printed();
        let tries = printed.matches("an event cannot become an execution").count();
        assert_eq!(tries, 2 * 4, "the fifth is the last, for each of both:\n{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");

        let mut dead = queue.dead(10).await.expect("an answer");
        dead.sort_by_key(|dead| dead.payload.len());
        assert_eq!(dead.len(), 2);
        assert!(dead[0].reason.contains("it has no first line"), "{}", dead[0].reason);
        assert!(dead[1].reason.contains("no enabled workflow has the key later"), "{}", dead[1].reason);
        let mut environment = database.env();
        environment.extend(settings.clone());
        let listed = run(&["queue", "dead"], &pairs(&environment)).await;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains(&dead[1].place) && listed.contains("later"), "{listed}");
        let counted = run(&["queue"], &pairs(&environment)).await;
        let counted = String::from_utf8_lossy(&counted.stdout).into_owned();
        assert!(counted.starts_with("0 events wait (0 bytes), 2 were put aside"), "{counted}");
        let checked = run(&["check"], &pairs(&environment)).await;
        let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.contains("0 events wait, 2 were put aside"), "{checked}");

        rows.add(&later).await;
        let replayed = run(&["queue", "replay", &dead[1].place], &pairs(&environment)).await;
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
        reaches(&rows, std::slice::from_ref(&later), 1).await;
        assert_eq!(numbers(&rows, later.id).await, [5]);
        let again = run(&["queue", "replay", &dead[1].place], &pairs(&environment)).await;
        assert!(!again.status.success(), "it is not there any more");
        until(async || depth(&*queue).await == Some((0, 1)), || instance.printed()).await;
        rows.store.db.close().await.expect("the connection closes");
        instance.signal("TERM").await;
        assert!(instance.ended().await.success(), "{}", instance.printed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_late_can_be_put_back() {
    const EVENTS: u64 = 120;
    on_every_queue(async |servers, database| {
        let queue = servers.open(&database).await;
        assert_eq!(queue.lead("test").await.expect("an answer"), Lead::Taken);
        for n in 0..EVENTS {
            queue.store(&n.to_string(), "event".into()).await.expect("stored");
        }
        while depth(&*queue).await != Some((0, EVENTS)) {
            for event in queue.next(100).await.expect("an answer") {
                queue.bury(&event, "a test").await.expect("put aside");
            }
        }
        let dead = queue.dead(1_000).await.expect("an answer");
        let last = dead.last().expect("an event").place.clone();
        let mut environment = database.env();
        environment.extend(servers.settings());
        let replayed = run(&["queue", "replay", &last, "no-place"], &pairs(&environment)).await;
        assert!(!replayed.status.success(), "one of them is not there");
        let told = String::from_utf8_lossy(&replayed.stderr).into_owned();
        assert!(told.contains("no event has the place no-place"), "{told}");
        assert_eq!(depth(&*queue).await, Some((1, EVENTS - 1)));
        assert!(queue.dead_at(&last).await.expect("an answer").is_none());
        let replayed = run(&["queue", "replay", "--all"], &pairs(&environment)).await;
        let told = String::from_utf8_lossy(&replayed.stdout).into_owned();
        assert!(told.contains("119 events are in the queue again"), "{told}");
        assert_eq!(depth(&*queue).await, Some((EVENTS, 0)));
    })
    .await;
}
