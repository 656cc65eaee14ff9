//! `sidehook check` as a person runs it.

use std::time::Instant;

use entity::Table;
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::json;
use sidehook::store::inspect::NEEDED;
use sidehook::store::workflow::NewWorkflow;

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::process::run;
use crate::rows::Rows;
use crate::server::{TestServer, on_databases, on_every_database, prepare};
use crate::wait::{TIMEOUT, until};

/// How a command has ended.
#[derive(Debug)]
pub struct Outcome {
    pub succeeded: bool,
    /// Standard output.
    pub printed: String,
    /// Standard error.
    pub complained: String,
}

impl Outcome {
    pub fn has(&self, text: &str) {
        assert!(self.printed.contains(text), "{text:?} is missing:\n{}\n{}", self.printed, self.complained);
    }
}

pub async fn sidehook(arguments: &[&str], settings: &[(&str, &str)]) -> Outcome {
    let output = run(arguments, settings).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        succeeded: output.status.success(),
        printed: text(&output.stdout),
        complained: text(&output.stderr),
    }
}

pub async fn check(database: &TestDatabase, settings: &[(&str, &str)]) -> Outcome {
    let environment = database.env();
    let mut pairs: Vec<_> = environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    pairs.extend(settings);
    sidehook(&["check"], &pairs).await
}

pub async fn prepared(database: &TestDatabase) -> Rows {
    Rows { store: prepare(database, &[]).await }
}

#[tokio::test]
async fn workflows_are_listed_with_what_is_wrong_with_them() {
    on_every_database(async |database| {
        let rows = prepared(&database).await;
        let mut sound = workflow(
            "sound",
            true,
            &json!({"basicAuthentication": {"username": "u", "password": "hunter2"},
                "sidehook": {"path": "orders/:id"}}),
            &[node("answer", "response", json!({}))],
        );
        sound.title = "Order received".to_owned();
        let flawed = workflow(
            "flawed",
            false,
            &json!({"basicAuthentication": true, "request": {"body": [{"key": "$.a["}]},
                "sidehook": {"path": "/orders/:key/", "signatures": {}}}),
            &[
                node("ask", "manual", json!({})),
                node("dates", "script", json!({"content": "return require('dayjs')()"})),
                node("answer", "response", json!({})),
            ],
        );
        let silent = workflow("silent", true, &json!({}), &[]);
        for workflow in [&sound, &flawed, &silent] {
            rows.add(workflow).await;
        }
        let settings = [
            ("API_BASE_PATH", "/v1/"),
            ("WORKFLOW_SCRIPT_MODULES", "dayjs"),
            ("SIDEHOOK_SCRIPT_NODE_MODULES", "/nowhere"),
        ];
        let outcome = check(&database, &settings).await;
        assert!(!outcome.succeeded, "{outcome:?}");
        assert!(
            outcome.complained.contains("a webhook or workflow cannot be served: 3 errors"),
            "{outcome:?}"
        );
        let (facts, list) = outcome.printed.split_once("\n\n").expect("facts, then workflows");
        let kind = match database.kind {
            Kind::Sqlite => "SQLite",
            Kind::Postgres => "PostgreSQL",
            Kind::Mysql => "M",
        };
        assert!(facts.starts_with(&format!("Database           {kind}")), "{facts}");
        let (_, rest) = facts.split_once('\n').expect("several facts");
        // How it is connected is told of servers only, and depends on where the tests have theirs.
        let is_connection = |line: &&str| line.starts_with("Connection  ");
        let told = rest.lines().find(is_connection);
        assert!(database.kind != Kind::Sqlite || told.is_none(), "{rest}");
        assert!(
            database.kind != Kind::Postgres || told == Some("Connection         not encrypted"),
            "{rest}"
        );
        let rest: Vec<&str> = rest.lines().filter(|line| !is_connection(line)).collect();
        assert_eq!(rest.join("\n"), FACTS);
        assert_eq!(list, LIST);
    })
    .await;
}

const FACTS: &str = "\
Listens on         0.0.0.0:13080
NocoBase's tables  complete
Workflow plugin    2.2.15
sidehook's tables  up to date
Instances          0 of 32 numbers are in use";

const LIST: &str = r#"3 webhook workflows are enabled:

Order received
  key              sound
  URL              POST /v1/webhook:trigger/sound
                   POST /orders/:id
  mode             synchronous
  authentication   basic

flawed
  key              flawed
  URL              POST /v1/webhook:trigger/flawed
  mode             asynchronous
  authentication   basic, but unusable
  ERROR            its custom path /orders/:key belongs to the older workflow with the key sound
  ERROR            `sidehook.signatures` of its trigger is not known to this version: nobody is let in
  ERROR            basic authentication is on, but without a user name and a password: nobody is let in
  WARNING          `$.a[` of its body is not a valid JSONPath and finds nothing
  WARNING          node "ask" is of the type "manual", which sidehook does not run: it fails
  WARNING          node "dates" cannot load a module, and fails there: Cannot find module 'dayjs': there is no folder of packages: set SIDEHOOK_SCRIPT_NODE_MODULES to NocoBase's node_modules
  WARNING          node "answer" answers nobody, because the workflow is asynchronous

silent
  key              silent
  URL              POST /v1/webhook:trigger/silent
  mode             synchronous
  authentication   none
  note             it has no response node: callers are told 200 when it succeeds and 500 when it fails
"#;

#[tokio::test]
async fn a_running_sidehook_is_seen_and_not_disturbed() {
    on_every_database(async |database| {
        let server = TestServer::start(&database).await;
        let outcome = check(&database, &[]).await;
        assert!(outcome.succeeded, "{outcome:?}");
        outcome.has("Instances          1 of 32 numbers are in use: 0\n");
        outcome.has("No webhook workflow is enabled.");
        assert_eq!(server.count(Table::Instances).await, 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn missing_tables_and_columns_are_errors() {
    on_every_database(async |database| {
        let rows = prepared(&database).await;
        let drop_column = |table: Table, field: &str| {
            format!("ALTER TABLE {} DROP COLUMN {}", rows.table(table), rows.quoted(field))
        };
        rows.execute(&drop_column(Table::Jobs, "startedAt")).await;
        rows.execute(&drop_column(Table::Jobs, "log")).await;
        rows.execute(&format!("DROP TABLE {}", rows.table(Table::EnvironmentVariables))).await;
        let outcome = check(&database, &[]).await;
        assert!(!outcome.succeeded, "{outcome:?}");
        outcome.has("  ERROR            the table jobs has no columns log, startedAt\n");
        outcome.has("upgrade NocoBase");
        outcome.has("  note             there is no table environmentVariables: $env is empty\n");
        assert!(outcome.complained.contains("this database cannot be served: 1 error"), "{outcome:?}");

        rows.execute(&format!("DROP TABLE {}", rows.table(Table::FlowNodes))).await;
        let outcome = check(&database, &[]).await;
        assert!(!outcome.succeeded, "{outcome:?}");
        outcome.has("  ERROR            there is no table flow_nodes\n");
        let outcome = check(&database, &[("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true")]).await;
        assert!(!outcome.succeeded, "{outcome:?}");
        outcome.has("there is no table nb_workflow_stats\n");
        outcome.has("DB_TABLE_PREFIX");
    })
    .await;
}

#[tokio::test]
async fn tables_are_looked_for_under_the_names_of_the_deployment() {
    on_every_database(async |database| {
        let settings = [("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true"), ("DB_SCHEMA", "nbs")];
        prepare(&database, &settings).await;
        let outcome = check(&database, &settings).await;
        assert!(outcome.succeeded, "{outcome:?}");
        outcome.has("NocoBase's tables  complete\n");
        outcome.has("sidehook's tables  up to date\n");
        if database.kind == Kind::Postgres {
            let settings = [("DB_SCHEMA", "elsewhere")];
            let outcome = check(&database, &settings).await;
            assert!(!outcome.succeeded, "{outcome:?}");
            outcome.has(
                "  ERROR            the PostgreSQL schema \"elsewhere\" does not exist: check DB_SCHEMA\n",
            );
        }
    })
    .await;
}

#[tokio::test]
async fn without_the_workflow_plugin_there_is_no_serving() {
    on_every_database(async |database| {
        let rows = prepared(&database).await;
        let table = rows.table(Table::ApplicationPlugins);
        rows.execute(&format!("UPDATE {table} SET {} = false", rows.quoted("enabled"))).await;
        let outcome = check(&database, &[]).await;
        assert!(outcome.succeeded, "{outcome:?}");
        outcome.has("  note             the plugin is not enabled");
        rows.execute(&format!("DELETE FROM {table}")).await;
        let outcome = check(&database, &[]).await;
        assert!(!outcome.succeeded, "{outcome:?}");
        outcome.has("  ERROR            applicationPlugins has no row of the plugin workflow");
    })
    .await;
}

/// Makes the database look like one that sidehook has never seen.
async fn drop_own_tables(rows: &Rows) {
    let leases = rows.store.names.table_name(Table::Leases);
    let prefix = leases.strip_suffix("leases").expect("the name of an own table");
    for table in ["leases", "instances", "migrations"] {
        rows.execute(&format!("DROP TABLE {prefix}{table}")).await;
    }
}

#[tokio::test]
async fn own_tables_that_serve_can_create_need_not_be_there() {
    on_every_database(async |database| {
        let rows = prepared(&database).await;
        drop_own_tables(&rows).await;
        let outcome = check(&database, &[]).await;
        assert!(outcome.succeeded, "{outcome:?}");
        outcome.has("sidehook's tables  not there or not up to date; serve creates them\n");
        assert!(!outcome.printed.contains("Instances"), "{outcome:?}");
        let sql = format!("SELECT 1 FROM {}", rows.table(Table::Leases));
        assert!(rows.store.db.execute_unprepared(&sql).await.is_err());
    })
    .await;
}

/// A user who may read and write all tables that are there, and create none.
pub async fn add_user(rows: &Rows, name: &str) {
    let statements = match rows.store.codec.backend() {
        DbBackend::Postgres => vec![
            format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"),
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}"),
        ],
        _ => vec![
            format!("CREATE USER {name} IDENTIFIED BY 'secret'"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON * TO {name}"),
        ],
    };
    for statement in statements {
        rows.execute(&statement).await;
    }
}

pub async fn remove_user(rows: &Rows, name: &str) {
    if rows.store.codec.backend() == DbBackend::Postgres {
        rows.execute(&format!("DROP OWNED BY {name}")).await;
    }
    let kind = if rows.store.codec.backend() == DbBackend::Postgres { "ROLE" } else { "USER" };
    rows.execute(&format!("DROP {kind} {name}")).await;
}

#[tokio::test]
async fn own_tables_that_serve_cannot_create_are_an_error() {
    on_databases(&[Kind::Postgres, Kind::Mysql], async |database| {
        let rows = prepared(&database).await;
        let name = format!("sh_{:08x}", rand::random::<u32>());
        add_user(&rows, &name).await;
        let user = [("DB_USER", &*name), ("DB_PASSWORD", "secret")];
        let there = check(&database, &user).await;
        drop_own_tables(&rows).await;
        let gone = check(&database, &user).await;
        remove_user(&rows, &name).await;
        assert!(there.succeeded, "{there:?}");
        there.has("sidehook's tables  up to date\n");
        assert!(!gone.succeeded, "{gone:?}");
        gone.has(
            "  ERROR            this user may not create tables: run `sidehook migrate` as one who may\n",
        );
    })
    .await;
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_said_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("missing.sqlite").display().to_string();
    let outcome = sidehook(&["check", "--database", &file], &[]).await;
    assert!(!outcome.succeeded && outcome.complained.contains("cannot be opened"), "{outcome:?}");
    assert!(!folder.path().join("missing.sqlite").exists(), "looking has created the file");
    let started = Instant::now();
    let url = "postgres://user:hunter2@127.0.0.1:1/nocobase";
    let outcome = sidehook(&["check"], &[("SIDEHOOK_DATABASE_URL", url)]).await;
    assert!(!outcome.succeeded && outcome.complained.contains("check the DB_ settings"), "{outcome:?}");
    assert!(!outcome.complained.contains("hunter2"), "{outcome:?}");
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
}

/// Takes away every column that is not said to be needed.
async fn drop_other_columns(rows: &Rows) {
    for (table, fields) in NEEDED {
        let name = rows.store.names.table_name(*table);
        let sql =
            format!("SELECT column_name::text FROM information_schema.columns WHERE table_name = '{name}'");
        for column in rows.texts(&sql).await.into_iter().flatten() {
            if !fields.contains(&column.as_str()) {
                let drop = format!("ALTER TABLE {} DROP COLUMN \"{column}\" CASCADE", rows.table(*table));
                rows.execute(&drop).await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_said_to_be_needed_is_enough_to_serve() {
    on_databases(&[Kind::Postgres], async |database| {
        let rows = prepared(&database).await;
        let branch = vec![node("answer", "response", json!({"body": "{{$env.NAME}}"}))];
        let (sync, asynchronous, deleted) = (
            workflow("sync", true, &json!({}), &[node("check", "condition", json!({})).branch(1, branch)]),
            workflow(
                "async",
                false,
                &json!({}),
                &[
                    node("loop", "loop", json!({"target": 3}))
                        .branch(0, vec![node("v", "variable", json!({"value": 1}))]),
                    node("out", "output", json!({"value": "{{$jobsMapByNodeKey.loop}}"})),
                ],
            ),
            workflow("deleted", true, &json!({}), &[node("v", "variable", json!({}))]),
        );
        let deleted = NewWorkflow {
            options: json!({"deleteExecutionOnStatus": [1], "timeout": 60_000}).to_string(),
            ..deleted
        };
        for workflow in [&sync, &asynchronous, &deleted] {
            rows.add(workflow).await;
        }
        rows.execute(
            "INSERT INTO \"environmentVariables\" (name, type, value, \"createdAt\", \"updatedAt\")
            VALUES ('NAME', 'default', 'found', now(), now())",
        )
        .await;
        drop_other_columns(&rows).await;
        // Twice, the second time over what the first has left.
        for count in 1..=2 {
            let server = TestServer::start(&database).await;
            let answer = server.post("sync", &json!({})).await;
            assert_eq!((answer.status().as_u16(), &*answer.text().await.expect("a text")), (200, "found"));
            assert_eq!(server.post("deleted", &json!({})).await.status(), 200);
            assert_eq!(server.post("async", &json!({})).await.status(), 200);
            let sql = format!(
                "SELECT count(*) FROM executions WHERE \"workflowId\" = {} AND status = 1",
                asynchronous.id
            );
            until(
                async || server.number(&sql).await >= count,
                || "the asynchronous execution does not end".to_owned(),
            )
            .await;
            server.stop().await;
        }
        let outcome = check(&database, &[]).await;
        assert!(outcome.succeeded, "{outcome:?}");
    })
    .await;
}
