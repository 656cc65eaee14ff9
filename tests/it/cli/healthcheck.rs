//! `sidehook healthcheck` as a container runs it.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::check::sidehook;
use crate::databases::{Kind, TestDatabase};
use crate::process::Process;
use crate::server::prepare;
use crate::wait::TIMEOUT;

#[tokio::test]
async fn a_healthcheck_tells_whether_events_can_be_taken() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    prepare(&database, &[]).await.db.close().await.expect("the connection closes");
    let mut process = Process::serve(&database, &[]).await;
    let address = process.url.strip_prefix("http://").expect("a URL").to_owned();
    let (_, port) = address.rsplit_once(':').expect("a port");
    let healthy = format!("http://{address}/health/ready answers 200: ok\n");
    for listen in [format!("0.0.0.0:{port}"), address.clone()] {
        let outcome = sidehook(&["healthcheck"], &[("SIDEHOOK_LISTEN", &listen)]).await;
        assert_eq!((outcome.succeeded, &*outcome.printed), (true, &*healthy), "{outcome:?}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (variables, file) = (folder.path().join(".env"), folder.path().join("settings.toml"));
    std::fs::write(&variables, format!("SIDEHOOK_LISTEN={address}\n")).expect("written");
    std::fs::write(&file, format!("listen = \"{address}\"\nworkers = \"8\"\n")).expect("written");
    for (option, path) in [("--env-file", &variables), ("--config", &file)] {
        let outcome = sidehook(&["healthcheck", option, &path.display().to_string()], &[]).await;
        assert_eq!((outcome.succeeded, &*outcome.printed), (true, &*healthy), "{outcome:?}");
    }
    // Of several files the later one wins, and the process' own environment over all.
    let other = folder.path().join("other.env");
    std::fs::write(&other, "SIDEHOOK_LISTEN=127.0.0.1:1\nSIDEHOOK_WORKERS=8\n").expect("written");
    let (right, wrong) = (variables.display().to_string(), other.display().to_string());
    let (own, none) = ([("SIDEHOOK_LISTEN", address.as_str())], [].as_slice());
    for (first, second, own, is_found) in
        [(&wrong, &right, none, true), (&right, &wrong, none, false), (&right, &wrong, own.as_slice(), true)]
    {
        let outcome = sidehook(&["healthcheck", "--env-file", first, "--env-file", second], own).await;
        assert_eq!(outcome.succeeded, is_found, "{first} {second}: {outcome:?}");
    }
    let missing = sidehook(&["healthcheck", "--url", &format!("{}/nowhere", process.url)], &[]).await;
    assert!(!missing.succeeded && missing.complained.contains("answers 404"), "{missing:?}");
    process.signal("TERM").await;
    process.ended().await;
    let refused = sidehook(&["healthcheck"], &[("SIDEHOOK_LISTEN", &address)]).await;
    assert!(!refused.succeeded && refused.complained.contains("cannot be asked"), "{refused:?}");
}

#[tokio::test]
async fn a_healthcheck_does_not_wait_for_long() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/health/ready", listener.local_addr().expect("a bound port"));
    let held = tokio::spawn(async move {
        let (silent, _) = listener.accept().await.expect("a connection");
        let (mut unready, _) = listener.accept().await.expect("a connection");
        // A connection closed with something unread is reset.
        let _ = unready.read(&mut [0; 1024]).await;
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";
        unready.write_all(answer).await.expect("the answer is sent");
        drop(unready);
        silent
    });
    let started = Instant::now();
    let outcome = sidehook(&["healthcheck", "--url", &url], &[]).await;
    assert!(!outcome.succeeded && outcome.complained.contains("does not answer within 3 s"), "{outcome:?}");
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    let outcome = sidehook(&["healthcheck", "--url", &url], &[]).await;
    assert!(!outcome.succeeded && outcome.complained.contains("answers 503: busy"), "{outcome:?}");
    drop(held.await);
}
