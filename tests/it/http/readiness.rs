//! Readiness follows whether events can be recorded: rights, a standby, a file that cannot grow, a database that is
//! silent.

use serde_json::json;
use sidehook::app::open_store;
use tokio::process::Command;

use super::answering;
use crate::databases::{Kind, TestDatabase};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, config, on_databases, prepare};
use crate::store::proxy::Proxy;
use crate::wait::until;

/// Status and text of `/health/ready`.
async fn ready(url: &str) -> (u16, String) {
    let answer = client().get(format!("{url}/health/ready")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn becomes_ready(url: &str) {
    until(async || ready(url).await.0 == 200, || "it does not get ready".to_owned()).await;
}

/// Waits until no events are wanted, for this reason.
async fn becomes_unready(url: &str, reason: &str) {
    let is_so = async || {
        let (status, text) = ready(url).await;
        status == 503 && text.contains(reason)
    };
    until(is_so, || format!("readiness does not say that {reason}")).await;
}

async fn status(url: &str) -> (u16, bool) {
    let answer = client().post(format!("{url}/api/webhooks/k")).json(&json!({})).send().await;
    let answer = answer.expect("an answer");
    (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
}

const UNWRITABLE: &str = "the database does not take events";
const SILENT: &str = "the database does not answer";

#[tokio::test]
async fn a_right_to_write_that_is_missing_is_told() {
    on_databases(&[Kind::Postgres], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        rows.add(&answering("k", json!("ok"))).await;
        let role = format!("sh_{:08x}", rand::random::<u32>());
        for statement in [
            format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"),
        ] {
            rows.execute(&statement).await;
        }
        let settings = [("DB_USER", role.as_str()), ("DB_PASSWORD", "secret")];
        let mut process = Process::serve(&database, &settings).await;
        becomes_ready(&process.url).await;
        assert_eq!(status(&process.url).await.0, 200);
        rows.execute(&format!("REVOKE INSERT, UPDATE, DELETE ON jobs FROM {role}")).await;
        assert!(status(&process.url).await.0 >= 500, "an event that is lost was acknowledged");
        becomes_unready(&process.url, UNWRITABLE).await;
        rows.execute(&format!("GRANT INSERT, UPDATE, DELETE ON jobs TO {role}")).await;
        becomes_ready(&process.url).await;
        assert_eq!(status(&process.url).await.0, 200);
        process.signal("TERM").await;
        assert!(process.ended().await.success());
        assert!(process.printed().contains(&format!("GRANT INSERT, UPDATE, DELETE ON jobs TO {role}")));
        rows.execute(&format!("DROP OWNED BY {role}")).await;
        rows.execute(&format!("DROP ROLE {role}")).await;
    })
    .await;
}

/// As on a standby, which takes reading only: after a failover connections lead there for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_for_a_while_is_told() {
    on_databases(&[Kind::Postgres], async |database| {
        let server = TestServer::start(&database).await;
        server.add(&answering("k", json!("ok"))).await;
        becomes_ready(&server.url).await;
        // Opened before, so that it stays one that may write.
        let admin =
            open_store(&config(&database, &[("DB_POOL_MAX", "1")])).await.expect("the database opens");
        let admin = Rows { store: admin };
        let name = admin.texts("SELECT current_database()::text").await.remove(0).expect("a name");
        // What is set counts for connections from then on.
        let set = async |to: &str| {
            admin.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {to}")).await;
            let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            admin.execute(others).await;
        };
        set("on").await;
        becomes_unready(&server.url, "the database").await;
        until(async || status(&server.url).await == (503, true), || "events are not sent back".to_owned())
            .await;
        set("off").await;
        becomes_ready(&server.url).await;
        until(async || status(&server.url).await.0 == 200, || "events are not taken".to_owned()).await;
        server.stop().await;
    })
    .await;
}

/// A limit on the size of files, which is an I/O error for SQLite: a full disk is one of its own, and tested beside
/// the pool.
#[tokio::test]
async fn a_file_that_cannot_grow_is_told_and_nothing_acknowledged_is_lost() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let hook = answering("k", json!("ok"));
    rows.add(&hook).await;
    let (_, file) = database.env().into_iter().find(|(name, _)| name == "DB_STORAGE").expect("a file");
    let mut process = Process::serve_under("trap '' XFSZ", &database, &[]).await;
    let id = process.id().to_string();
    let limit = async |bytes: &str| {
        let limit = format!("--fsize={bytes}:");
        let set = Command::new("prlimit").args(["--pid", &id, &limit]).status().await;
        assert!(set.expect("prlimit runs").success());
    };
    let mut acknowledged = 0;
    for _ in 0..2 {
        becomes_ready(&process.url).await;
        let size = std::fs::metadata(&file).expect("a file").len();
        limit(&size.to_string()).await;
        until(
            async || {
                let (status, has_time) = status(&process.url).await;
                acknowledged += usize::from(status == 200);
                assert!(status == 200 || (status == 503 && has_time), "answered {status}");
                status == 503
            },
            || "the file grows".to_owned(),
        )
        .await;
        becomes_unready(&process.url, "the database").await;
        limit("unlimited").await;
        becomes_ready(&process.url).await;
        assert_eq!(status(&process.url).await.0, 200);
        acknowledged += 1;
    }
    process.signal("TERM").await;
    assert!(process.ended().await.success());
    let recorded = rows.executions(hook.id).await.len();
    assert!(recorded >= acknowledged, "{acknowledged} events were acknowledged and {recorded} are recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_has_taken_no_sign_of_life_for_long_is_told() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let proxy = Proxy::before(&database).await;
        let port = proxy.port.to_string();
        let settings = [("DB_HOST", "127.0.0.1"), ("DB_PORT", port.as_str())];
        let server = TestServer::start_with(&database, &settings).await;
        becomes_ready(&server.url).await;
        proxy.hold();
        becomes_unready(&server.url, SILENT).await;
        proxy.release();
        becomes_ready(&server.url).await;
        server.stop().await;
    })
    .await;
}
