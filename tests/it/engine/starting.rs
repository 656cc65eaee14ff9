//! Starts that cannot work, and what is told about them; one that takes long.

use std::time::Duration;

use entity::Table;
use sea_orm::ConnectionTrait;
use serde_json::json;
use sidehook::store::instance::{InstanceError, TIME_TO_LIVE};

use super::instances::fill_instances;
use super::lifecycle::looping;
use crate::databases::{Kind, TestDatabase};
use crate::process::{Process, run, run_serve};
use crate::rows::Rows;
use crate::server::{client, config, on_databases, on_every_database, prepare};
use crate::wait::until;

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    prepare(&database, &[]).await;
    let first = Process::serve(&database, &[]).await;
    let address = first.url.trim_start_matches("http://");
    let output = run_serve(&database, &[("SIDEHOOK_LISTEN", address)]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("{address} cannot be listened on; choose another with --listen")),
        "{told}"
    );
    assert!(told.contains("in use"), "{told}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let output = run_serve(&database, &[("DB_PASSWORD", "hunter2")]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("the database cannot be opened; check the DB_ settings"), "{told}");
        let reason = told.to_ascii_lowercase();
        assert!(reason.contains("password") || reason.contains("access denied"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(!told.contains("does not answer yet"), "it waits for a database that will never let it in");
    })
    .await;
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_told_at_once() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let output = run_serve(&database, &[("DB_DATABASE", "no_such_database")]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("no_such_database"), "{told}");
        assert!(!told.contains("does not answer yet"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_database_without_nocobase_is_told() {
    on_every_database(async |database| {
        if let Some((_, file)) = database.env().into_iter().find(|(name, _)| name == "DB_STORAGE") {
            std::fs::File::create(file).expect("an empty file");
        }
        let output = run_serve(&database, &[]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("is this NocoBase's database?"), "{told}");
        let store = sidehook::app::open_store(&config(&database, &[])).await.expect("the database opens");
        let made = store.db.execute_unprepared("SELECT version FROM sidehook_migrations").await;
        assert!(made.is_err(), "tables were made in a database without NocoBase");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_does_not_exist_is_told_and_not_made() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let output = run_serve(&database, &[]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let (_, file) = database.env().into_iter().find(|(name, _)| name == "DB_STORAGE").expect("a file");
    assert!(told.contains(&format!("{file} does not exist; check --database or DB_STORAGE")), "{told}");
    assert!(!std::path::Path::new(&file).exists());
}

#[tokio::test]
async fn all_wrong_settings_are_told_together() {
    let settings = [("DB_DIALECT", "oracle"), ("SIDEHOOK_WORKERS", "none"), ("SIDEHOOK_GRACE", "soon")];
    let output = run(&["serve"], &settings).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for (name, _) in settings {
        assert!(told.contains(name), "{told}");
    }
}

/// Otherwise others would take it for gone while it reads many workflows, and it would have no ids for the first events.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_held_up_keeps_its_number() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        rows.add(&looping("k", true)).await;
        fill_instances(&rows, 1..32, i64::MAX).await;
        let holding = rows.store.db.begin().await.expect("a connection");
        let variables = rows.table(Table::EnvironmentVariables);
        let (lock, unlock) = match database.kind {
            Kind::Postgres => (format!("LOCK TABLE {variables}"), "SELECT 1"),
            _ => (format!("LOCK TABLES {variables} WRITE"), "UNLOCK TABLES"),
        };
        holding.execute_unprepared(&lock).await.expect("the lock is free");
        let meanwhile = async {
            until(async || rows.count(Table::Instances).await == 32, || "no number is taken".to_owned())
                .await;
            for _ in 0..=TIME_TO_LIVE.as_secs() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                // The server ends transactions that are idle.
                holding.execute_unprepared("SELECT 1").await.expect("the lock is held");
            }
            let another = rows.store.register_instance("another").await;
            assert!(matches!(another, Err(InstanceError::NoneFree)), "its number was free: {another:?}");
            holding.execute_unprepared(unlock).await.expect("the lock is given back");
            holding.rollback().await.expect("the connection is free");
        };
        let (process, ()) = tokio::join!(Process::serve(&database, &[]), meanwhile);
        let answer = client().post(process.trigger_url("k")).json(&json!({"n": 1})).send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
    })
    .await;
}
