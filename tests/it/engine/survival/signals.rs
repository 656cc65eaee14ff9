//! Instances that are told to end, and instances that are paused for so long that others take them for dead.

use std::time::Duration;

use entity::Table;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::load::{Fleet, is_all_over};
use crate::databases::Kind;
use crate::rows::Rows;
use crate::server::on_databases;
use crate::wait::until;

/// The default of `SIDEHOOK_GRACE`, and a little for ending after it.
const GRACE: Duration = Duration::from_secs(25);

/// One instance after the other is replaced while requests come in.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_told_to_end_lose_and_repeat_nothing() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let mut fleet = Fleet::start(&database, 2).await;
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
    })
    .await;
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
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let mut fleet = Fleet::start(&database, 2).await;
        let sending = fleet.send(300);
        sending.load.reaches(100).await;
        fleet.pause(0).await;
        let rows = fleet.rows().await;
        let taken = format!("SELECT COUNT(*) FROM {} WHERE generation = 2", rows.table(Table::Instances));
        until(
            async || rows.number(&taken).await != 0,
            || format!("nobody takes over:\n{}", fleet.instances[1].printed()),
        )
        .await;
        sending.load.reaches(300).await;
        until(
            async || is_all_over(&rows).await,
            || format!("it does not end:\n{}", fleet.instances[1].printed()),
        )
        .await;
        let before = everything(&rows, &fleet).await;
        fleet.instances[0].signal("CONT").await;
        let status = fleet.instances[0].ended().await;
        assert_eq!(status.code(), Some(1), "{}", fleet.instances[0].printed());
        assert_eq!(everything(&rows, &fleet).await, before);
        fleet.replace(0).await;
        let acknowledged = sending.ended().await;
        fleet.check(&acknowledged).await;
        fleet.stop().await;
    })
    .await;
}
