//! Connections to the database when it pauses, falls silent, is full, changes its tables or gives few connections.

use std::os::fd::RawFd;
use std::time::Duration;

use entity::Table;
use filedescriptor::FileDescriptor;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, IsolationLevel, Statement};
use serde_json::json;
use sidehook::app::open_store;
use sidehook::store::workflow::NewWorkflow;
use socket2::SockRef;
use tokio::time::Instant;

use super::proxy::Proxy;
use super::waiting::wait;
use crate::databases::{Kind, Server, TestDatabase};
use crate::fixture::{node, workflow};
use crate::rows::Rows;
use crate::server::{TestServer, config, on_databases};

/// How long what has to happen may take.
const TIMEOUT: Duration = Duration::from_secs(60);

fn answering(key: &str) -> NewWorkflow {
    let answer = node("r", "response", json!({"statusCode": 200, "body": "ok"}));
    workflow(key, true, &json!({"request": {"body": [{"key": "text"}]}}), &[answer])
}

/// A sidehook whose way to the database leads through a proxy, and rows that are read past it.
async fn behind(proxy: &Proxy, database: &TestDatabase) -> (TestServer, Rows) {
    let port = proxy.port.to_string();
    let settings = [("DB_HOST", "127.0.0.1"), ("DB_PORT", port.as_str()), ("DB_POOL_MAX", "6")];
    let server = TestServer::start_with(database, &settings).await;
    let store = open_store(&config(database, &[])).await.expect("the database opens");
    (server, Rows { store })
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the database has a newer sign of life than it has now: one that was given inside of somebody's open
/// transaction is seen by nobody else.
async fn gives_signs_of_life(rows: &Rows) {
    let sql = format!("SELECT heartbeat_at FROM {}", rows.table(entity::Table::Instances));
    let before = rows.number(&sql).await;
    until("a sign of life", async || (rows.number(&sql).await > before).then_some(())).await;
}

/// A workflow's timeout cuts its nodes off while they begin a transaction, and the driver loses sight of that.
#[tokio::test(flavor = "multi_thread")]
async fn pauses_of_the_database_leave_no_transaction_behind() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let proxy = Proxy::before(&database).await;
        let (server, direct) = behind(&proxy, &database).await;
        let select = node("s", "sql", json!({"sql": "select 1 as one"}));
        let cut_off = NewWorkflow {
            options: json!({"timeout": 300}).to_string(),
            ..workflow("cut-off", true, &json!({}), &[select])
        };
        for hook in [&answering("plain"), &cut_off] {
            server.add(hook).await;
            let is_served = async || (server.post(&hook.key, &json!({})).await.status() == 200).then_some(());
            until("an answer", is_served).await;
        }
        let nothing = json!({});
        for _ in 0..3 {
            proxy.hold();
            let calls = join_all((0..6).map(|_| server.post("cut-off", &nothing)));
            let pause = async {
                tokio::time::sleep(Duration::from_millis(1200)).await;
                proxy.release();
            };
            tokio::join!(calls, pause);
            gives_signs_of_life(&direct).await;
            let answers = join_all((0..20).map(|_| server.post("plain", &nothing))).await;
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
            assert_eq!(statuses, [200; 20]);
        }
        if database.kind == Kind::Postgres {
            let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)";
            let mark = direct.number(now).await;
            let open = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND state LIKE 'idle in transaction%' AND EXTRACT(EPOCH FROM xact_start) * 1000 < {mark}"
            );
            // Those that nobody knows of would stay: something is asked on each connection about every second.
            until("the end of old transactions", async || (direct.number(&open).await == 0).then_some(()))
                .await;
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fall_silent_are_replaced() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let proxy = Proxy::before(&database).await;
        let (server, direct) = behind(&proxy, &database).await;
        server.add(&answering("plain")).await;
        until("an answer", async || (server.post("plain", &json!({})).await.status() == 200).then_some(()))
            .await;
        proxy.silence();
        gives_signs_of_life(&direct).await;
        until("an answer", async || (server.post("plain", &json!({})).await.status() == 200).then_some(()))
            .await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_to_the_database_have_their_options() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let proxy = Proxy::before(&database).await;
        let (server, _) = behind(&proxy, &database).await;
        // One that is just being made has none yet.
        until("all sockets have their options", async || {
            let options = options_of_sockets_to(proxy.port);
            let are_set = options.iter().all(|(nodelay, keepalive)| *nodelay && *keepalive);
            (!options.is_empty() && are_set).then_some(())
        })
        .await;
        server.stop().await;
    })
    .await;
}

/// Whether they send at once and ask silent peers, of this process's sockets to a port.
fn options_of_sockets_to(port: u16) -> Vec<(bool, bool)> {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let entries = std::fs::read_dir(folder).expect("the own descriptors");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let copies = names.filter_map(|name| FileDescriptor::dup(&name.parse::<RawFd>().ok()?).ok());
    let options = copies.filter_map(|copy| {
        let socket = SockRef::from(&copy);
        let peer = socket.peer_addr().ok()?.as_socket()?;
        (peer.port() == port).then(|| (socket.tcp_nodelay().ok(), socket.keepalive().ok()))
    });
    options.filter_map(|(nodelay, keepalive)| Some((nodelay?, keepalive?))).collect()
}

/// PostgreSQL refuses statements that were prepared before the type of a column changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_changes_its_type_stops_nobody() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let server = TestServer::start(&database).await;
        server.add(&answering("before")).await;
        until("an answer", async || (server.post("before", &json!({})).await.status() == 200).then_some(()))
            .await;
        server.execute("CREATE TABLE things (n integer)").await;
        server.execute("INSERT INTO things VALUES (1)").await;
        let backend = server.app.store.codec.backend();
        let select = || Statement::from_sql_and_values(backend, "SELECT n FROM things", []);
        let all = async || {
            let found = join_all((0..20).map(|_| server.app.store.data.query_one_raw(select()))).await;
            found.into_iter().for_each(|row| assert!(row.expect("the things are read").is_some()));
        };
        // On every connection that there is.
        all().await;
        let title = server.quoted("title");
        let workflows = server.table(entity::Table::Workflows);
        for (table, column, kind) in [("things", "n", "bigint"), (workflows.as_str(), title.as_str(), "text")]
        {
            let change = match backend {
                DbBackend::Postgres => format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}"),
                _ => format!("ALTER TABLE {table} MODIFY {column} {kind}"),
            };
            server.execute(&change).await;
        }
        all().await;
        server.add(&answering("after")).await;
        until("an answer", async || (server.post("after", &json!({})).await.status() == 200).then_some(()))
            .await;
        server.stop().await;
    })
    .await;
}

/// SQLite ends a transaction by itself when the disk is full; what was acknowledged on that connection from then on
/// was lost.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_disk_is_full() {
    let database = TestDatabase::create(Kind::Sqlite).await.expect("SQLite can always be had");
    let server = TestServer::start_with(&database, &[("DB_POOL_MAX", "1")]).await;
    let hook = answering("load");
    server.add(&hook).await;
    until("an answer", async || (server.post("load", &json!({})).await.status() == 200).then_some(())).await;
    let store = open_store(&config(&database, &[])).await.expect("the database opens");
    let direct = Rows { store };
    let mut acknowledged = direct.executions(hook.id).await.len();
    for _ in 0..3 {
        // A limit of the connection that there is: one that is opened in its place has space again.
        let pages = server.number("PRAGMA page_count").await;
        server.execute(&format!("PRAGMA max_page_count = {}", pages + 10)).await;
        for _ in 0..30 {
            let body = json!({"text": "x".repeat(20_000)});
            for answer in join_all((0..4).map(|_| server.post("load", &body))).await {
                match answer.status().as_u16() {
                    200 => acknowledged += 1,
                    503 => assert!(answer.headers().contains_key("retry-after")),
                    other => panic!("answered {other}"),
                }
            }
        }
    }
    let rows = direct.executions(hook.id).await.len();
    assert!(rows >= acknowledged, "{acknowledged} events were acknowledged and {rows} are recorded");
    assert!(acknowledged > 300, "{acknowledged} events were acknowledged");
    server.stop().await;
}

/// A role that owns the database, with a password that would have to be escaped in a URL.
async fn owner(rows: &Rows, limit: i32) -> (String, &'static str) {
    let role = format!("r{:016x}", rand::random::<u64>());
    let password = "p#/@? %41";
    rows.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD '{password}' CONNECTION LIMIT {limit}")).await;
    let name = rows.texts("SELECT current_database()::text").await.remove(0).expect("a name");
    rows.execute(&format!("ALTER DATABASE {name} OWNER TO {role}")).await;
    (role, password)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_few_connections_is_served_with_those() {
    on_databases(&[Kind::Postgres], async |database| {
        let admin = Rows { store: open_store(&config(&database, &[])).await.expect("the database opens") };
        let (role, password) = owner(&admin, 2).await;
        let settings = [("DB_USER", role.as_str()), ("DB_PASSWORD", password), ("DB_POOL_MAX", "10")];
        let server = TestServer::start_with(&database, &settings).await;
        server.add(&answering("plain")).await;
        until("an answer", async || (server.post("plain", &json!({})).await.status() == 200).then_some(()))
            .await;
        let nothing = json!({});
        for answer in join_all((0..30).map(|_| server.post("plain", &nothing))).await {
            assert_eq!(answer.status(), 200);
        }
        server.stop().await;
    })
    .await;
}

/// Such a log refuses what is written in the isolation that is usual here: events, what waits, and what is claimed.
#[tokio::test]
async fn a_server_whose_binary_log_is_one_of_statements_is_written_to() {
    let Some(mut database_server) = Server::start(Kind::Mysql, false).await else { return };
    database_server.stop().await.expect("it stops");
    let arguments = ["--log-bin=log", "--binlog-format=STATEMENT", "--server-id=1"];
    database_server.start_again_with(&arguments).await.expect("it starts with a log");
    let database = database_server.create_database().await.expect("a database");
    let server = TestServer::start(&database).await;
    server.execute("CREATE TABLE t (n int)").await;
    let committed = Some(IsolationLevel::ReadCommitted);
    let tx = server.store.begin_in_turn(committed).await.expect("a transaction");
    let err = tx.execute_unprepared("INSERT INTO t VALUES (1)").await.expect_err("the log refuses it");
    assert!(err.to_string().contains("BINLOG_FORMAT"), "{err}");
    tx.rollback().await.expect("it is over");
    let hook = workflow("k", false, &json!({}), &[node("v", "variable", json!({"value": 1}))]);
    server.add(&hook).await;
    let owner = server.store.register_instance("another").await.expect("a number").owner;
    wait(&server, owner, hook.id, 20).await;
    for _ in 0..20 {
        assert_eq!(server.post("k", &json!({})).await.status(), 200);
    }
    let executions = server.settled(hook.id, 40, TIMEOUT).await;
    assert!(executions.iter().all(|execution| execution["status"] == 1), "{executions:?}");
    assert_eq!(server.count(Table::Jobs).await, 40);
    server.stop().await;
}
