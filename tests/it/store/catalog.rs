//! Changes of workflows in the database are followed without a restart, and asking for workflows that do not exist
//! costs the database next to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use entity::Table;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sidehook::clock::{Clock, SystemClock};
use sidehook::store::Store;
use sidehook::store::catalog::{Catalog, Definition};
use sidehook::store::workflow::NewWorkflow;

use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, on_every_database, prepare};
use crate::wait::until;

/// A synchronous workflow that answers with a text.
fn answering(key: &str, text: &str) -> NewWorkflow {
    workflow(key, true, &json!({}), &[node("answer", "response", json!({"body": text}))])
}

/// What a webhook answers: the status, or the text of a 200.
async fn answer(server: &TestServer, key: &str) -> String {
    let response = server.post(key, &json!({})).await;
    let status = response.status().as_u16();
    let text = response.text().await.expect("the body arrives");
    if status == 200 { text } else { status.to_string() }
}

async fn becomes(server: &TestServer, key: &str, expected: &str) {
    until(
        async || answer(server, key).await == expected,
        || format!("{key} still does not answer {expected}"),
    )
    .await;
}

/// The same right after the rows have been compared, instead of waiting until that is due.
async fn is_now(server: &TestServer, key: &str, expected: &str) {
    server.app.hooks.refresh().await.expect("the database answers");
    assert_eq!(answer(server, key).await, expected, "{key}");
}

/// Changes rows of a workflow as NocoBase does: `updatedAt` of the version is set too.
async fn change(server: &TestServer, workflow: &NewWorkflow, changes: &[(&str, &str)]) {
    let changes = changes.iter().map(|(field, value)| format!("{} = {value}", server.quoted(field)));
    let sql = format!(
        "UPDATE {} SET {}, {} = {} WHERE {} = {}",
        server.table(Table::Workflows),
        changes.collect::<Vec<_>>().join(", "),
        server.quoted("updatedAt"),
        now(&server.store),
        server.quoted("id"),
        workflow.id,
    );
    server.execute(&sql).await;
}

/// The present as a literal for a column of NocoBase's tables.
fn now(store: &Store) -> String {
    format!("'{}'", entity::Timestamp(SystemClock.now()).text(store.codec.backend()))
}

/// Makes the config of the only node answer another text.
async fn edit_node(server: &TestServer, workflow: &NewWorkflow, text: &str) {
    let sql = format!(
        "UPDATE {} SET {} = '{}' WHERE {} = {}",
        server.table(Table::FlowNodes),
        server.quoted("config"),
        json!({"body": text}),
        server.quoted("workflowId"),
        workflow.id,
    );
    server.execute(&sql).await;
}

#[tokio::test]
async fn enabling_and_disabling_are_followed() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hook = answering("k", "here");
        server.add(&hook).await;
        becomes(&server, "k", "here").await;
        change(&server, &hook, &[("enabled", "false")]).await;
        becomes(&server, "k", "404").await;
        change(&server, &hook, &[("enabled", "true")]).await;
        becomes(&server, "k", "here").await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_workflow_is_found_at_its_first_request() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for key in ["a", "b", "c"] {
            server.add(&answering(key, key)).await;
            assert_eq!(answer(&server, key).await, key);
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn of_the_versions_of_a_key_the_enabled_one_runs() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let first = answering("k", "first");
        server.add(&first).await;
        is_now(&server, "k", "first").await;
        change(&server, &first, &[("enabled", "false"), ("current", "NULL")]).await;
        let second = answering("k2", "second");
        server.add(&second).await;
        change(&server, &second, &[("key", "'k'")]).await;
        is_now(&server, "k", "second").await;
        // Back to the first version, in the two steps in which NocoBase writes it.
        change(&server, &second, &[("enabled", "false"), ("current", "NULL")]).await;
        change(&server, &first, &[("enabled", "true"), ("current", "true")]).await;
        is_now(&server, "k", "first").await;
        let executions = server.executions(second.id).await;
        assert!(!executions.is_empty());
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn edits_of_nodes_and_of_the_trigger_are_followed() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hook = answering("k", "one");
        server.add(&hook).await;
        is_now(&server, "k", "one").await;
        edit_node(&server, &hook, "two").await;
        change(&server, &hook, &[("title", "'edited'")]).await;
        is_now(&server, "k", "two").await;
        let secured = json!({"basicAuthentication": {"username": "ada", "password": "pw"}});
        change(&server, &hook, &[("config", &format!("'{secured}'"))]).await;
        is_now(&server, "k", "401").await;
        change(&server, &hook, &[("config", "'{}'"), ("sync", "false")]).await;
        is_now(&server, "k", "ok").await;
        server.stop().await;
    })
    .await;
}

/// `updatedAt` of MySQL has whole seconds, and NocoBase writes a node and its workflow one after the other: a version
/// that was changed just now may be changed again without a new `updatedAt`.
#[tokio::test]
async fn a_second_edit_in_the_same_moment_is_followed() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let hook = answering("k", "one");
        // A clock that is ahead makes the moment last.
        let soon = SystemClock.now() + chrono::TimeDelta::minutes(1);
        server.store.insert_workflow(&hook, soon).await.expect("inserted");
        is_now(&server, "k", "one").await;
        edit_node(&server, &hook, "two").await;
        is_now(&server, "k", "two").await;
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_workflow_that_cannot_be_read_leaves_the_others_alone() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        for (config, odd) in [("'5'", "a"), ("'null'", "b"), ("'\"text\"'", "c"), ("NULL", "d")] {
            let hook = answering(odd, odd);
            server.add(&hook).await;
            change(&server, &hook, &[("config", config), ("options", config)]).await;
            is_now(&server, odd, odd).await;
        }
        let hook = answering("nodes", "never");
        server.add(&hook).await;
        let sql = format!("UPDATE {} SET {} = NULL", server.table(Table::FlowNodes), server.quoted("type"));
        server.execute(&sql).await;
        change(&server, &hook, &[("title", "NULL"), ("sync", "NULL")]).await;
        server.add(&answering("good", "good")).await;
        is_now(&server, "good", "good").await;
        server.stop().await;
    })
    .await;
}

/// A store that counts its statements on some tables.
async fn counting(store: Store, tables: &[Table]) -> (Store, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (mut store, counted) = (store, count.clone());
    let names: Vec<String> = tables.iter().map(|table| store.names.table_name(*table)).collect();
    store.db.as_sea_orm_mut().set_metric_callback(move |info| {
        if names.iter().any(|name| info.statement.sql.contains(name)) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (store, count)
}

#[tokio::test]
async fn many_who_ask_for_unknown_keys_share_queries() {
    on_every_database(async |database| {
        let (store, count) = counting(prepare(&database, &[]).await, &[Table::Workflows]).await;
        let catalog = Catalog::new(store, |definition| definition.workflow.id);
        let keys: Vec<String> = (0..200).map(|i| format!("unknown-{i}")).collect();
        // Whoever asks while a query runs may have asked too late for it, and shares the next one. The first look is at the
        // rows as well as at their sums.
        for most in [3, 5] {
            let found = join_all(keys.iter().map(|key| catalog.find(key))).await;
            assert!(found.into_iter().all(|found| found.expect("the database answers").is_none()));
            let queries = count.load(Ordering::SeqCst);
            assert!((1..=most).contains(&queries), "{queries} queries");
        }
    })
    .await;
}

/// Inserts workflows `k0`, `k1`, …, all alike: each with two nodes, which are named after it and of which the second one comes
/// first.
async fn insert_many(rows: &Rows, count: i64) {
    let backend = rows.store.codec.backend();
    let time = entity::Timestamp(SystemClock.now() - chrono::TimeDelta::minutes(1)).text(backend);
    let all = ["id", "createdAt", "updatedAt", "key", "title", "type"];
    let insert = async |table: Table, more: &[&str], values: Vec<String>| {
        let columns: Vec<String> = all.iter().chain(more).map(|field| rows.quoted(field)).collect();
        let (table, columns) = (rows.table(table), columns.join(", "));
        rows.execute(&format!("INSERT INTO {table} ({columns}) VALUES {}", values.join(", "))).await;
    };
    let (mut workflows, mut nodes) = (Vec::new(), Vec::new());
    for n in 0..count {
        workflows.push(format!(
            "({n}, '{time}', '{time}', 'k{n}', 't', 'webhook', true, true, false, '{{}}', '{{}}')"
        ));
        for (id, name) in [(2 * n + 1, "second"), (2 * n, "first")] {
            nodes.push(format!("({id}, '{time}', '{time}', '{name} of k{n}', 't', 'end', '{{}}', {n})"));
        }
    }
    insert(Table::Workflows, &["enabled", "current", "sync", "config", "options"], workflows).await;
    insert(Table::FlowNodes, &["config", "workflowId"], nodes).await;
}

/// A start would take long otherwise.
#[tokio::test]
async fn many_workflows_are_read_with_few_statements() {
    on_every_database(async |database| {
        let tables = [Table::Workflows, Table::FlowNodes];
        let (store, count) = counting(prepare(&database, &[]).await, &tables).await;
        insert_many(&Rows { store: store.clone() }, 2_001).await;
        let catalog = Catalog::new(store, Definition::clone);
        let before = count.load(Ordering::SeqCst);
        assert_eq!(catalog.refresh().await.expect("the database answers"), 2_001);
        let statements = count.load(Ordering::SeqCst) - before;
        assert!(statements <= 24, "{statements} statements");
        let entries = catalog.entries();
        for n in 0..2_001 {
            let key = format!("k{n}");
            let nodes = entries[&key].nodes.iter().map(|node| node.key.as_deref().unwrap_or_default());
            assert!(nodes.eq([format!("first of {key}"), format!("second of {key}")]), "the nodes of {key}");
        }
    })
    .await;
}

#[tokio::test]
async fn known_keys_cost_no_query() {
    on_every_database(async |database| {
        let (store, count) = counting(prepare(&database, &[]).await, &[Table::Workflows]).await;
        store.insert_workflow(&answering("k", "here"), SystemClock.now()).await.expect("inserted");
        let catalog = Catalog::new(store, |definition| definition.workflow.id);
        catalog.refresh().await.expect("the database answers");
        let before = count.load(Ordering::SeqCst);
        for _ in 0..100 {
            assert!(catalog.find("k").await.expect("no query").is_some());
        }
        assert_eq!(count.load(Ordering::SeqCst), before);
    })
    .await;
}

/// An unchanged version is compared with its row, but neither read nor built again.
#[tokio::test]
async fn a_version_is_built_once_while_it_stays_the_same() {
    on_every_database(async |database| {
        let store = prepare(&database, &[]).await;
        let long_ago = SystemClock.now() - chrono::TimeDelta::minutes(1);
        for key in ["a", "b"] {
            store.insert_workflow(&answering(key, key), long_ago).await.expect("inserted");
        }
        let built = Arc::new(AtomicUsize::new(0));
        let counted = built.clone();
        let catalog = Catalog::new(store, move |_| counted.fetch_add(1, Ordering::SeqCst));
        for _ in 0..5 {
            catalog.refresh().await.expect("the database answers");
        }
        assert_eq!(built.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test]
async fn unknown_keys_are_refused_under_load_while_known_ones_are_served() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        server.add(&answering("k", "here")).await;
        is_now(&server, "k", "here").await;
        let unknown = join_all((0..200).map(|i| answer(&server, if i % 20 == 0 { "k" } else { "no" }))).await;
        let counted = |expected: &str| unknown.iter().filter(|found| *found == expected).count();
        assert_eq!((counted("404"), counted("here")), (190, 10), "{}", Value::from(unknown));
        server.stop().await;
    })
    .await;
}

/// NocoBase's clock may be ahead, or rows may have been imported: such a version settles like any other.
#[tokio::test]
async fn a_version_from_the_future_is_not_read_for_ever() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let hook = workflow("ahead", true, &json!({}), &[]);
        let ahead = SystemClock.now() + chrono::TimeDelta::days(1);
        rows.store.insert_workflow(&hook, ahead).await.expect("a workflow");
        let catalog = Catalog::new(rows.store.clone(), |definition| definition.workflow.id);
        assert_eq!(catalog.refresh().await.expect("the database answers"), 1);
        let is_settled = async || catalog.refresh().await.expect("the database answers") == 0;
        until(is_settled, || "the version is read again and again".to_owned()).await;
    })
    .await;
}
