//! Logs and lists that cannot be written.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{TIMEOUT, answering};
use crate::databases::{Kind, TestDatabase};
use crate::process::{environment, shell};
use crate::rows::Rows;
use crate::server::{client, prepare};

const BINARY: &str = env!("CARGO_BIN_EXE_sidehook");

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    // A full disk, and a reader who has gone after the first line.
    for script in ["exec $0 serve 2>/dev/full", "exec $0 serve 2> >(head -c 1 >&1)"] {
        let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = answering("open", json!("ok"));
        rows.add(&hook).await;
        let listen = format!("127.0.0.1:{}", free_port());
        let settings = environment(&database, &[("SIDEHOOK_LISTEN", &listen), ("SIDEHOOK_LOG", "debug")]);
        let pairs: Vec<_> = settings.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child =
            shell(&script.replace("$0", BINARY), &pairs, folder.path()).spawn().expect("a shell starts");
        let (client, started) = (client(), Instant::now());
        let url = format!("http://{listen}/api/webhooks/open");
        let status = async || client.post(&url).json(&json!({})).send().await.map(|answer| answer.status());
        while !status().await.is_ok_and(|status| status == 200) {
            assert!(started.elapsed() < TIMEOUT && child.try_wait().expect("a child").is_none(), "{script}");
            sleep(Duration::from_millis(50)).await;
        }
        // Refusals and the following of changes are logged, too.
        assert_eq!(client.post(format!("{url}s")).send().await.expect("an answer").status(), 404);
        let off = rows.quoted("enabled");
        rows.execute(&format!("UPDATE workflows SET {off} = false")).await;
        while status().await.expect("it serves on") != 404 {
            assert!(started.elapsed() < TIMEOUT, "changes are not followed any more: {script}");
            sleep(Duration::from_millis(50)).await;
        }
        let id = child.id().expect("it runs").to_string();
        let sent = tokio::process::Command::new("kill").args(["-s", "TERM", &id]).status().await;
        assert!(sent.expect("kill runs").success());
        let ended = tokio::time::timeout(TIMEOUT, child.wait()).await.expect("it ends");
        assert_eq!(ended.expect("a child").code(), Some(0), "{script}");
    }
}

/// A pipe takes 64 KB; what is written after that waits for its reader for ever.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    let hook = answering("open", json!("ok"));
    rows.add(&hook).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let settings = environment(&database, &[("SIDEHOOK_LISTEN", &listen), ("SIDEHOOK_LOG", "trace")]);
    let pairs: Vec<_> = settings.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = format!("exec {BINARY} serve 2> >(sleep 100)");
    let mut child = shell(&script, &pairs, folder.path()).spawn().expect("a shell starts");
    let (client, started) = (client(), Instant::now());
    let url = format!("http://{listen}/api/webhooks/open");
    let status = async || client.post(&url).json(&json!({})).send().await.map(|answer| answer.status());
    while !status().await.is_ok_and(|status| status == 200) {
        assert!(started.elapsed() < TIMEOUT && child.try_wait().expect("a child").is_none());
        sleep(Duration::from_millis(50)).await;
    }
    for n in 0..300 {
        let answered = tokio::time::timeout(TIMEOUT, status()).await;
        assert_eq!(answered.unwrap_or_else(|_| panic!("request {n} waits")).expect("an answer"), 200);
    }
    let id = child.id().expect("it runs").to_string();
    let sent = tokio::process::Command::new("kill").args(["-s", "TERM", &id]).status().await;
    assert!(sent.expect("kill runs").success());
    let ended = tokio::time::timeout(TIMEOUT, child.wait()).await.expect("it ends");
    assert_eq!(ended.expect("a child").code(), Some(0));
}

#[tokio::test]
async fn a_reader_who_has_gone_ends_a_list_quietly_and_a_full_disk_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = async |script: &str| {
        let script = format!("set -o pipefail; {}", script.replace("$0", BINARY));
        let output = shell(&script, &[], folder.path()).output().await.expect("a shell starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run("$0 nodes --examples | true").await, (Some(0), String::new()));
    let (code, complaint) = run("$0 nodes > /dev/full").await;
    assert!(code == Some(1) && complaint.contains("nothing can be printed"), "{code:?} {complaint}");
    let (code, complaint) = run("$0 serve --database nowhere.sqlite 2> /dev/full").await;
    assert_eq!((code, &*complaint), (Some(1), ""));
}
