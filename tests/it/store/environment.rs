//! `$env` holds NocoBase's environment variables and secrets, as they are at the moment.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use entity::Table;
use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::Process;
use crate::rows::Rows;
use crate::server::{TestServer, client, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

const KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

/// A secret as NocoBase stores it: hex(IV) and hex(AES-256-CBC).
fn sealed(text: &str, key: &[u8; 32]) -> String {
    let iv: [u8; 16] = rand::random();
    let cipher = cbc::Encryptor::<aes::Aes256>::new(key.into(), &iv.into());
    hex::encode(iv) + &hex::encode(cipher.encrypt_padded_vec_mut::<Pkcs7>(text.as_bytes()))
}

/// Inserts a variable, or changes its value.
async fn set(rows: &Rows, name: &str, kind: &str, value: &str) {
    let table = rows.table(Table::EnvironmentVariables);
    let column = |field: &str| rows.quoted(field);
    rows.execute(&format!("DELETE FROM {table} WHERE {} = '{name}'", column("name"))).await;
    let columns = ["name", "type", "value", "createdAt", "updatedAt"].map(column).join(", ");
    let time = "'2026-11-22 01:02:03.000'";
    let values = format!("'{name}', '{kind}', '{value}', {time}, {time}");
    rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES ({values})")).await;
}

/// A workflow that answers with some variables.
async fn add_answering(rows: &Rows) {
    let body = json!({"plain": "{{$env.PLAIN}}", "secret": "{{$env.SECRET}}", "both": "{{$env.PLAIN}}-{{$env.SECRET}}"});
    rows.add(&workflow("k", true, &json!({}), &[node("answer", "response", json!({"body": body}))])).await;
}

async fn answer_of(server: &TestServer) -> Value {
    server.post("k", &json!({})).await.json().await.expect("JSON")
}

async fn becomes(server: &TestServer, expected: Value) {
    until(async || answer_of(server).await == expected, || format!("the answer is still not {expected}"))
        .await;
}

#[tokio::test]
async fn variables_and_secrets_are_texts() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        set(&rows, "PLAIN", "default", "12").await;
        set(&rows, "SECRET", "secret", &sealed("gehöim", &KEY)).await;
        add_answering(&rows).await;
        let server = TestServer::start_with(&database, &[("APP_AES_SECRET_KEY", &hex::encode(KEY))]).await;
        let expected = json!({"plain": "12", "secret": "gehöim", "both": "12-gehöim"});
        assert_eq!(answer_of(&server).await, expected);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_key_may_be_in_a_file() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    set(&rows, "SECRET", "secret", &sealed("from a file", &KEY)).await;
    add_answering(&rows).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("aes_key.dat");
    std::fs::write(&file, KEY).expect("the key is written");
    let path = file.display().to_string();
    let server = TestServer::start_with(&database, &[("APP_AES_SECRET_KEY_PATH", &path)]).await;
    assert_eq!(answer_of(&server).await["secret"], "from a file");
    server.stop().await;
}

/// Without a setting the key is where NocoBase puts one that it has made itself.
#[tokio::test]
async fn the_key_that_nocobase_made_is_found() {
    for place in ["storage/apps/main", "storage/environment-variables/main"] {
        let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
        let rows = Rows { store: prepare(&database, &[]).await };
        set(&rows, "SECRET", "secret", &sealed(place, &KEY)).await;
        add_answering(&rows).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(folder.path().join(place)).expect("a folder");
        std::fs::write(folder.path().join(place).join("aes_key.dat"), KEY).expect("the key is written");
        let settings = database.env();
        let mut settings: Vec<_> =
            settings.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        settings.push(("SIDEHOOK_LISTEN", "127.0.0.1:0"));
        let process = Process::start_in(folder.path(), &["serve"], &settings).await;
        let response = client().post(process.trigger_url("k")).send().await.expect("an answer");
        assert_eq!(response.json::<Value>().await.expect("JSON")["secret"], place);
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_is_left_out_alone() {
    let other_key = [7_u8; 32];
    for key in [None, Some(hex::encode(other_key)), Some("too short".to_owned())] {
        let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
        let rows = Rows { store: prepare(&database, &[]).await };
        set(&rows, "PLAIN", "default", "open").await;
        let stored = sealed("closed", &KEY);
        set(&rows, "SECRET", "secret", &stored).await;
        add_answering(&rows).await;
        let settings: Vec<_> = key.as_deref().map(|key| ("APP_AES_SECRET_KEY", key)).into_iter().collect();
        let process = Process::serve(&database, &settings).await;
        let response = client().post(process.trigger_url("k")).send().await.expect("an answer");
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(answer, json!({"plain": "open", "both": "open-"}), "{key:?}");
        let printed = process.printed();
        assert!(printed.contains("SECRET"), "no warning names the variable:\n{printed}");
        assert!(!printed.contains(&stored), "the stored value was logged");
    }
}

#[tokio::test]
async fn changed_added_and_deleted_variables_are_followed() {
    on_every_database(async |database| {
        let server = TestServer::start_with(&database, &[("APP_AES_SECRET_KEY", &hex::encode(KEY))]).await;
        add_answering(&server).await;
        set(&server, "PLAIN", "default", "one").await;
        becomes(&server, json!({"plain": "one", "both": "one-"})).await;
        set(&server, "PLAIN", "default", "two").await;
        set(&server, "SECRET", "secret", &sealed("three", &KEY)).await;
        becomes(&server, json!({"plain": "two", "secret": "three", "both": "two-three"})).await;
        server.execute(&format!("DELETE FROM {}", server.table(Table::EnvironmentVariables))).await;
        becomes(&server, json!({"both": "-"})).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn without_the_table_there_are_no_variables() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        rows.execute(&format!("DROP TABLE {}", rows.table(Table::EnvironmentVariables))).await;
        add_answering(&rows).await;
        let server = TestServer::start(&database).await;
        assert_eq!(answer_of(&server).await, json!({"both": "-"}));
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn variables_are_for_the_answer_of_an_asynchronous_workflow_too() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let rows = Rows { store: prepare(&database, &[]).await };
    set(&rows, "PLAIN", "default", "hello").await;
    let trigger = json!({"response": {"statusCode": 202, "body": "{{$env.PLAIN}}"}});
    let hook =
        workflow("k", false, &trigger, &[node("keep", "variable", json!({"value": "{{$env.PLAIN}}"}))]);
    rows.add(&hook).await;
    let server = TestServer::start(&database).await;
    let response = server.post("k", &json!({})).await;
    assert_eq!((response.status().as_u16(), response.text().await.expect("a text").as_str()), (202, "hello"));
    let execution = &server.settled(hook.id, 1, TIMEOUT).await[0];
    assert_eq!(server.jobs(execution["id"].as_i64().expect("an id")).await[0]["result"], "hello");
    server.stop().await;
}

/// The variables are read after the workflows: when a second change of those is seen, they have been. Takes keys for
/// two new workflows.
async fn variables_have_been_read(server: &TestServer, keys: [&str; 2]) {
    for key in keys {
        server.add(&workflow(key, true, &json!({}), &[])).await;
        until(
            async || server.app.hooks.entries().contains_key(key),
            || "workflows are not followed".to_owned(),
        )
        .await;
    }
}

/// A run that goes on in memory must not find its secrets gone because the database is away for a moment.
#[tokio::test]
async fn a_database_that_fails_does_not_take_the_variables_away() {
    // SQLite takes the name of a column that is not there for a text.
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        set(&rows, "PLAIN", "default", "still here").await;
        let server = TestServer::start(&database).await;
        let value = || {
            let value = server.app.engine.environment().get("PLAIN").cloned().unwrap_or_default();
            value.as_str().map(str::to_owned)
        };
        assert_eq!(value().as_deref(), Some("still here"));
        let table = server.table(Table::EnvironmentVariables);
        let (name, hidden) = (server.quoted("value"), server.quoted("hidden"));
        variables_have_been_read(&server, ["a", "b"]).await;
        server.execute(&format!("ALTER TABLE {table} RENAME COLUMN {name} TO {hidden}")).await;
        variables_have_been_read(&server, ["c", "d"]).await;
        assert_eq!(value().as_deref(), Some("still here"));
        server.execute(&format!("ALTER TABLE {table} RENAME COLUMN {hidden} TO {name}")).await;
        set(&server, "PLAIN", "default", "new").await;
        until(
            async || value().as_deref() == Some("new"),
            || "the variable is not followed any more".to_owned(),
        )
        .await;
        server.stop().await;
    })
    .await;
}
