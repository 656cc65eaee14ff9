//! Cases that NocoBase has recorded (`record.mjs` says how) leave the same rows here.

use entity::Table;
use sea_orm::DbBackend;
use serde_json::{Value, json};

use super::{add_channel, create_tables};
use crate::databases::TestDatabase;
use crate::fixture::{node, workflow};
use crate::node::mailer::server::{MailServer, certificate};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database, prepare};

const LOG: [&str; 7] =
    ["channelName", "channelTitle", "triggerFrom", "notificationType", "status", "message", "reason"];
const MESSAGE: [&str; 6] = ["userId", "channelName", "title", "content", "status", "options"];

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("recorded.json")).expect("the cases are JSON")
}

/// The rows of a table, as `record.mjs` writes them; JSON as what it says.
async fn read(rows: &Rows, table: Table, order: &str, columns: &[&str]) -> Vec<Value> {
    let backend = rows.store.codec.backend();
    let selected = columns.iter().map(|name| {
        let column = rows.quoted(name);
        match backend {
            DbBackend::MySql => format!("CAST({column} AS char)"),
            _ => format!("CAST({column} AS text)"),
        }
    });
    let selected: Vec<String> = selected.collect();
    let (table, order) = (rows.table(table), rows.quoted(order));
    let found = rows.query(&format!("SELECT {} FROM {table} ORDER BY {order}", selected.join(", "))).await;
    let row = |row: &sea_orm::QueryResult| {
        let members = columns.iter().enumerate().map(|(i, name)| {
            let text: Option<String> = row.try_get_by_index(i).expect("a text");
            ((*name).to_owned(), json!(text))
        });
        parsed(Value::Object(members.collect()))
    };
    found.iter().map(row).collect()
}

/// A row with what its JSON says. MySQL keeps configurations with their members in an order of its own, in which they
/// get into the reasons of failures.
fn parsed(mut row: Value) -> Value {
    for name in ["message", "options", "reason"] {
        if let Some(text) = row[name].as_str().filter(|text| name != "reason" || text.starts_with('{')) {
            row[name] = serde_json::from_str(text).expect("JSON");
        }
    }
    row
}

/// A text without what differs each time.
fn masked(value: &Value, name: &str, port: Option<u16>) -> String {
    let text = value.to_string().replace(name, "CHANNEL");
    port.map_or(text.clone(), |port| text.replace(&format!(":{port}"), ":PORT"))
}

async fn run(server: &TestServer, name: &str, case: &Value, port: u16) -> Value {
    let filled = |value: &Value| -> Value {
        let text = value.to_string().replace("\"PORT\"", &port.to_string()).replace("CHANNEL", name);
        serde_json::from_str(&text).expect("JSON")
    };
    if !case["channel"].is_null() {
        add_channel(server, name, &filled(&case["channel"])).await;
    }
    let body = case.get("body").cloned().unwrap_or_else(|| json!({}));
    let keys: Vec<Value> =
        body.as_object().into_iter().flatten().map(|(key, _)| json!({"key": key})).collect();
    let trigger = json!({"request": {"body": keys}});
    let workflow = workflow(name, true, &trigger, &[node("n", "notification", filled(&case["config"]))]);
    server.add(&workflow).await;
    server.post(name, &body).await;
    let execution = server.executions(workflow.id).await.remove(0);
    let mut jobs = server.jobs(execution["id"].as_i64().expect("an id")).await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

/// The mail server of a case.
async fn mail_server(server: &Value) -> Option<MailServer> {
    let mut options: Vec<String> = Vec::new();
    if let Some(tls) = server["tls"].as_str() {
        options.extend([
            "--tls".to_owned(),
            tls.to_owned(),
            certificate("mail.pem"),
            certificate("mail.key"),
        ]);
    }
    if let Some(login) = server["auth"].as_array() {
        options.push("--auth".to_owned());
        options.extend(login.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    MailServer::start(&options).await
}

async fn compare(server: &TestServer, i: usize, case: &Value) {
    let about = case["about"].as_str().expect("a text");
    let mail = match case["server"].is_null() {
        true => None,
        false => {
            let Some(mail) = mail_server(&case["server"]).await else { return };
            Some(mail)
        }
    };
    let port = mail.as_ref().map_or(1, |mail| mail.port);
    let (name, logs) = (format!("case_{i}"), server.table(Table::NotificationSendLogs));
    let messages = server.table(Table::NotificationInAppMessages);
    for table in [logs, messages] {
        server.execute(&format!("DELETE FROM {table}")).await;
    }
    let job = run(server, &name, case, port).await;
    let logs = read(server, Table::NotificationSendLogs, "createdAt", &LOG).await;
    let messages = read(server, Table::NotificationInAppMessages, "userId", &MESSAGE).await;
    if case["handed"] == true {
        let message = job["result"]["message"].as_str().unwrap_or_default();
        assert!(job["status"] == -2 && message.contains("only"), "{about}: {job}");
        assert_eq!((logs.len(), messages.len()), (0, 0), "{about}");
        return;
    }
    let rows = |name: &str| -> Vec<Value> {
        case[name].as_array().into_iter().flatten().map(|row| parsed(row.clone())).collect()
    };
    let expected = json!([case["status"], case["result"], rows("logs"), rows("messages")]);
    let mut expected = expected.to_string();
    for pair in case["ours"].as_array().into_iter().flatten() {
        let text = |place: usize| {
            let text = json!(pair[place]).to_string();
            text[1..text.len() - 1].to_owned()
        };
        expected = expected.replace(&text(0), &text(1));
    }
    let got = masked(
        &json!([job["status"], job["result"], logs, messages]),
        &name,
        mail.as_ref().map(|mail| mail.port),
    );
    let [expected, got] = [expected, got].map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    assert_eq!(got, expected, "{about}");
    if let Some(mail) = mail {
        let members = ["mail", "to", "user", "tls"];
        let seen = mail.mails().into_iter().map(|mail| {
            Value::Object(members.map(|name| (name.to_owned(), mail[name].clone())).into_iter().collect())
        });
        assert_eq!(json!(seen.collect::<Vec<_>>()), case["mails"], "{about}");
    }
}

async fn set_environment(rows: &Rows) {
    let table = rows.table(Table::EnvironmentVariables);
    let columns =
        ["name", "type", "value", "createdAt", "updatedAt"].map(|name| rows.quoted(name)).join(", ");
    let time = "'2026-11-22 01:02:03.000'";
    for (name, value) in [("SHOP", "Corner shop"), ("MAIL_USER", "shop"), ("MAIL_PASSWORD", "s3cret")] {
        let values = format!("'{name}', 'default', '{value}', {time}, {time}");
        rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES ({values})")).await;
    }
}

async fn cases_are_those_of_nocobase(database: TestDatabase) {
    let rows = Rows { store: prepare(&database, &[]).await };
    create_tables(&rows).await;
    set_environment(&rows).await;
    let trusted = certificate("mail-ca.pem");
    let server = TestServer::start_with(&database, &[("NODE_EXTRA_CA_CERTS", trusted.as_str())]).await;
    let cases = cases();
    assert!(cases.len() > 40, "{}", cases.len());
    for (i, case) in cases.iter().enumerate() {
        compare(&server, i, case).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_those_of_nocobase() {
    on_every_database(cases_are_those_of_nocobase).await;
}
