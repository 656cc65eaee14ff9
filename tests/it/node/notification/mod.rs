//! Notification nodes in a running server: what they record, what arrives where, and what a crash does.

mod recorded;

use entity::Table;
use serde_json::{Value, json};

use crate::collections;
use crate::databases::Kind;
use crate::fixture::{node, workflow};
use crate::node::mailer::sent_through_a_crash;
use crate::node::mailer::server::{MailServer, header};
use crate::rows::Rows;
use crate::server::{on_databases, prepare};

/// Creates the tables of NocoBase's notifications, its users, and three of these: 101, 102 and 103.
pub async fn create_tables(rows: &Rows) {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let key =
        |name: &str, kind: &str| json!({"name": name, "type": kind, "primaryKey": true, "allowNull": false});
    let table = |name: &str, key: Value, fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, kind)| field(name, kind));
        let fields: Vec<Value> = std::iter::once(key).chain(fields).collect();
        json!({"name": name, "autoGenId": false, "fields": fields})
    };
    let channels =
        [("title", "string"), ("options", "json"), ("notificationType", "string"), ("description", "text")];
    let logs = [
        ("channelName", "string"),
        ("channelTitle", "string"),
        ("triggerFrom", "string"),
        ("notificationType", "string"),
        ("status", "string"),
        ("message", "json"),
        ("reason", "text"),
    ];
    let messages = [
        ("userId", "bigInt"),
        ("channelName", "string"),
        ("title", "text"),
        ("content", "text"),
        ("status", "string"),
        ("receiveTimestamp", "bigInt"),
        ("options", "json"),
    ];
    let payloads = [
        table("notificationChannels", key("name", "uid"), &channels),
        table("notificationSendLogs", key("id", "uuid"), &logs),
        table("notificationInAppMessages", key("id", "uuid"), &messages),
    ];
    collections::create(rows, &payloads).await;
    let columns = ["id", "nickname", "email"].map(|name| rows.quoted(name)).join(", ");
    let users = rows.quoted("users");
    for (id, name) in [(101, "Ann"), (102, "Bo"), (103, "Cy")] {
        rows.execute(&format!(
            "INSERT INTO {users} ({columns}) VALUES ({id}, '{name}', '{name}@example.com')"
        ))
        .await;
    }
}

/// Inserts a channel: `{title, notificationType, options}`.
pub async fn add_channel(rows: &Rows, name: &str, channel: &Value) {
    let columns = ["name", "createdAt", "updatedAt", "title", "notificationType", "options"];
    let columns = columns.map(|name| rows.quoted(name)).join(", ");
    let literal = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => collections::literal(text),
        value => collections::literal(&value.to_string()),
    };
    let values = ["title", "notificationType", "options"].map(|name| literal(&channel[name])).join(", ");
    let time = "'2026-11-22 01:02:03.000'";
    let table = rows.table(Table::NotificationChannels);
    rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES ('{name}', {time}, {time}, {values})"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_under_way_in_a_crash_is_sent_again_and_logged_once() {
    on_databases(&[Kind::Postgres, Kind::Sqlite], async |database| {
        let Some(mail) = MailServer::start(&["--hold", "1"]).await else { return };
        let rows = Rows { store: prepare(&database, &[]).await };
        create_tables(&rows).await;
        let options =
            json!({"host": "127.0.0.1", "port": mail.port, "secure": false, "from": "shop@example.com"});
        add_channel(
            &rows,
            "mails",
            &json!({"title": "Mail", "notificationType": "email", "options": options}),
        )
        .await;
        let config =
            json!({"channelName": "mails", "to": ["a@example.com"], "contentType": "text", "text": "Hello"});
        let workflow = workflow("k", false, &json!({}), &[node("send", "notification", config)]);
        let (mails, jobs) = sent_through_a_crash(&database, &rows, &mail, &workflow, &json!({})).await;
        let result =
            json!({"status": "success", "triggerFrom": "workflow", "channelName": "mails", "queued": true});
        assert_eq!((jobs.len(), &jobs[0]["status"], &jobs[0]["result"]), (1, &json!(1), &result), "{jobs:?}");
        let ids: Vec<_> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
        assert!(ids.len() == 2 && ids[0].is_some() && ids[0] == ids[1], "{ids:?}");
        assert_eq!(rows.count(Table::NotificationSendLogs).await, 1);
    })
    .await;
}
