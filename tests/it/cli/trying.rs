//! `sidehook send` and `sidehook listen`: trying a webhook.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::process::{self, run};
use crate::server::{TestServer, on_databases, on_every_database};
use crate::wait::TIMEOUT;

#[tokio::test]
async fn a_test_event_is_signed_as_its_sender_does() {
    on_databases(&[Kind::Sqlite], async |database| {
        let server = TestServer::start(&database).await;
        let sidehook = json!({"signature": {"scheme": "github", "secret": "planted"}, "path": "in/:name"});
        let said = node("answer", "response", json!({"statusCode": 201, "body": "{{$context.body.n}}"}));
        let trigger = json!({"request": {"body": [{"key": "n"}]}, "sidehook": sidehook});
        server.add(&workflow("orders", true, &trigger, &[said])).await;
        let send = async |arguments: &[&str], secret: &str| {
            let to = ["send", "--to", &server.url, "--scheme", "github", "--secret", "{{$env.SECRET}}"];
            let output = run(&[&to, arguments].concat(), &[("SECRET", secret)]).await;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.success(), text(&output.stdout) + &text(&output.stderr))
        };
        assert_eq!(send(&["orders", "--data", r#"{"n":7}"#], "planted").await, (true, "201\n7\n".to_owned()));
        assert_eq!(
            send(&["/in/a?b=1", "--data", r#"{"n":8}"#], "planted").await,
            (true, "201\n8\n".to_owned())
        );
        let (succeeded, told) = send(&["orders"], "other").await;
        assert!(!succeeded && told.starts_with("401\n") && told.contains("was not taken"), "{told}");
        let (succeeded, told) = send(&["orders"], "").await;
        assert!(!succeeded && told.contains("it is not signed"), "{told}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requests_are_printed_as_they_arrive() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        server.add(&workflow("orders", true, &json!({"request": {}}), &[])).await;
        server.add(&workflow("others", true, &json!({"request": {}}), &[])).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let environment = database.env();
        let settings: Vec<_> = environment.iter().map(|(name, text)| (&**name, &**text)).collect();
        let script = format!("exec {} listen orders 2>&1", env!("CARGO_BIN_EXE_sidehook"));
        let mut listening = process::shell(&script, &settings, folder.path()).spawn().expect("it starts");
        let mut lines = BufReader::new(listening.stdout.take().expect("its output")).lines();
        let mut next = async || {
            let line = tokio::time::timeout(TIMEOUT, lines.next_line()).await.expect("a line in time");
            line.expect("text").expect("it goes on")
        };
        while !next().await.starts_with("Listening for orders") {}
        server.post("others", &json!({"n": 1})).await;
        server.post("orders", &json!({"n": 2})).await;
        let first = next().await;
        assert!(first.contains("  200  ") && first.ends_with("/api/webhook:trigger/orders"), "{first}");
        assert_eq!([next().await, next().await, next().await, next().await], ["{", "  \"n\": 2", "}", ""]);
        listening.kill().await.expect("it is ended");
        server.stop().await;
    })
    .await;
}
