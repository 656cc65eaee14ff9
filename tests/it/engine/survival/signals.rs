//! Instances that are told to end, and instances that are paused for so long that others take them for dead.

use std::time::Duration;

use entity::Table;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::load::Fleet;
use crate::databases::{Kind, TestDatabase};
use crate::queue::servers::Servers;
use crate::queue::world::on_every_queue;
use crate::rows::Rows;
use crate::server::on_databases;
use crate::wait::{TIMEOUT, until};

/// The default of `SIDEHOOK_GRACE`, and a little for ending after it.
const GRACE: Duration = Duration::from_secs(25);

/// One instance after the other is replaced while requests come in.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_told_to_end_lose_and_repeat_nothing() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| replaces(&database, None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_behind_a_queue_that_are_told_to_end_lose_and_repeat_nothing() {
    on_every_queue(async |servers, database| replaces(&database, Some(&servers)).await).await;
}

async fn replaces(database: &TestDatabase, front: Option<&Servers>) {
    let mut fleet = Fleet::start(database, 2, front).await;
    let sending = fleet.send(400);
    for place in 0..2 {
        sending.load.reaches((place + 1) * 120).await;
        let instance = &mut fleet.instances[place];
        instance.signal("TERM").await;
        let status = timeout(GRACE, instance.ended()).await.expect("it ends within its grace period");
        assert!(status.success(), "{status}:\n{}", instance.printed());
        fleet.replace(place).await;
    }
    let acknowledged = sending.ended().await;
    fleet.check(&acknowledged).await;
    assert_eq!(fleet.receiver.repeats().len(), 0);
    fleet.stop().await;
}

/// All that could be written of executions.
async fn everything(rows: &Rows, fleet: &Fleet<'_>) -> Vec<Value> {
    let mut all = Vec::new();
    for sample in &fleet.samples {
        let id = sample.hook.id;
        all.push(json!({
            "executions": rows.executions(id).await,
            "jobs": rows.jobs_by_execution(id).await,
            "stats": rows.stats(&sample.hook.key, id).await,
        }));
    }
    all.push(json!([rows.count(Table::Leases).await, rows.count(Table::Timers).await]));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_was_paused_for_too_long_writes_nothing_more_and_ends() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| writes_no_more(&database, None).await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_paused_for_too_long_doubles_nothing_and_ends() {
    on_every_queue(async |servers, database| writes_no_more(&database, Some(&servers)).await).await;
}

/// Pauses the first instance while executions are its own: others take over from nobody who has none.
async fn pause_at_work(fleet: &mut Fleet<'_>, rows: &Rows) {
    let number = fleet.instances[0].number();
    let held = format!("SELECT COUNT(*) FROM {} WHERE instance_id = {number}", rows.table(Table::Leases));
    let paused = Instant::now();
    loop {
        fleet.instances[0].signal("STOP").await;
        if rows.number(&held).await != 0 {
            break;
        }
        assert!(paused.elapsed() < TIMEOUT, "it never has executions");
        fleet.instances[0].signal("CONT").await;
        sleep(Duration::from_millis(20)).await;
    }
    fleet.pause(0).await;
}

async fn writes_no_more(database: &TestDatabase, front: Option<&Servers>) {
    let mut fleet = Fleet::start(database, 2, front).await;
    let sending = fleet.send(300);
    sending.load.reaches(100).await;
    let rows = fleet.rows().await;
    pause_at_work(&mut fleet, &rows).await;
    let taken = format!("SELECT COUNT(*) FROM {} WHERE generation = 2", rows.table(Table::Instances));
    until(
        async || rows.number(&taken).await != 0,
        || format!("nobody takes over:\n{}", fleet.instances[1].printed()),
    )
    .await;
    sending.load.reaches(300).await;
    until(
        async || fleet.is_all_over(&rows).await,
        || format!("it does not end:\n{}", fleet.instances[1].printed()),
    )
    .await;
    let before = everything(&rows, &fleet).await;
    fleet.instances[0].signal("CONT").await;
    let status = fleet.instances[0].ended().await;
    assert_eq!(status.code(), Some(1), "{}", fleet.instances[0].printed());
    // Requests that have waited at its door go into a queue even so.
    if fleet.queue.is_none() {
        assert_eq!(everything(&rows, &fleet).await, before);
    }
    fleet.replace(0).await;
    let acknowledged = sending.ended().await;
    fleet.check(&acknowledged).await;
    fleet.stop().await;
}
