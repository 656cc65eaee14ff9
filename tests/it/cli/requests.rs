//! `sidehook requests` on a log with something in it.

use entity::Table;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::history::sidehook;
use crate::fixture::{node, workflow};
use crate::process;
use crate::server::{TestServer, on_every_database};
use crate::wait::{TIMEOUT, until};

async fn logged(server: &TestServer, count: i64) {
    let is_there = async || server.count(Table::Requests).await == count;
    until(is_there, || format!("there are not {count} rows")).await;
}

#[tokio::test]
async fn requests_are_listed_by_what_is_asked_for() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("SIDEHOOK_REQUESTS", "bodies")]).await;
        let items = json!({"request": {"body": [{"key": "name"}]}});
        server.add(&workflow("orders", true, &items, &[])).await;
        server.add(&workflow("bad", true, &items, &[node("end", "end", json!({"endStatus": -1}))])).await;
        server.post("orders", &json!({"name": "Ada 100% sure"})).await;
        server.post("bad", &json!({"name": "Bob"})).await;
        server.post("nobodys", &json!({"name": "Eve"})).await;
        logged(&server, 3).await;

        let list = async |arguments: &[&str]| {
            let (succeeded, printed) =
                sidehook(&database, &[&["requests", "--json"], arguments].concat()).await;
            assert!(succeeded, "{printed}");
            let rows: Vec<Value> =
                printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let key = |row: &Value| row["workflowKey"].as_str().unwrap_or("-").to_owned();
            rows.iter().filter(|row| row["path"].is_string()).map(key).collect::<Vec<_>>()
        };
        assert_eq!(list(&[]).await, ["-", "bad", "orders"], "newest first");
        assert_eq!(list(&["--limit", "1"]).await, ["-"]);
        assert_eq!(list(&["--workflow", "bad"]).await, ["bad"]);
        assert_eq!(list(&["--status", "4xx"]).await, ["-"]);
        assert_eq!(list(&["--status", "500,404"]).await, ["-", "bad"]);
        assert_eq!(list(&["--text", "ADA 100%"]).await, ["orders"]);
        assert_eq!(list(&["--text", "100_"]).await, [""; 0]);
        assert_eq!(list(&["--since", "1h"]).await.len(), 3);
        assert_eq!(list(&["--until", "1h"]).await, [""; 0]);

        let (_, printed) = sidehook(&database, &["requests"]).await;
        assert!(printed.contains("POST /api/webhook:trigger/nobodys (No enabled"), "{printed}");
        let (_, printed) = sidehook(&database, &["requests", "--json", "--workflow", "orders"]).await;
        let row = printed
            .lines()
            .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(|row| row["path"].is_string()));
        let id = row.expect("a row")["id"].as_str().expect("a text").to_owned();
        let (succeeded, shown) = sidehook(&database, &["requests", "show", &id]).await;
        assert!(succeeded, "{shown}");
        for part in
            ["POST /api/webhook:trigger/orders HTTP/1.1\n", "\n\n{\"name\":\"Ada", "\ncurl --globoff "]
        {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        let (succeeded, shown) = sidehook(&database, &["requests", "show", "1"]).await;
        assert!(!succeeded && shown.contains("no request has the id 1"), "{shown}");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requests_are_followed_in_the_order_of_their_arrival() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        server.add(&workflow("orders", true, &json!({"request": {}}), &[])).await;
        server.post("orders", &json!({})).await;
        logged(&server, 1).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let environment = database.env();
        let settings: Vec<_> = environment.iter().map(|(name, text)| (&**name, &**text)).collect();
        let script = format!("exec {} requests --follow --json", env!("CARGO_BIN_EXE_sidehook"));
        let mut following = process::shell(&script, &settings, folder.path()).spawn().expect("it starts");
        let mut lines = BufReader::new(following.stdout.take().expect("its output")).lines();
        let mut next = async || {
            let line = tokio::time::timeout(TIMEOUT, lines.next_line()).await.expect("a line in time");
            let line = line.expect("text").expect("it goes on");
            serde_json::from_str::<Value>(&line).expect("JSON")["status"].as_i64()
        };
        assert_eq!(next().await, Some(200));
        server.post("nobodys", &json!({})).await;
        assert_eq!(next().await, Some(404));
        server.post("orders", &json!({})).await;
        assert_eq!(next().await, Some(200));
        following.kill().await.expect("it is ended");
        server.stop().await;
    })
    .await;
}
