//! Table and column names follow `DB_SCHEMA`, `DB_TABLE_PREFIX` and `DB_UNDERSCORED`, each alone and all together.

use serde_json::{Value, json};

use crate::databases::{Kind, TestDatabase};
use crate::fixture::{node, workflow};
use crate::server::{TestServer, on_databases, on_every_database};
use crate::wait::TIMEOUT;

/// What the tables of a deployment are called.
struct Expected {
    settings: &'static [(&'static str, &'static str)],
    tables: [&'static str; 16],
    /// With its schema, quoted where the name needs it on PostgreSQL and SQLite.
    executions: &'static str,
    workflow_id: &'static str,
}

const PLAIN: [&str; 16] = [
    "applicationPlugins",
    "environmentVariables",
    "executions",
    "flow_nodes",
    "jobs",
    "sidehook_handovers",
    "sidehook_instances",
    "sidehook_leases",
    "sidehook_listening",
    "sidehook_migrations",
    "sidehook_requests",
    "sidehook_settings",
    "sidehook_timers",
    "workflowStats",
    "workflowVersionStats",
    "workflows",
];
const PREFIXED: [&str; 16] = [
    "nb_applicationPlugins",
    "nb_environmentVariables",
    "nb_executions",
    "nb_flow_nodes",
    "nb_jobs",
    "nb_workflowStats",
    "nb_workflowVersionStats",
    "nb_workflows",
    "sidehook_nb_handovers",
    "sidehook_nb_instances",
    "sidehook_nb_leases",
    "sidehook_nb_listening",
    "sidehook_nb_migrations",
    "sidehook_nb_requests",
    "sidehook_nb_settings",
    "sidehook_nb_timers",
];
const UNDERSCORED: [&str; 16] = [
    "application_plugins",
    "environment_variables",
    "executions",
    "flow_nodes",
    "jobs",
    "sidehook_handovers",
    "sidehook_instances",
    "sidehook_leases",
    "sidehook_listening",
    "sidehook_migrations",
    "sidehook_requests",
    "sidehook_settings",
    "sidehook_timers",
    "workflow_stats",
    "workflow_version_stats",
    "workflows",
];
const PREFIXED_AND_UNDERSCORED: [&str; 16] = [
    "nb_application_plugins",
    "nb_environment_variables",
    "nb_executions",
    "nb_flow_nodes",
    "nb_jobs",
    "nb_workflow_stats",
    "nb_workflow_version_stats",
    "nb_workflows",
    "sidehook_nb_handovers",
    "sidehook_nb_instances",
    "sidehook_nb_leases",
    "sidehook_nb_listening",
    "sidehook_nb_migrations",
    "sidehook_nb_requests",
    "sidehook_nb_settings",
    "sidehook_nb_timers",
];

/// Runs a workflow of either mode and checks under which names its rows are.
async fn check(database: &TestDatabase, expected: &Expected) {
    let server = TestServer::start_with(database, expected.settings).await;
    assert_eq!(tables(&server, database.kind).await, expected.tables);
    let steps = [
        node("keep", "variable", json!({"value": "{{$context.body.n}}"})),
        node("answer", "response", json!({"statusCode": 201, "body": "{{$jobsMapByNodeKey.keep}}"})),
    ];
    let trigger = json!({"request": {"body": [{"key": "n"}]}});
    for (key, is_sync, status) in [("sync", true, 201), ("async", false, 200)] {
        let hook = workflow(key, is_sync, &trigger, &steps);
        server.add(&hook).await;
        assert_eq!(server.post(key, &json!({"n": 7})).await.status(), status, "{key}");
        let executions = server.settled(hook.id, 1, TIMEOUT).await;
        assert_eq!(executions.len(), 1, "{key}");
        assert_eq!(executions[0]["status"], 1, "{key}");
        let jobs = server.jobs(executions[0]["id"].as_i64().expect("an id")).await;
        let results: Vec<&Value> = jobs.iter().map(|job| &job["result"]).collect();
        assert_eq!(results, [&json!(7), &json!({"statusCode": 201, "headers": [], "body": 7})], "{key}");
        assert_eq!(server.stats(key, hook.id).await, "1,1");
        let (executions, workflow_id) = match database.kind {
            Kind::Mysql => (expected.executions.replace('"', "`"), expected.workflow_id.replace('"', "`")),
            _ => (expected.executions.to_owned(), expected.workflow_id.to_owned()),
        };
        let count = format!("SELECT COUNT(*) FROM {executions} WHERE {workflow_id} = {}", hook.id);
        assert_eq!(server.number(&count).await, 1, "{key}");
    }
    let leases = server.count(entity::Table::Leases).await;
    server.stop().await;
    assert_eq!(leases, 0);
    // A second start finds everything under the same names.
    TestServer::start_with(database, expected.settings).await.stop().await;
}

/// The names of all tables, those of other schemas included.
async fn tables(server: &TestServer, kind: Kind) -> Vec<String> {
    let sql = match kind {
        Kind::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Kind::Postgres => {
            "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        }
        Kind::Mysql => "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
    };
    let mut tables: Vec<String> = server.texts(sql).await.into_iter().flatten().collect();
    tables.sort_unstable();
    tables
}

#[tokio::test]
async fn without_settings_names_are_nocobases_defaults() {
    on_every_database(async |database| {
        let (executions, workflow_id) = (r#""executions""#, r#""workflowId""#);
        check(&database, &Expected { settings: &[], tables: PLAIN, executions, workflow_id }).await;
    })
    .await;
}

#[tokio::test]
async fn a_table_prefix_comes_before_table_names() {
    on_every_database(async |database| {
        let settings = &[("DB_TABLE_PREFIX", "nb_")];
        let (executions, workflow_id) = (r#""nb_executions""#, r#""workflowId""#);
        check(&database, &Expected { settings, tables: PREFIXED, executions, workflow_id }).await;
    })
    .await;
}

#[tokio::test]
async fn underscored_names_are_in_snake_case() {
    on_every_database(async |database| {
        let settings = &[("DB_UNDERSCORED", "true")];
        let (executions, workflow_id) = (r#""executions""#, r#""workflow_id""#);
        check(&database, &Expected { settings, tables: UNDERSCORED, executions, workflow_id }).await;
    })
    .await;
}

#[tokio::test]
async fn a_schema_holds_all_tables() {
    on_databases(&[Kind::Postgres], async |database| {
        let settings = &[("DB_SCHEMA", "nbs")];
        let (executions, workflow_id) = (r#""nbs"."executions""#, r#""workflowId""#);
        check(&database, &Expected { settings, tables: PLAIN, executions, workflow_id }).await;
    })
    .await;
}

#[tokio::test]
async fn prefix_and_underscores_and_schema_go_together() {
    on_every_database(async |database| {
        let settings = &[("DB_SCHEMA", "Nb S"), ("DB_TABLE_PREFIX", "nb_"), ("DB_UNDERSCORED", "true")];
        let executions = match database.kind {
            Kind::Postgres => r#""Nb S"."nb_executions""#,
            _ => r#""nb_executions""#,
        };
        let (tables, workflow_id) = (PREFIXED_AND_UNDERSCORED, "workflow_id");
        check(&database, &Expected { settings, tables, executions, workflow_id }).await;
    })
    .await;
}

/// Two deployments that share a database under two prefixes have nothing in common.
#[tokio::test]
async fn prefixes_keep_deployments_of_one_database_apart() {
    on_every_database(async |database| {
        let [one, two] = ["the_first_of_two_nocobases_", "two_"];
        let first = TestServer::start_with(&database, &[("DB_TABLE_PREFIX", one)]).await;
        let second = TestServer::start_with(&database, &[("DB_TABLE_PREFIX", two)]).await;
        let hook = workflow("k", false, &json!({}), &[node("v", "variable", json!({"value": 1}))]);
        first.add(&hook).await;
        assert_eq!(first.post("k", &json!({})).await.status(), 200);
        assert_eq!(second.post("k", &json!({})).await.status(), 404);
        assert_eq!(first.settled(hook.id, 1, TIMEOUT).await[0]["status"], 1);
        assert_eq!(second.count(entity::Table::Executions).await, 0);
        assert_eq!((first.app.engine.owner().number, second.app.engine.owner().number), (0, 0));
        first.stop().await;
        second.stop().await;
    })
    .await;
}
